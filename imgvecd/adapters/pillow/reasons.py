"""What is wrong with a picture, in words: which part of it, instead of a decoder's code."""

from __future__ import annotations

import re
from typing import BinaryIO

from imgvecd.adapters.pillow.tiff_fields import Directory, directories
from imgvecd.errors import UnreadableImageError

_END = "its end is missing"
_DATA = "its picture data is damaged"
_HEADER = "its header is damaged"
# What decoders say → (reason, words); the first that is found counts.
_SAID = tuple(
    (re.compile(pattern, re.IGNORECASE), reason, words)
    for pattern, reason, words in (
        ("truncated|end of file|not enough|expected to read|premature", "truncated", _END),
        ("could not create decoder object|invalid literal|header", "damaged", _HEADER),
        ("cannot load this image|no image|empty image item", "damaged", "it holds no picture data"),
        ("decoder error|codec|data stream|color planes|overrun|corrupt", "damaged", _DATA),
        ("frame", "damaged", "one of its frames is damaged"),
        ("unpack|struct|index out of range|subscript|NoneType|tuple", "damaged", _HEADER),
    )
)
_TELLS_NOTHING = re.compile(r"decoder error|-?\d+$|codec configuration|NoneType|tuple|list index")

_COMPRESSION, _BITS, _PHOTOMETRIC, _PLANAR, _FORMAT = 259, 258, 262, 284, 339
_COMPRESSIONS = {
    6: "the old kind of JPEG", 22610: "JPEG XR", 32809: "ThunderScan", 32766: "NeXT",
    34661: "JBIG", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34934: "JPEG XR",
    32908: "Pixar film", 33005: "JPEG 2000", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_KNOWN_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34676, 34677, 34925, 50000}
_KNOWN_COLOURS = {0, 1, 2, 3, 5, 6, 8}
_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}  # of values


def limit_pixels(
    size: tuple[int, int], max_pixels: int, *, full: tuple[int, int] | None = None
) -> None:
    """Raise UnreadableImageError if a picture of this size is too large to be decoded.

    Args:
        full: the size that is told, where the picture is decoded smaller.
    """
    if size[0] * size[1] > max_pixels:
        width, height = full or size
        raise UnreadableImageError("too_large", f"{width} × {height} pixels are too many")


def of_error(error: BaseException) -> tuple[str, str]:
    """Return (reason, words) for what a decoder raised over a picture's bytes."""
    text = " ".join(str(error).split())
    for pattern, reason, words in _SAID:
        if pattern.search(text):
            told = "" if _TELLS_NOTHING.search(text) else f" ({text})"
            return reason, words + told
    return "damaged", f"it cannot be decoded: {text}" if text else _DATA


def of_tiff(file: BinaryIO) -> tuple[str, str]:
    """Return (reason, words) for a TIFF file that is not read although its directory is there."""
    page = next(directories(file), None)
    if page is None or not page.tags:
        return "damaged", "its directory is damaged"
    compression = _first(page, _COMPRESSION, 1)
    if compression not in _KNOWN_COMPRESSIONS:
        name = _COMPRESSIONS.get(compression, str(compression))
        return "unsupported", f"it is TIFF whose compression ({name}) is not supported"
    bits, colours = _first(page, _BITS, 1), _first(page, _PHOTOMETRIC, 0)
    if colours not in _KNOWN_COLOURS:
        return "unsupported", f"it is TIFF whose kind of colours ({colours}) is not supported"
    kind = _FORMATS.get(_first(page, _FORMAT, 1), "unsigned")
    return "unsupported", f"it is TIFF of {kind} values of {bits} bits, which is not supported"


def _first(page: Directory, tag: int, default: int) -> int:
    value = page.get(tag)
    return int(value[0]) if isinstance(value, tuple) and value[0] == value[0] else default
