"""Which primaries and transfer function a file declares by code points (ITU-T H.273, "CICP").

PNG has them in `cICP`, HEIF and AVIF in a `colr` box of the kind `nclx`, and a colour profile may
have them in its tag `cicp` (ICC.1:2022).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

from imgvecd.adapters.pillow import hdr
from imgvecd.adapters.pillow.colour import Signal

_ICC_HEADER_BYTES, _MAX_ICC_TAGS = 128, 100
_MAX_CHUNKS = 1000  # of a PNG, before its picture
_MAX_META_BYTES = 4 << 20  # of AVIF: what describes the items


def declared(image: Image.Image, file: BinaryIO) -> Signal | None:
    """Return what says how the picture's values are meant, unless a colour profile does.

    Args:
        file: that `image` was loaded from; its position moves.
    """
    if image.format == "PNG":
        return _of_png(file)  # which stands above a profile
    if profile := image.info.get("icc_profile"):
        return _of_profile(profile)
    if image.format == "HEIF":
        nclx = image.info.get("nclx_profile") or {}
        return Signal(nclx.get("color_primaries", 2), nclx.get("transfer_characteristics", 2))
    return _of_avif(file) if image.format == "AVIF" else None


def _of_profile(profile: bytes) -> Signal | None:
    """Return what a profile says by code points if it is HDR, which its curves can only hint at."""
    (count,) = struct.unpack_from(
        ">I", profile.ljust(_ICC_HEADER_BYTES + 4, b"\0"), _ICC_HEADER_BYTES
    )
    table = profile[_ICC_HEADER_BYTES + 4 :][: 12 * min(count, _MAX_ICC_TAGS)]
    for name, place, _ in struct.iter_unpack(">4sII", table[: len(table) // 12 * 12]):
        codes = profile[place + 8 : place + 10]  # behind the type of its content
        if name == b"cicp" and len(codes) == 2 and codes[1] in {hdr.PQ, hdr.HLG}:  # noqa: PLR2004
            return Signal(*codes)
    return None


def _of_png(file: BinaryIO) -> Signal | None:
    file.seek(8)
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8 or header[4:] == b"IDAT":  # noqa: PLR2004  # length and name
            return None
        if header[4:] == b"cICP":
            codes = file.read(2)
            return Signal(*codes) if len(codes) == 2 else None  # noqa: PLR2004
        file.seek(int.from_bytes(header[:4]) + 4, 1)
    return None


def _of_avif(file: BinaryIO) -> Signal | None:
    """Return that of the primary item: another, as of a gain map, may have one of its own."""
    try:
        meta = dict(_boxes(_meta(file)[4:]))
        properties = dict(_boxes(meta[b"iprp"]))
        (primary,) = struct.unpack_from(">I" if meta[b"pitm"][0] else ">H", meta[b"pitm"], 4)
        kept = list(_boxes(properties[b"ipco"]))
        for number in _associated(properties[b"ipma"], primary):
            name, content = kept[number - 1]
            if number and name == b"colr" and content[:4] == b"nclx":
                return Signal(*struct.unpack_from(">HH", content, 4))
    except (KeyError, IndexError, struct.error):  # damaged, or nothing is said
        pass
    return None


def _meta(file: BinaryIO) -> bytes:
    file.seek(0)
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        size, name = struct.unpack(">I4s", header)
        if name == b"meta":
            return file.read(min(size - 8, _MAX_META_BYTES)) if size >= 8 else b""  # noqa: PLR2004
        if size < 8:  # noqa: PLR2004  # to the end of the file, or larger than 4 GB
            break
        file.seek(size - 8, 1)
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if size < 8:  # noqa: PLR2004  # its own header
            return
        yield name, data[place + 8 : place + size]
        place += size


def _associated(ipma: bytes, item: int) -> Iterator[int]:
    """Yield the numbers, from 1, of the properties of an item."""
    identity, wide = (">I" if ipma[0] else ">H"), ipma[3] & 1
    (entries,) = struct.unpack_from(">I", ipma, 4)
    place = 8
    for _ in range(entries):
        (number,) = struct.unpack_from(identity, ipma, place)
        place += struct.calcsize(identity)
        count = ipma[place]
        place += 1
        if number == item:
            numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", ipma, place)
            yield from (each & (0x7FFF if wide else 0x7F) for each in numbers)
        place += count * (2 if wide else 1)
