"""Kinds of JPEG that no common decoder reads, told from damaged ones by their frame header."""

from __future__ import annotations

from typing import BinaryIO

_START = b"\xff\xd8"
_MOST_SEGMENTS = 1000
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # tables and what is reserved lie between
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_SCAN, _END = 0xDA, 0xD9
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_HIERARCHICAL = {0xC5, 0xC6, 0xCD, 0xCE}
_LS = 0xF7
_COMMON_BITS = 8


def unsupported(file: BinaryIO) -> str | None:
    """Return what kind of JPEG a file is, for a person, if it is one that cannot be read."""
    file.seek(0)
    if file.read(2) != _START:
        return None
    for _ in range(_MOST_SEGMENTS):
        head = file.read(2)
        while head == b"\xff\xff":
            head = b"\xff" + file.read(1)
        if len(head) < 2 or head[0] != 0xFF or head[1] in {_SCAN, _END}:  # noqa: PLR2004  # a marker
            return None
        if head[1] in _ALONE:
            continue
        length = int.from_bytes(file.read(2))
        if head[1] in _FRAMES:
            return _named(head[1], file.read(1))
        file.seek(max(length - 2, 0), 1)
    return None


def _named(kind: int, precision: bytes) -> str | None:
    if kind == _LS:
        return "it is JPEG-LS, which is not supported"
    if precision and precision[0] != _COMMON_BITS:
        return f"it is a JPEG of {precision[0]} bits a colour, which is not supported"
    if kind in _LOSSLESS:
        return "it is a lossless JPEG, which is not supported"
    if kind in _HIERARCHICAL:
        return "it is a hierarchical JPEG, which is not supported"
    return None
