"""`imgvecd` with the fast encoder in the model's place; everything else is the real thing."""

import functools
import sys

from imgvecd import wiring
from imgvecd.cli.main import main

if __name__ == "__main__":
    wiring.EncoderProcess = functools.partial(wiring.EncoderProcess, module="fast_encoder")
    sys.exit(main())
