"""Photoshop's files, as far as Pillow does not tell what they are."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image

_SIGNATURE = b"8BPS"
_HEADER_BYTES = 26
_LARGE = 2  # version: PSB
_COMMON_BITS = {1, 8}


def unsupported(file: BinaryIO) -> str | None:
    """Return what kind of file it is, for a person, if it is one that cannot be read."""
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_SIGNATURE):
        return None
    version, bits, mode = struct.unpack_from(">4xH16xHH", header)
    if version == _LARGE:
        return "it is a large Photoshop file (PSB), which is not supported"
    if bits not in _COMMON_BITS:
        return f"it is a Photoshop file of {bits} bits a colour, which is not supported"
    return f"it is a Photoshop file of a kind ({mode}) that is not supported"


def has_selection(image: Image.Image, file: BinaryIO) -> bool:
    """Return whether the fourth channel of a picture is a selection that was saved.

    It is transparency only where the number of layers is negative.
    """
    return image.mode == "RGBA" and _layers(file) >= 0


def _layers(file: BinaryIO) -> int:
    """Return how many layers the file says that it has; 0 if it tells nothing of them."""
    file.seek(_HEADER_BYTES)
    for _ in ("colours", "resources"):
        file.seek(int.from_bytes(file.read(4)), io.SEEK_CUR)
    head = file.read(10)  # the lengths of the section, and of what is told of layers
    if len(head) < 10 or not any(head[:4]) or not any(head[4:8]):  # noqa: PLR2004
        return 0
    return int.from_bytes(head[8:], signed=True)
