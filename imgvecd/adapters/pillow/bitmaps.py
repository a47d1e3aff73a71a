"""Windows' and OS/2's bitmaps of the kinds that Pillow refuses, read into ones that it knows.

Any layout of colour bits; OS/2's long headers, whole or cut; its 24-bit run lengths and arrays; a
JPEG or PNG inside; and all of these without the header of a file (`dib`).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgvecd.adapters.pillow import reasons
from imgvecd.errors import UnreadableImageError

_FILE_HEADER_BYTES, _ARRAY_HEADER_BYTES = 14, 14
_CORE, _INFO = 12, 40  # bytes of the oldest header, and of the one that Pillow knows best
_WINDOWS = {40, 52, 56, 108, 124}
_LONGEST = max(_WINDOWS)
_OS2 = range(16, 65)  # its second header may be cut after any field
_MASKED, _MASKED_WITH_ALPHA, _JPEG, _PNG, _RLE_24 = 3, 6, 4, 5, 4
_DEPTHS = {0, 1, 2, 4, 8, 16, 24, 32}
_MOST_PLACES = 65_535  # of a side: beyond it a header is none
_LARGEST_BYTES = 1 << 30  # of a file


@dataclass(frozen=True, slots=True)
class _Header:
    """What a bitmap says of itself; its rows run from the bottom up if `height` is positive."""

    size: int
    width: int
    height: int
    bits: int
    compression: int
    colours: int
    masks: tuple[int, ...]

    @property
    def is_os2(self) -> bool:
        return self.size not in _WINDOWS and self.size != _CORE


def begins(prefix: bytes) -> bool:
    """Return whether a file that begins so (18 bytes) may be a bitmap without a file's header."""
    if len(prefix) < 18:  # noqa: PLR2004  # the longest of the fields that are looked at
        return False
    (size,) = struct.unpack_from("<I", prefix)
    if size == _CORE:
        width, height, planes, bits = struct.unpack_from("<HHHH", prefix, 4)
    elif size in _WINDOWS or (size in _OS2 and size % 2 == 0):
        width, height, planes, bits = struct.unpack_from("<iiHH", prefix, 4)
    else:
        return False
    sane = 0 < width <= _MOST_PLACES and 0 < abs(height) <= _MOST_PLACES
    return sane and planes == 1 and bits in _DEPTHS


def opened(file: BinaryIO, max_pixels: int) -> Image.Image | None:
    """Return the picture in a bitmap that Pillow does not read; None if it is no bitmap.

    Raises:
        UnreadableImageError: it has too many pixels, or is of no kind that is known.
    """
    file.seek(0)
    prefix = file.read(_FILE_HEADER_BYTES)
    start = 0
    if prefix[:2] == b"BA":  # an array of OS/2's: the first one counts
        start = _ARRAY_HEADER_BYTES
        file.seek(start)
        prefix = file.read(_FILE_HEADER_BYTES)
    if prefix[:2] == b"BM":
        (pixels_at,) = struct.unpack_from("<I", prefix, 10)
        start += _FILE_HEADER_BYTES
    elif begins(prefix + file.read(4)):
        pixels_at = 0
    else:
        return None
    file.seek(start)
    header = _header(file.read(_LONGEST))
    if header is None:
        return None
    reasons.limit_pixels((header.width, abs(header.height)), max_pixels)
    file.seek(0)
    data = file.read(_LARGEST_BYTES)
    picture = _picture(header, data, start, pixels_at)
    picture.format = "BMP"
    return picture


def _header(data: bytes) -> _Header | None:
    if len(data) < _CORE:
        return None
    (size,) = struct.unpack_from("<I", data)
    if size == _CORE:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 4)
        return _Header(size, width, height, bits, 0, 0, ())
    if size not in _WINDOWS and size not in _OS2:
        return None
    whole = data[:size].ljust(_LONGEST, b"\0")
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", whole, 4)
    (colours,) = struct.unpack_from("<I", whole, 32)
    masks: tuple[int, ...] = ()
    if size in _WINDOWS and compression in {_MASKED, _MASKED_WITH_ALPHA}:
        count = 4 if compression == _MASKED_WITH_ALPHA or size > 52 else 3  # noqa: PLR2004
        masks = struct.unpack_from(f"<{count}I", data.ljust(_LONGEST, b"\0"), _INFO)
    return _Header(size, width, height, bits, compression, colours, masks)


