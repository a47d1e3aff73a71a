"""A worker that reads text and does what the worst picture could make one do.

Run by `TextRecogniserProcess(module="misbehaving_text_reader")`; the first pixel says which deed.
"""

import ctypes

from imgvecd.adapters import rapid_ocr
from imgvecd.workers import read_text


def loop():
    while True:
        pass


DEEDS = {
    1: lambda: ctypes.string_at(0),
    2: loop,
    3: lambda: bytearray(64 << 30),
    4: lambda: ["x" * 1_000_000],
    5: lambda: 1 / 0,
}


class Misbehaving:
    def __init__(self, threads):
        pass

    def read(self, picture):
        return DEEDS.get(int(picture[0, 0, 0]), lambda: ["all well"])()


rapid_ocr.Recogniser = read_text.Recogniser = Misbehaving

if __name__ == "__main__":
    read_text.main()
