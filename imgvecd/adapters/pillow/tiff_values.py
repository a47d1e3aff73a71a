"""TIFF of values that Pillow does not read: floating-point, 10 to 14, 24 and 32 bits, and more.

Strips and tiles are unpacked by libtiff as if they were grey bytes; what the bytes mean is told
here. Integers keep their scale, and of floating-point light from 0 to 1 is shown, unless most of a
picture is beyond.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from imgvecd.adapters.pillow import reasons
from imgvecd.adapters.pillow.tiff_fields import Directory, directories
from imgvecd.errors import UnreadableImageError

_Values = np.ndarray[Any, np.dtype[Any]]

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _COLOURS = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 266, 273, 277, 278, 279
_PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _PROFILE = 284, 317, 338, 339, 34675
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 322, 323, 324, 325
_KEPT = (_LENGTH, _COMPRESSION, _FILL_ORDER, _STRIPS, _STRIP_ROWS, _STRIP_BYTES, _TILE_LENGTH, _TILES, _TILE_BYTES)  # noqa: E501 # fmt: skip
_LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}
_MODES = {0: "L", 1: "L", 2: "RGB", 5: "CMYK", 8: "LAB"}  # a letter for each colour
# What Pillow reads: colours, bits and samples.
_USUAL = {
    ("L", 8, 1), ("L", 8, 2), ("L", 16, 1), ("RGB", 8, 3), ("RGB", 8, 4), ("RGB", 16, 3),
    ("RGB", 16, 4), ("CMYK", 8, 4), ("CMYK", 16, 4), ("LAB", 8, 3),
}  # fmt: skip
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_UNSIGNED, _FLOATING = 1, 3
_DIFFERENCES, _OF_FLOATS = 2, 3  # predictors
_ALPHA = {1, 2}  # kinds of a further sample
_LARGEST_FILE, _LARGEST_FIELD = 1 << 30, 64 << 20  # bytes
_MOST_SAMPLES = 256  # of a pixel: hyperspectral cameras have 224
_USUAL_SAMPLES = 4  # what more a pixel has counts as further pixels
_ROWS_AT_ONCE = 64  # of packed bits, each of which takes a byte meanwhile


class _Layout(NamedTuple):
    """How a picture is written; `block` is the width of a tile, or of all, `width` whole tiles'."""

    width: int
    height: int
    samples: int
    bits: int
    kind: int
    order: str
    predictor: int
    block: int


