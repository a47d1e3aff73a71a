"""Digests of checkpoints, kept over restarts: reading half a gigabyte takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time

import msgspec

from imgvecd.core.files.durable import open_file
from imgvecd.core.files.remembered_table import RememberedTable
from imgvecd.errors import ModelError
from imgvecd.types import Stamp

DIGEST_BYTES = 16
"""128 bits: no two models ever collide."""

_CHUNK_BYTES = 4 << 20  # hashed without the interpreter, which others have meanwhile
_FILE = "checkpoints.json"  # in a state directory
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
    chunk = memoryview(bytearray(_CHUNK_BYTES))
    try:
        with open_file(path) as file:
            while count := file.readinto(chunk):
                digest.update(chunk[:count])
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


class _Reading:
    """A checkpoint that a thread reads.

    Args:
        stamp: of the file, before it is read.
    """

    def __init__(self, checkpoint: str, stamp: Stamp) -> None:
        self._checkpoint, self._stamp = checkpoint, stamp
        self._digest: bytes | None = None
        # nothing is lost with it: a program that ends meanwhile does not wait
        self._thread = threading.Thread(target=self._read, name="checkpoint", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ModelError):  # who asks for it is told
            self._digest = digest_checkpoint(self._checkpoint)

    def digest(self, checkpoint: str, stamp: Stamp) -> bytes | None:
        """Return the digest, once it is there; None if that is not of this file as it is now."""
        if (checkpoint, stamp) != (self._checkpoint, self._stamp):
            return None
        self._thread.join()
        return self._digest


class CheckpointDigests:
    """Digests by path and stamp. What cannot be read or written costs the reading of a checkpoint.

    Args:
        state: the directory that has a file of them.
        read_only: it is not written.
    """

    def __init__(self, state: str, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._table = RememberedTable(os.path.join(state, _FILE), _Kept, _MOST_FILES)
        self._reading: _Reading | None = None

    def read_ahead(self, checkpoint: str) -> None:
        """Have a thread read a checkpoint that `of` is soon asked for, unless it is known."""
        stamp = _stamp(checkpoint)
        if stamp and _is_settled(stamp) and self._known(checkpoint, stamp) is None:
            self._reading = _Reading(checkpoint, stamp)

    def of(self, checkpoint: str) -> bytes:
        """Return what `digest_checkpoint` does; unless the file was touched, without reading it.

        Raises:
            ModelError: it cannot be read.
        """
        stamp = _stamp(checkpoint)
        if stamp is None or stamp.size_bytes < _SMALL_BYTES:
            return digest_checkpoint(checkpoint)
        known = self._known(checkpoint, stamp)
        if known is not None:
            return known
        was_settled = _is_settled(stamp)
        read = self._reading.digest(checkpoint, stamp) if self._reading else None
        digest = read or digest_checkpoint(checkpoint)
        if not self._read_only and was_settled and stamp == _stamp(checkpoint):
            proof = _proof(checkpoint, stamp, digest)
            self._table.put(checkpoint, _Kept(stamp, digest, proof))
        return digest

    def _known(self, checkpoint: str, stamp: Stamp) -> bytes | None:
        kept = self._table.get(checkpoint)
        if kept is None or kept.stamp != stamp:
            return None
        return kept.digest if kept.proof == _proof(checkpoint, stamp, kept.digest) else None


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