def _picture(header: _Header, data: bytes, start: int, pixels_at: int) -> Image.Image:
    after = start + header.size + (4 * len(header.masks) if header.size == _INFO else 0)
    entry = 3 if header.size == _CORE else 4
    count = (header.colours or 1 << header.bits) if header.bits <= 8 else 0  # noqa: PLR2004
    if pixels_at > after and header.bits <= 8:  # noqa: PLR2004  # some keep three bytes a colour
        entry = 3 if pixels_at - after == 3 * count else entry
    palette = data[after : after + entry * count] if header.bits else b""
    body = data[max(pixels_at, after) if pixels_at else after + len(palette) :]
    if not header.bits and header.compression in {_JPEG, _PNG}:
        return Image.open(io.BytesIO(body), formats=("JPEG", "PNG"))
    if header.masks and header.bits in {16, 32}:
        return _masked(header, body)
    if header.is_os2 and (header.compression, header.bits) == (_RLE_24, 24):
        return _run_lengths(header, body)
    if header.compression > (2 if header.bits else -1):
        message = f"it is a bitmap of a kind that is not supported ({header.compression})"
        raise UnreadableImageError("unsupported", message)
    return _known(header, palette, entry, body)


def _known(header: _Header, palette: bytes, entry: int, body: bytes) -> Image.Image:
    """Return what Pillow reads once its header is the usual one."""
    if entry == 3:  # noqa: PLR2004  # bytes a colour
        palette = b"".join(palette[i : i + 3] + b"\0" for i in range(0, len(palette) - 2, 3))
    usual = struct.pack(
        "<IiiHHIIiiII", _INFO, header.width, header.height, 1, header.bits, header.compression,
        len(body), 0, 0, len(palette) // 4, 0,
    )  # fmt: skip
    at = _FILE_HEADER_BYTES + _INFO + len(palette)
    prefix = b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at)
    return Image.open(io.BytesIO(prefix + usual + palette + body), formats=("BMP",))


def _masked(header: _Header, body: bytes) -> Image.Image:
    """Return 16 or 32 bits a pixel, of which masks say which ones are red, green, blue, alpha."""
    width, height = header.width, abs(header.height)
    kind = np.dtype("<u2" if header.bits == 16 else "<u4")  # noqa: PLR2004  # bits a pixel
    row = (width * kind.itemsize + 3) // 4 * 4
    rows = np.frombuffer(_whole(body, row * height), np.uint8).reshape(height, row)
    values = np.ascontiguousarray(rows[:, : width * kind.itemsize]).view(kind)
    if header.height > 0:
        values = values[::-1]
    has_alpha = len(header.masks) > 3 and header.masks[3] != 0  # noqa: PLR2004
    bands = [_band(values, mask) for mask in header.masks[: 3 + has_alpha]]
    if has_alpha and not bands[3].any():  # nobody means a picture that cannot be seen
        bands.pop()
    return Image.merge("RGBA"[: len(bands)], [Image.fromarray(band) for band in bands])


def _band(values: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """Return a colour's bits as 0 to 255."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    low = (mask & -mask).bit_length() - 1
    most = mask >> low
    found = (values & values.dtype.type(mask & np.iinfo(values.dtype).max)) >> low
    if most > 0xFF:  # noqa: PLR2004  # what is beyond 8 bits does not show
        beyond = most.bit_length() - 8
        found, most = found >> beyond, most >> beyond
    return (found.astype(np.uint16) * 255 // most).astype(np.uint8)


def _run_lengths(header: _Header, body: bytes) -> Image.Image:
    """Return OS/2's 24 bits in run lengths: as Windows' of 8 bits, three bytes for one."""
    width, height = header.width, abs(header.height)
    pixels = bytearray(3 * width * height)
    x = y = at = 0
    while at + 1 < len(body) and y < height:
        count, value = body[at], body[at + 1]
        if count:
            run = body[at + 1 : at + 4] * count
            at += 4
        elif value > 2:  # noqa: PLR2004  # so many pixels as they are
            run = body[at + 2 : at + 2 + 3 * value]
            at += 2 + (3 * value + 1) // 2 * 2
        else:
            if value == 1:  # the end
                break
            if value == 2 and at + 3 < len(body):  # noqa: PLR2004  # a step aside
                x, y, at = x + body[at + 2], y + body[at + 3], at + 2
            else:
                x, y = 0, y + 1
            at += 2
            continue
        start = 3 * (y * width + x)
        run = run[: 3 * max(width - x, 0)]
        pixels[start : start + len(run)] = run
        x += len(run) // 3
    image = Image.frombytes("RGB", (width, height), bytes(pixels), "raw", "BGR")
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if header.height > 0 else image


def _whole(body: bytes, size: int) -> bytes:
    if len(body) < size:
        raise UnreadableImageError("truncated", "its end is missing")
    return body[:size]
