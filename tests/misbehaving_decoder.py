"""A decode worker that does what the worst photo could make one do: named by the file's content.

Run by `DecoderPool(module="misbehaving_decoder")`; everything else is decoded as usual.
"""

import ctypes
import os
import signal
import time

from imgvecd.adapters import pillow
from imgvecd.workers import decode


def loop():
    while True:
        pass


def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    time.sleep(3600)


def nonsense():
    """Write into whatever is open: the channel among it."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\xff" * 4096)
        except OSError:
            continue


DEEDS = {
    b"segfault": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"loop": loop,
    b"sleep": lambda: time.sleep(3600),
    b"stops": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    b"deaf": deaf,
    b"memory": lambda: bytearray(64 << 30),
    b"prints": lambda: print("x" * 1_000_000, flush=True),
    b"nonsense": nonsense,
}


def misbehave(file, spec, max_pixels):
    word = file.read(16).split(b" ")[0]
    file.seek(0)
    if word in DEEDS:
        DEEDS[word]()
    return real_decode(file, spec, max_pixels)


real_decode = pillow.decode
pillow.decode = misbehave

if __name__ == "__main__":
    decode.main()
