"""The first picture of a WebP animation as a file of its own, for one that libwebp refuses."""

from __future__ import annotations

import io
from typing import BinaryIO

_HEADER_BYTES = 12  # "RIFF", a length, "WEBP"
_LARGEST_BYTES = 256 << 20  # of a file that is gone through in memory
_FRAME_HEADER_BYTES = 16  # place, size, duration, flags
_PICTURES = {b"VP8 ", b"VP8L"}
_MOST_CHUNKS = 1000
_HAS_ALPHA = 0x10


def first_frame(file: BinaryIO) -> BinaryIO | None:
    """Return a file of the first frame alone; None if that is not whole, or there is none."""
    file.seek(0)
    data = file.read(_LARGEST_BYTES)
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    at = _HEADER_BYTES
    for _ in range(_MOST_CHUNKS):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"ANMF":
            return _alone(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
        if len(name) < 4 or at > len(data):  # noqa: PLR2004  # bytes of a name
            return None
    return None


def _alone(frame: bytes) -> BinaryIO | None:
    chunks = frame[_FRAME_HEADER_BYTES:]
    names: list[bytes] = []
    at = 0
    while at + 8 <= len(chunks) and len(names) < _MOST_CHUNKS:
        names.append(chunks[at : at + 4])
        size = int.from_bytes(chunks[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    if at > len(chunks) or not _PICTURES & set(names):
        return None
    extended = b""
    if b"ALPH" in names:
        extended = b"VP8X" + (10).to_bytes(4, "little") + bytes([_HAS_ALPHA, 0, 0, 0]) + frame[6:12]
    body = b"WEBP" + extended + chunks
    return io.BytesIO(b"RIFF" + len(body).to_bytes(4, "little") + body)
