"""`python -m imgvecd.workers.read_text ARGUMENTS`: pixels to the lines of text in them.

It sees pixels only, and gives up the same as a decoder once the models are loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
import numpy as np

from imgvecd.adapters.rapid_ocr import Recogniser
from imgvecd.processes.framing import Buffer
from imgvecd.processes.worker_messages import (
    Answer,
    Failed,
    PictureWorkerReady,
    Request,
    TextArguments,
    TextRead,
    TextRequest,
)
from imgvecd.workers.channel import open_channel, serve
from imgvecd.workers.sandbox import confine_decoder


def main() -> None:
    """Serve the parent."""
    arguments = msgspec.json.decode(sys.argv[1], type=TextArguments)
    channel = open_channel(arguments.priority)
    recogniser = Recogniser(arguments.threads)
    in_force = confine_decoder(arguments.memory_mb << 20)

    def answer(request: Request, body: bytearray) -> tuple[Answer, Sequence[Buffer]]:
        assert isinstance(request, TextRequest)  # noqa: S101  # what the parent sends
        picture = np.frombuffer(body, np.uint8).reshape(request.height, request.width, 3)
        try:
            return TextRead(recogniser.read(picture)), ()
        except MemoryError:
            return Failed("unreadable", "it takes more than `ocr.memory_mb`", "memory"), ()
        except Exception as error:  # noqa: BLE001  # what odd pixels lead to is anything
            return Failed("unreadable", f"its text cannot be read: {error}", "text"), ()

    serve(channel, PictureWorkerReady(tuple(in_force)), answer)


if __name__ == "__main__":
    main()
