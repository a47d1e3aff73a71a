"""Photoshop's files: their resources, and the pictures in them that Pillow does not read.

Those are of 16 and 32 bits a colour, and the large kind (PSB). What is shown is the whole picture,
which Photoshop saves behind the layers.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from imgvecd.adapters.pillow import hdr, reasons
from imgvecd.errors import UnreadableImageError
from imgvecd.types import Float32Array

_SIGNATURE = b"8BPS"
_HEADER_BYTES = 26
_LARGE = 2  # version: PSB
_MODES = {1: "L", 3: "RGB", 4: "CMYK", 8: "L", 9: "LAB"}  # a letter for each colour
_RAW, _RUN_LENGTHS = 0, 1  # compressions
_BYTES = {8: 1, 16: 2, 32: 4}  # bits of a colour →
_LARGEST_RESOURCES = 64 << 20  # bytes; previews and paths are some hundred thousand
_MOST_RESOURCES = 10_000  # programs write some dozens
_LARGEST_BYTES = 1 << 30  # of a picture
_PROFILE = 1039


class _Header(NamedTuple):
    version: int
    channels: int
    height: int
    width: int
    bits: int
    mode: int


def resources(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, content) of what a file says beside its picture."""
    file.seek(_HEADER_BYTES)
    file.seek(_length(file), io.SEEK_CUR)
    data = file.read(min(_length(file), _LARGEST_RESOURCES))
    at = 0
    for _ in range(_MOST_RESOURCES):
        if at + 12 > len(data):
            return
        (kind,) = struct.unpack_from(">H", data, at + 4)  # behind a signature
        at += 6 + (data[at + 6] + 2 & ~1)  # and a name with its length, of even length
        size = int.from_bytes(data[at : at + 4])
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + (size + 1 & ~1)


def has_selection(image: Image.Image, file: BinaryIO) -> bool:
    """Return whether the fourth channel of a picture is a selection that was saved.

    It is transparency only where the number of layers is negative.
    """
    return image.mode == "RGBA" and _layers(file) >= 0


def opened(file: BinaryIO, max_pixels: int) -> Image.Image | None:
    """Return the picture of a file that Pillow does not read; None if it is not Photoshop's.

    Raises:
        UnreadableImageError: it has too many pixels, or is of no kind that is known.
    """
    file.seek(0)
    data = file.read(_HEADER_BYTES)
    if len(data) < _HEADER_BYTES or not data.startswith(_SIGNATURE):
        return None
    header = _Header(*struct.unpack(">4xH6xHIIHH", data))
    mode, size = _MODES.get(header.mode), _BYTES.get(header.bits)
    _to_the_picture(file, header.version)
    compression = int.from_bytes(file.read(2))
    if mode is None or size is None or compression not in {_RAW, _RUN_LENGTHS}:
        kind = f"{header.mode}, {header.bits} bits"
        message = f"it is a Photoshop file of a kind that is not supported ({kind})"
        raise UnreadableImageError("unsupported", message)
    reasons.limit_pixels((header.width, header.height), max_pixels)
    count = len(mode)
    whole = _whole(file, header, min(count, header.channels), size, compression)
    profile = next((data for kind, data in resources(file) if kind == _PROFILE), None)
    if size == 4:  # noqa: PLR2004  # bytes
        values = _of_light(np.frombuffer(whole, ">f4"), linear=profile is not None)
    else:
        values = np.frombuffer(whole, np.uint8)[::size]  # what is beyond 8 bits does not show
    planes = values.reshape(-1, header.height, header.width)
    if mode == "CMYK":  # in which 0 is all ink
        planes = 255 - planes
    picture = Image.merge(mode, [Image.fromarray(plane) for plane in planes])
    picture.format = "PSD"
    if profile:
        picture.info["icc_profile"] = profile
    return picture


def _whole(file: BinaryIO, header: _Header, count: int, size: int, compression: int) -> bytes:
    """Return the first planes, one behind the other, in values of `size` bytes."""
    rows, row = count * header.height, header.width * size
    if compression == _RUN_LENGTHS:
        lengths = 4 if header.version == _LARGE else 2
        file.seek(lengths * header.channels * header.height, io.SEEK_CUR)
        packed = file.read(_LARGEST_BYTES)
        return Image.frombytes("L", (row, rows), packed, "packbits", "L").tobytes()
    whole = file.read(rows * row)
    if len(whole) < rows * row:
        raise UnreadableImageError("truncated", "its end is missing")
    return whole


def _of_light(light: Float32Array, *, linear: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return 0 to 255 of light from 0 to 1: as it is for a profile, else by the curve of sRGB."""
    shown = np.clip(np.nan_to_num(light), 0, 1)
    if not linear:
        shown = hdr.srgb_curve(shown)
    return (shown * 255 + 0.5).astype(np.uint8)


def _to_the_layers(file: BinaryIO) -> None:
    file.seek(_HEADER_BYTES)
    for _ in ("colours", "resources"):
        file.seek(_length(file), io.SEEK_CUR)


def _to_the_picture(file: BinaryIO, version: int) -> None:
    _to_the_layers(file)
    file.seek(_length(file, 8 if version == _LARGE else 4), io.SEEK_CUR)


def _layers(file: BinaryIO) -> int:
    """Return how many layers a file of the usual kind has; 0 if it tells nothing of them."""
    _to_the_layers(file)
    head = file.read(10)  # the lengths of the section, and of what is told of layers
    if len(head) < 10 or not any(head[:4]) or not any(head[4:8]):  # noqa: PLR2004
        return 0
    return int.from_bytes(head[8:], signed=True)


def _length(file: BinaryIO, size: int = 4) -> int:
    return min(int.from_bytes(file.read(size)), 1 << 40)
