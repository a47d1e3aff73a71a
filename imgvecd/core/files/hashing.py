"""The names of an image's bytes and of its pixels."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

from imgvecd.errors import UnreadableImageError
from imgvecd.types import Stamp

_CHUNK_BYTES = 1 << 20  # large enough that hashing, not system calls, takes the time


def hash_file(path: bytes, stamp: Stamp, beat: Callable[[], None] = lambda: None) -> bytes:
    """Return the BLAKE2b-256 of a regular file that is, before and after reading, at `stamp`.

    Args:
        beat: called after each megabyte, and before the first.

    Raises:
        UnreadableImageError: "changed" if the stamp does not fit, "unsupported" if it is no
            regular file.
        OSError: it cannot be read.
    """
    beat()
    _require_regular(os.stat(path))  # sockets cannot be opened, and devices should not be
    # without O_NONBLOCK, opening a FIFO that took the file's place would wait for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        _require_regular(status)
        _require(stamp, status)
        digest = hashlib.blake2b(digest_size=32)
        buffer = bytearray(_CHUNK_BYTES)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            beat()
        _require(stamp, os.fstat(descriptor))
    return digest.digest()


def hash_pixels(pixels: bytes) -> bytes:
    """Return the BLAKE2b-128 of `DecodedImage.pixels`: what a model makes of them is the same.

    It is compared within one library only, whose owner gains nothing by a collision.
    """
    return hashlib.blake2b(pixels, digest_size=16).digest()


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError("unsupported", "it is not a regular file")


def _require(stamp: Stamp, status: os.stat_result) -> None:
    if Stamp.of(status) != stamp:
        raise UnreadableImageError("changed", "the file changed while it was being read")
