"""The names of an image's bytes and of its pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from imgvecd.core.files.beneath import open_file
from imgvecd.errors import UnreadableImageError
from imgvecd.types import Stamp

_CHUNK_BYTES = 1 << 20  # large enough that hashing, not system calls, takes the time


def hash_file(
    path: bytes,
    stamp: Stamp,
    beat: Callable[[], None] = lambda: None,
    *,
    opener: Callable[[bytes], int] = open_file,
) -> bytes:
    """Return the BLAKE2b-256 of a regular file that is, before and after reading, at `stamp`.

    Args:
        beat: called after each megabyte, and before the first.
        opener: returns a descriptor of the file; errors as for `open_file`.

    Raises:
        UnreadableImageError: "changed" if the stamp does not fit, "unsupported" if it is no
            regular file.
        OSError: it cannot be read.
    """
    beat()
    descriptor = opener(path)
    with open(descriptor, "rb", buffering=0) as file:
        _require(stamp, os.fstat(descriptor))
        digest = hashlib.blake2b(digest_size=32)
        buffer = bytearray(_CHUNK_BYTES)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            beat()
        _require(stamp, os.fstat(descriptor))
    return digest.digest()


def hash_pixels(pixels: bytes) -> bytes:
    """Return the BLAKE2b-128 of `DecodedImage.pixels`: what a model makes of them is the same.

    It is compared within one library, whose owner gains nothing by a collision, and among those
    that share an engine, who trust each other's vectors.
    """
    return hashlib.blake2b(pixels, digest_size=16).digest()


def _require(stamp: Stamp, status: os.stat_result) -> None:
    if Stamp.of(status) != stamp:
        raise UnreadableImageError("changed", "the file changed while it was being read")
