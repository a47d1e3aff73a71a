"""Files made of boxes: what is done where their end is missing, and what decoders do not tell.

AVIF and HEIF are made as long as they say they are: their decoders refuse a file that says more
than it holds, although its first image may be whole. JPEG XL's decoder does not say what is wrong.
Of JPEG 2000 the colour profile is found here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

_MOST_BOXES = 1000
_BY_PROFILE, _COLOUR_BYTES = {b"\2", b"\3"}, 3  # methods of JPEG 2000's `colr`, and what is before
_LARGEST_HEADER_BYTES = 4 << 20  # profiles of printers, the largest, have some two million
_LARGEST_BYTES = 256 << 20  # of a file that is gone through in memory


def lengthened(file: BinaryIO) -> io.BytesIO | None:
    """Return the file with zeros in place of its missing end; None if nothing is missing."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(8)[4:] != b"ftyp" or size > _LARGEST_BYTES:
        return None
    for _, end in _boxes(file):
        if size < end <= _LARGEST_BYTES:
            file.seek(0)
            return io.BytesIO(file.read().ljust(end, b"\0"))
    return None


def jpeg_xl_fault(file: BinaryIO) -> tuple[str, str] | None:
    """Return (reason, words) for JPEG XL that is not whole; None for what cannot be told so."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(8)[4:] != b"JXL ":
        return None  # a bare codestream says nowhere how long it is
    kinds, at = set(), 0
    for kind, end in _boxes(file):
        kinds.add(kind)
        at = end or size
    if at > size:
        return "truncated", "its end is missing"
    if not kinds & {b"jxlc", b"jxlp"}:
        return "damaged", "it holds no picture data"
    return None


def jpeg_2000_profile(file: BinaryIO) -> bytes | None:
    """Return the colour profile in a JPEG 2000 file's header, which Pillow does not read."""
    for header in _contents(file, b"jp2h"):
        for colour in _contents(io.BytesIO(header), b"colr"):
            if colour[:1] in _BY_PROFILE:
                return colour[_COLOUR_BYTES:]
    return None


def _contents(file: BinaryIO, wanted: bytes) -> Iterator[bytes]:
    start = 0
    for kind, end in _boxes(file):
        if kind == wanted and end:
            file.seek(start + 8)  # behind a length and a type
            yield file.read(min(end - start - 8, _LARGEST_HEADER_BYTES))
        start = end


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield (type, where it ends) of each box; 0 for one that lasts until the end of the file."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:  # noqa: PLR2004  # a length and a type
            return
        length = int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:16])
        if length < 8:  # noqa: PLR2004  # else it is damaged
            if length == 0:
                yield header[4:8], 0
            return
        at += length
        yield header[4:8], at
