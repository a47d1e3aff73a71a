"""`imgvecd` whose model never comes up; run as an encoder, it is that model.

Who waits for the model waits for good, and is seen to.
"""

import functools
import sys

if __name__ == "__main__" and sys.argv[1:2] != ["serve"]:
    sys.stdin.buffer.read()  # until the daemon ends

if __name__ == "__main__":
    from imgvecd.cli.main import main
    from imgvecd.daemon import service
    from imgvecd.processes import split_encoder
    from imgvecd.processes.encoder_process import EncoderProcess

    service._OPENING_S = 86_400.0
    split_encoder.runs_on_processor = lambda _config: False  # one encoder, for texts too
    split_encoder.EncoderProcess = functools.partial(EncoderProcess, module="loading_daemon")
    sys.exit(main())
