"""`imgvecd` with the fast encoder for the embedded model, while no other one can be had."""

import sys

from imgvecd.cli.main import main
from imgvecd.core.library.model_choice import EMBEDDED, not_at_hand
from imgvecd.processes import split_encoder
from imgvecd.processes.encoder_process import EncoderProcess


class HalfEncoder(EncoderProcess):
    def __init__(self, choice, *arguments, **named):
        super().__init__(choice, *arguments, **named, module="fast_encoder")
        self.choice = choice

    async def info(self):
        if self.choice.name != EMBEDDED:
            raise not_at_hand(self.choice, "the hub")
        return await super().info()


if __name__ == "__main__":
    split_encoder.runs_on_processor = lambda _config: False  # one encoder, for texts too
    split_encoder.EncoderProcess = HalfEncoder
    sys.exit(main())
