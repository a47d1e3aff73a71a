"""Digests of checkpoints, kept over restarts: reading half a gigabyte takes seconds."""

from __future__ import annotations

import hashlib
import os
import time

import msgspec

from imgvecd.core.files.durable import open_file
from imgvecd.core.files.remembered_table import RememberedTable
from imgvecd.errors import ModelError
from imgvecd.types import Stamp

DIGEST_BYTES = 16
"""128 bits: no two models ever collide."""

_CHUNK_BYTES = 1 << 20
_MOST_FILES = 8  # that are remembered: a library has a model or two
_SMALL_BYTES = 1 << 20  # that are read in no time
_SETTLED_NS = 2_000_000_000  # a file system that keeps times by two seconds cannot tell apart less


class _Kept(msgspec.Struct, frozen=True):
    """What a file's bytes came to.

    Attributes:
        proof: of all else, since a changed digit would have a whole library encoded anew.
    """

    stamp: Stamp
    digest: bytes
    proof: bytes


def digest_checkpoint(path: str) -> bytes:
    """Return the BLAKE2b-128 of a checkpoint's bytes.

    Raises:
        ModelError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with open_file(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.digest()


def no_digest(path: str) -> bytes:
    """Return nothing, without reading a checkpoint, for whom its digest is no matter.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with open_file(path) as file:
            file.read(1)
    except OSError as error:
        raise _unreadable(path, error) from error
    return b""


def _unreadable(path: str, error: OSError) -> ModelError:
    return ModelError(f"the checkpoint {path} cannot be read: {error.strerror}")


class CheckpointDigests:
    """Digests by path and stamp. What cannot be read or written costs the reading of a checkpoint.

    Args:
        path: of the file that keeps them.
        read_only: it is not written.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._table = RememberedTable(path, _Kept, _MOST_FILES)

    def of(self, checkpoint: str) -> bytes:
        """Return what `digest_checkpoint` does; unless the file was touched, without reading it.

        Raises:
            ModelError: it cannot be read.
        """
        stamp = _stamp(checkpoint)
        if stamp is None or stamp.size_bytes < _SMALL_BYTES:
            return digest_checkpoint(checkpoint)
        known = self._table.get(checkpoint)
        if (
            known is not None
            and known.stamp == stamp
            and known.proof == _proof(checkpoint, stamp, known.digest)
        ):
            return known.digest
        digest = digest_checkpoint(checkpoint)
        if not self._read_only and stamp == _stamp(checkpoint) and _is_settled(stamp):
            proof = _proof(checkpoint, stamp, digest)
            self._table.put(checkpoint, _Kept(stamp, digest, proof))
        return digest


def _stamp(path: str) -> Stamp | None:
    try:
        return Stamp.of(os.stat(path))
    except OSError:
        return None


def _is_settled(stamp: Stamp) -> bool:
    """Return whether a later write would show in the stamp."""
    return abs(time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns)) > _SETTLED_NS


def _proof(path: str, stamp: Stamp, digest: bytes) -> bytes:
    told = (path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, stamp.ctime_ns, digest.hex())
    return hashlib.blake2b(repr(told).encode(), digest_size=DIGEST_BYTES).digest()
