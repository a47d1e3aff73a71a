"""TIFF of the kinds that Pillow refuses, made into ones that it reads.

Big-endian BigTIFF gets directories of the classic form; of what is compressed as pictures (WebP,
PNG, JPEG 2000, JPEG XL) each strip or tile is decoded as the picture that it is. What Pillow takes
for something else is read as what it is.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin

from imgvecd.adapters.pillow import reasons
from imgvecd.adapters.pillow.colour import HIGHEST
from imgvecd.adapters.pillow.tiff_fields import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    SUB_DIRECTORIES,
    Directory,
    directories,
)

_BIG = b"MM\0+"
_LARGEST_BYTES = 1 << 30  # of a file that is gone through in memory
_POINTERS = {EXIF_DIRECTORY, GPS_DIRECTORY, SUB_DIRECTORIES, 40965}  # to directories of BigTIFF
_WIDE = {16: ("Q", 4, "I"), 17: ("q", 9, "i"), 18: ("Q", 4, "I")}  # → the classic type and form
_LONGEST_FIELD = 64 << 20  # bytes: places of a million strips are 8 MB

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PLANAR, _FORMAT = 256, 257, 258, 259, 284, 339
_APART = 2  # a plane for each colour
_STRIPS, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 322, 323, 324, 325
_JPEG_2000_YCC = 33003
_PICTURES = {50001, 34933, _JPEG_2000_YCC, 33004, 33005, 34712, 50002, 52546}
_PROFILE, _LARGEST_PROFILE = 34675, 16 << 20
_MOST_SEGMENTS = 100_000

# big-endian, dark is 0, unsigned, of 32 bits: Pillow knows it little-endian only
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 1, (1,), 1, (32,), ()), ("I", "I;32B"))


def classic(file: BinaryIO) -> BinaryIO | None:
    """Return big-endian BigTIFF as classic TIFF; None for other formats, or huge files."""
    file.seek(0)
    if file.read(4) != _BIG:
        return None
    pages = list(directories(file))
    file.seek(0)
    data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES or not pages:
        return None
    written = bytearray(data)
    written += bytes(len(data) % 2)
    written[:4] = b"MM\0*"
    link = 4  # where the place of the next directory is to be written
    for page in pages:
        written[link : link + 4] = struct.pack(">I", len(written))
        link = _append(written, page)
    return io.BytesIO(written)


def _append(written: bytearray, page: Directory) -> int:
    """Write a directory at the end; return where the place of the next one belongs."""
    fields = [_narrow(page, tag) for tag in page.tags if tag not in _POINTERS]
    at = len(written)
    written += struct.pack(">H", len(fields)) + bytes(12 * len(fields) + 4)
    for i, (tag, kind, count, value) in enumerate(fields):
        place = at + 2 + 12 * i
        if len(value) > 4:  # noqa: PLR2004  # bytes that a field holds itself
            inline = struct.pack(">I", len(written))
            written += value + bytes(len(value) % 2)
        else:
            inline = value.ljust(4, b"\0")
        written[place : place + 12] = struct.pack(">HHI", tag, kind, count) + inline
    return at + 2 + 12 * len(fields)


def _narrow(page: Directory, tag: int) -> tuple[int, int, int, bytes]:
    """Return (tag, type, count, value), of 64 bits as of 32."""
    kind, count = page.kind(tag)
    value = page.raw(tag, _LONGEST_FIELD)
    if kind not in _WIDE:
        return tag, kind, count, value
    form, narrow, narrow_form = _WIDE[kind]
    count = len(value) // 8
    numbers = struct.unpack(f">{count}{form}", value[: 8 * count])
    # what no file of this size has is the end of it
    limited = (min(number, 0xFFFFFFFF if narrow_form == "I" else 0x7FFFFFFF) for number in numbers)
    return tag, narrow, count, struct.pack(f">{count}{narrow_form}", *limited)


def read_as_said(image: Image.Image) -> None:
    """Have the values of a picture that was opened read as what they are, where Pillow does not.

    Planes of 16 bits, uncompressed, are 8 bits to it, unsigned values of 32 bits signed ones; and
    what libtiff unpacks is in this machine's order of bytes, whatever that of the file.
    """
    tags = getattr(image, "tag_v2", None)
    if not tags or not isinstance(image, ImageFile.ImageFile):
        return
    bits = set(tags.get(_BITS, ()))
    forms: dict[str, dict[str, str]] = {"raw": {}, "libtiff": {}}
    if bits == {16} and tags.get(_PLANAR) == _APART:
        ending = "16L" if tags.prefix == b"II" else "16B"
        forms["raw"] = {plane: f"{plane};{ending}" for plane in "RGBA"}
    elif bits == {12} and image.mode.startswith("I;16"):
        image.info[HIGHEST] = 0xFFF
    elif bits == {32} and image.mode == "I" and set(tags.get(_FORMAT, (1,))) == {1}:
        image._mode = "F"  # noqa: SLF001  # as Pillow's own readers of formats do
        forms["raw"] = {"I;32N": "F;32N", "I;32B": "F;32B"}
        forms["libtiff"] = {"I;32N": "F;32N", "I;32B": "F;32N"}
    elif sys.byteorder == "little":
        forms["libtiff"] = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}
    for i, tile in enumerate(image.tile):
        if not isinstance(tile.args, tuple):
            continue
        said, *others = tile.args
        form = forms.get(tile.codec_name, {}).get(said, said)
        image.tile[i] = tile._replace(args=(form, *others))


def of_segments(
    file: BinaryIO, page: int, open_picture: Callable[[BinaryIO], Image.Image], max_pixels: int
) -> Image.Image | None:
    """Return a page whose strips or tiles are pictures themselves; None for any other.

    Args:
        open_picture: opens a picture in any format that is known.

    Raises:
        Exception: what `open_picture`, or loading what it returns, raises.
    """
    found = list(directories(file))
    if page >= len(found):
        return None
    fields = found[page]
    width, length = _number(fields, _WIDTH), _number(fields, _LENGTH)
    kind = _number(fields, _COMPRESSION)
    if kind not in _PICTURES or _number(fields, _PLANAR) > 1:
        return None
    reasons.limit_pixels((width, length), max_pixels)
    whole: Image.Image | None = None
    for left, top, data in _segments(file, fields, width, length):
        segment = open_picture(io.BytesIO(data))
        if kind == _JPEG_2000_YCC and segment.mode == "RGB":
            segment = Image.merge("YCbCr", segment.split()).convert("RGB")
        if whole is None:
            whole = Image.new(segment.mode, (width, length))
        whole.paste(segment.convert(whole.mode), (left, top))
    if whole is not None:
        whole.format = "TIFF"
        profile = fields.get(_PROFILE, _LARGEST_PROFILE)
        if isinstance(profile, bytes):
            whole.info["icc_profile"] = profile
    return whole


def _segments(
    file: BinaryIO, fields: Directory, width: int, length: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield (left, top, bytes) of each strip or tile."""
    tiled = _TILES in fields
    places = fields.get(_TILES if tiled else _STRIPS, _LONGEST_FIELD)
    sizes = fields.get(_TILE_BYTES if tiled else _STRIP_BYTES, _LONGEST_FIELD)
    if not isinstance(places, tuple) or not isinstance(sizes, tuple):
        return
    across = _number(fields, _TILE_WIDTH) if tiled else width
    down = _number(fields, _TILE_LENGTH) if tiled else _number(fields, _STRIP_ROWS) or length
    if across < 1 or down < 1 or len(places) > _MOST_SEGMENTS:
        return
    columns = -(-width // across)
    for i, (place, size) in enumerate(zip(places, sizes, strict=False)):
        left, top = i % columns * across, i // columns * down
        if top >= length:
            return
        file.seek(int(place))
        yield left, top, file.read(min(int(size), _LARGEST_BYTES))


def _number(fields: Directory, tag: int) -> int:
    value = fields.get(tag)
    return int(value[0]) if isinstance(value, tuple) else 0
