"""AVIF and HEIF of which the end is missing, as long as they say they are: what is there is shown.

Their decoders refuse a file that says more than it holds, although its first image may be whole.
"""

from __future__ import annotations

import io
from typing import BinaryIO

_MOST_BOXES = 1000
_LARGEST_BYTES = 256 << 20  # of a file that is gone through in memory


def lengthened(file: BinaryIO) -> io.BytesIO | None:
    """Return the file with zeros in place of its missing end; None if nothing is missing."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(8)[4:] != b"ftyp" or size > _LARGEST_BYTES:
        return None
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:  # noqa: PLR2004  # a length and a type
            return None
        length = int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:16])
        if length < 8:  # noqa: PLR2004  # it lasts until the end, or is damaged
            return None
        at += length
        if size < at <= _LARGEST_BYTES:
            file.seek(0)
            return io.BytesIO(file.read().ljust(at, b"\0"))
    return None
