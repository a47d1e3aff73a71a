"""The checksum of a catalog's file, written when it was last closed in order.

SQLite notices damage to the structure of its file only. While nobody has it open, the checksum
beside it notices every changed bit. It is removed before the file is written to again, so a file
without one was not closed in order.
"""

from __future__ import annotations

import contextlib
import math
import os
import time

import msgspec

from imgvecd.core.files.durable import (
    DurableFile,
    digest_of,
    file_digest,
    read_whole,
    sync_directory,
)
from imgvecd.json_bounds import UNDECODABLE

CHECKSUM_SUFFIX = ".seal"
SMALL_BYTES = 256 << 20
"""Files up to this size, which takes a third of a second, are read through before they are used."""

CHANGED = "its bytes have changed since it was closed, and nobody has written to it"
"""What is wrong with a file that does not match its checksum, though its times say so."""


class CatalogChecksum(msgspec.Struct, frozen=True):
    """A file that nobody has open.

    Attributes:
        blake2b: None if there was no time to read the file.
    """

    size_bytes: int
    mtime_ns: int
    blake2b: str | None


def write_checksum(path: str, *, within_s: float = math.inf) -> None:
    """Write the checksum of a closed file; no digest if reading takes longer than `within_s`.

    Raises:
        OSError: it cannot be read, or the checksum not written.
    """
    status = os.stat(path)
    deadline = time.monotonic() + within_s
    digest = file_digest(path, lambda: time.monotonic() < deadline)
    with DurableFile(path + CHECKSUM_SUFFIX, parsed=True) as file:
        payload = msgspec.json.encode(CatalogChecksum(status.st_size, status.st_mtime_ns, digest))
        file.write(payload + b"\n" + digest_of(payload).encode() + b"\n")
    sync_directory(os.path.dirname(path))


def read_checksum(path: str) -> CatalogChecksum | None:
    """Return the checksum of a file; None if there is none that can be read."""
    try:
        return _decoded(read_whole(path + CHECKSUM_SUFFIX))
    except OSError:
        return None


def _decoded(data: bytes) -> CatalogChecksum | None:
    payload, _, digest = data.rpartition(b"\n")[0].rpartition(b"\n")
    if digest_of(payload).encode() != digest:
        return None
    try:
        return msgspec.json.decode(payload, type=CatalogChecksum)
    except UNDECODABLE:
        return None


def remove_checksum(path: str) -> None:
    """Remove a checksum before the file is written: the two must never be compared."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + CHECKSUM_SUFFIX)
        sync_directory(os.path.dirname(path))


def matches_checksum(path: str) -> bool:
    """Return whether a file has a checksum and, byte for byte, matches it.

    Raises:
        OSError: the file or its checksum cannot be read, which says nothing of the bytes.
    """
    try:
        checksum = _decoded(read_whole(path + CHECKSUM_SUFFIX))
    except FileNotFoundError:
        return False
    return (
        checksum is not None
        and os.stat(path).st_size == checksum.size_bytes
        and (checksum.blake2b is None or file_digest(path) == checksum.blake2b)
    )
