"""A decode worker that does what the worst photo could make one do: named by the file's content.

Run by `DecoderPool(module="misbehaving_decoder")`; everything else is decoded as usual.
"""

import ctypes
import os
import signal
import struct
import time

from imgvecd.adapters import pillow
from imgvecd.processes.worker_messages import Thumbnail
from imgvecd.types import ImageInfo
from imgvecd.workers import channel, decode


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


def answer_other():
    """Answer as somebody would who has taken the process over: well formed, and not what fits."""
    decode.Decoded = lambda info: Thumbnail()


def answer_much():
    """Announce a body that would fill the memory of whoever waits for it."""
    channel.send = lambda ours, *_: ours.sendall(struct.pack(">IQ", 8, 3 << 30) + bytes(8))


DEEDS = {
    b"segfault": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"loop": loop,
    b"sleep": lambda: time.sleep(3600),
    b"stops": lambda: signal.raise_signal(signal.SIGSTOP),
    b"deaf": deaf,
    b"memory": lambda: bytearray(64 << 30),
    b"prints": lambda: print("x" * 1_000_000, flush=True),
    b"nonsense": nonsense,
    b"other": answer_other,
    b"much": answer_much,
}


def misbehave(file, spec, max_pixels):
    word = file.read(16).split(b" ")[0]
    file.seek(0)
    if word in DEEDS:
        DEEDS[word]()
    if word in {b"other", b"much"}:
        return ImageInfo("jpeg", 1, 1), b""
    return real_decode(file, spec, max_pixels)


real_decode = pillow.decode
pillow.decode = misbehave

if __name__ == "__main__":
    decode.main()
