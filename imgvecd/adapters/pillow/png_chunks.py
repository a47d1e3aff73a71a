"""PNG without the chunks that are damaged and not needed to show it."""

from __future__ import annotations

import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED_NAMES = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_NAMES = re.compile(
    rb"PLTE|IDAT|IEND|tEXt|zTXt|iTXt|eXIf|iCCP|cICP|pHYs|tRNS|gAMA|sRGB|cHRM|acTL|fcTL|fdAT|tIME"
)
_MOST_TRIES = 100  # places that look like a chunk
_LARGEST_BYTES = 256 << 20  # of a file that is gone through in memory: the largest are a tenth
_LEAST_CHUNK_BYTES = 12  # length, name, checksum


def without_damage(file: BinaryIO) -> BinaryIO | None:
    """Return a PNG file without its damaged ancillary chunks; None if it has none, or is no PNG."""
    file.seek(0)
    data = file.read(_LARGEST_BYTES)
    if not data.startswith(_SIGNATURE):
        return None
    kept = [_SIGNATURE]
    header = b""
    dropped = False
    for chunk in _chunks(data):
        name = chunk[4:8]
        header = header or (chunk if name == b"IHDR" else b"")
        if name in _NEEDED_NAMES or (name[:1].islower() and _is_sound(header, chunk)):
            kept.append(chunk)
        else:
            dropped = True
    return io.BytesIO(b"".join(kept)) if dropped else None


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the chunks; after one whose length is wrong, from the next on that makes sense."""
    at = len(_SIGNATURE)
    while at + _LEAST_CHUNK_BYTES <= len(data):
        end = at + _LEAST_CHUNK_BYTES + int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8]
        if name not in _NEEDED_NAMES and not (end <= len(data) and _has_checksum(data[at:end])):
            following = _next_chunk(data, at + 8)
            # a wrong checksum alone leaves the next chunk where it should be
            if not (end < following and name.isalpha()):
                end = following
        yield data[at:end]
        at = end


def _next_chunk(data: bytes, start: int) -> int:
    """Return where the next chunk begins that is needed, or has the right checksum."""
    for match in itertools.islice(_NAMES.finditer(data, start), _MOST_TRIES):
        at = match.start() - 4
        end = at + _LEAST_CHUNK_BYTES + int.from_bytes(data[at : at + 4])
        if match[0] in _NEEDED_NAMES or (end <= len(data) and _has_checksum(data[at:end])):
            return at
    return len(data)


def _has_checksum(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _is_sound(header: bytes, chunk: bytes) -> bool:
    """Return whether Pillow reads a picture of nothing but this chunk."""
    if len(chunk) < _LEAST_CHUNK_BYTES or not _has_checksum(chunk):
        return False
    pixels = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    try:
        Image.open(io.BytesIO(_SIGNATURE + header + chunk + pixels), formats=("PNG",)).close()
    except Exception:  # noqa: BLE001  # what bad bytes make Pillow raise is anything
        return False
    return True