def opened(file: BinaryIO, page: int, max_pixels: int) -> Image.Image | None:
    """Return a page of a classic TIFF whose values are none that Pillow knows; else None.

    Raises:
        UnreadableImageError: it has too many pixels, or values of each.
        OSError: its pixels are not there.
    """
    found = list(directories(file))
    file.seek(0)
    head = file.read(4)
    if page >= len(found) or head not in {b"II*\0", b"MM\0*"}:
        return None
    fields = found[page]
    order = "<" if head.startswith(b"II") else ">"
    width = _number(fields, _WIDTH)
    block = _number(fields, _TILE_WIDTH) if _TILES in fields else width
    if block < 1:
        return None
    layout = _Layout(
        width=-(-width // block) * block,
        height=_number(fields, _LENGTH),
        samples=_number(fields, _SAMPLES, 1),
        bits=_number(fields, _BITS, 1),
        kind=_number(fields, _FORMAT, _UNSIGNED),
        order=order,
        predictor=_number(fields, _PREDICTOR, 1),
        block=block,
    )
    mode = _MODES.get(_number(fields, _COLOURS))
    if mode is None or not _is_read(fields, layout, mode):
        return None
    _limit(layout, max_pixels)
    planes = _shown(_values(_unpacked(file, fields, layout), layout)[:, :width])
    picture = _picture(planes, mode, _number(fields, _COLOURS), _number(fields, _EXTRA))
    profile = fields.get(_PROFILE, _LARGEST_FIELD)
    if isinstance(profile, bytes):
        picture.info["icc_profile"] = profile
    picture.format = "TIFF"
    return picture


def _is_read(fields: Directory, layout: _Layout, mode: str) -> bool:
    bits, whole = layout.bits, layout.bits % 8 == 0
    known = (
        bits in {16, 32, 64} if layout.kind == _FLOATING else bits in {8, 10, 12, 14, 16, 24, 32}
    )
    return (
        known
        and layout.kind in {_UNSIGNED, _FLOATING}
        and set(fields.get(_BITS) or ()) == {bits}
        and _number(fields, _PLANAR, 1) == 1
        and _number(fields, _COMPRESSION, 1) in _LOSSLESS
        and min(layout.width, layout.height) > 0
        and layout.samples >= len(mode)
        and (layout.kind == _FLOATING or (mode, bits, layout.samples) not in _USUAL)
        and (whole or (layout.predictor == 1 and layout.block == layout.width))
    )


def _limit(layout: _Layout, max_pixels: int) -> None:
    """Refuse what its header says to be larger than any picture, before it takes all memory."""
    size = layout.width, layout.height
    if layout.samples > _MOST_SAMPLES:
        message = f"it is TIFF of {layout.samples} values a pixel, which is not supported"
        raise UnreadableImageError("unsupported", message)
    of_values = layout.width, layout.height * layout.samples // _USUAL_SAMPLES
    reasons.limit_pixels(max(size, of_values), max_pixels, full=size)


def _unpacked(file: BinaryIO, fields: Directory, layout: _Layout) -> bytes:
    """Return the bytes of all rows, by Pillow, to which they are a grey picture of bytes."""
    order = layout.order
    row = (layout.width * layout.samples * layout.bits + 7) // 8
    entries = {tag: (*fields.kind(tag), fields.raw(tag, _LARGEST_FIELD)) for tag in _KEPT if tag in fields}  # noqa: E501 # fmt: skip
    said = {_WIDTH: row, _BITS: 8, _COLOURS: 1, _SAMPLES: 1}
    if _TILES in fields:
        said[_TILE_WIDTH] = layout.block * layout.samples * layout.bits // 8
    entries |= {tag: (4, 1, struct.pack(order + "I", value)) for tag, value in said.items()}
    file.seek(0)
    data = bytearray(file.read(_LARGEST_FILE))
    directory = struct.pack(order + "H", len(entries))
    data += bytes(len(data) % 2)
    for tag, (kind, count, value) in sorted(entries.items()):
        inline = value.ljust(4, b"\0")
        if len(value) > 4:  # noqa: PLR2004  # bytes that a field holds itself
            inline = struct.pack(order + "I", len(data))
            data += value + bytes(len(value) % 2)
        directory += struct.pack(order + "HHI", tag, kind, count) + inline
    data[4:8] = struct.pack(order + "I", len(data))
    data += directory + bytes(4)
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as grey:
        return grey.tobytes()


def _values(data: bytes, layout: _Layout) -> _Values:
    """Return the values, shape (height, width, samples)."""
    shape = layout.height, layout.width, layout.samples
    rows = np.frombuffer(data, np.uint8).reshape(layout.height, -1)
    if layout.bits % 8:
        return _of_bits(rows, layout).reshape(shape)
    if layout.bits == 24:  # noqa: PLR2004  # what is beyond the first byte does not show
        return rows.reshape(*shape, 3)[..., 0 if layout.order == ">" else 2]
    size = layout.bits // 8
    if layout.kind == _FLOATING and layout.predictor == _OF_FLOATS:
        return _of_floats(rows, layout).reshape(shape)
    kind = f"{layout.order}{'f' if layout.kind == _FLOATING else 'u'}{size}"
    values = rows.view(kind).reshape(shape)
    if layout.predictor != _DIFFERENCES:
        return values
    whole = values.view(f"{layout.order}u{size}").astype(f"u{size}")
    for left in range(0, layout.width, layout.block):
        part = whole[:, left : left + layout.block]
        np.cumsum(part, axis=1, dtype=part.dtype, out=part)
    return whole.view(f"={kind[1:]}")


def _of_floats(rows: _Values, layout: _Layout) -> _Values:
    """Undo the predictor of floating-point: differences of bytes, the highest ones of all first."""
    size = layout.bits // 8
    found = []
    for left in range(0, layout.width, layout.block):
        start, length = (side * layout.samples * size for side in (left, layout.block))
        part = rows[:, start : start + length]
        whole = np.cumsum(part.reshape(layout.height, -1, layout.samples), axis=1, dtype=np.uint8)
        planes = whole.reshape(layout.height, size, -1)
        found.append(np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}"))
    return np.concatenate(found, axis=1)


def _of_bits(rows: _Values, layout: _Layout) -> _Values:
    """Return the first 8 bits of values that are packed, the rows each from a whole byte on."""
    count = layout.width * layout.samples
    shown = np.empty((len(rows), count), np.uint8)
    for top in range(0, len(rows), _ROWS_AT_ONCE):
        bits = np.unpackbits(rows[top : top + _ROWS_AT_ONCE], axis=1)[:, : count * layout.bits]
        first = bits.reshape(len(bits), count, layout.bits)[..., :8]
        shown[top : top + _ROWS_AT_ONCE] = np.packbits(first, axis=2)[..., 0]
    return shown


def _shown(values: _Values) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return values as 0 to 255."""
    if values.dtype.kind == "u":
        return (values >> 8 * (values.dtype.itemsize - 1)).astype(np.uint8)
    light = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    if np.median(light) > 1:
        light = (light - light.min()) / max(float(np.ptp(light)), 1e-9)
    return (np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8)


def _picture(
    values: np.ndarray[Any, np.dtype[np.uint8]], mode: str, colours: int, extra: int
) -> Image.Image:
    """Return 0 to 255, shape (height, width, samples), as a picture of these colours."""
    count = len(mode)
    if colours == 0:  # white
        values[..., 0] = 255 - values[..., 0]
    if mode == "LAB":  # whose colours are signed
        values[..., 1:count] ^= 0x80
    if values.shape[2] > count and extra in _ALPHA and mode in _WITH_ALPHA:
        mode, count = _WITH_ALPHA[mode], count + 1
    bands = [Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(count)]
    return Image.merge(mode, bands)


def _number(fields: Directory, tag: int, default: int = 0) -> int:
    value = fields.get(tag)
    return int(value[0]) if isinstance(value, tuple) and value[0] == value[0] else default
