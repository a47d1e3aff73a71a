"""Files that are there whole or not at all, whenever the power fails, and that prove their bytes.

A file is written under a temporary name, flushed to the disk and renamed; then its folder is
flushed. Its BLAKE2b-256 digest is taken from the bytes as they are written.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO
from types import TracebackType
from typing import Self, overload

import msgspec

from imgvecd.errors import IndexDamagedError

TEMPORARY_SUFFIX = ".tmp"
# Python releases the GIL while hashing; 1 MiB keeps the number of calls small, and memory too.
_BLOCK_BYTES = 1 << 20


class StoredFile(msgspec.Struct, frozen=True):
    """A file as it was written.

    Attributes:
        name: last path component.
        parsed: a library interprets its bytes, so that they must be verified before it may.
            Other files hold plain numbers and can be verified while they are in use.
    """

    name: str
    size_bytes: int
    blake2b: str
    parsed: bool


class DurableFile:
    """Context manager that writes a new file, which appears at `path` when the block ends well.

    Args:
        parsed: see `StoredFile`.
        proven: whether `stored` will be asked for, which takes a digest of all bytes.

    Raises:
        OSError: from any method; `path` is then as it was before.
    """

    def __init__(self, path: str, *, parsed: bool, proven: bool = True) -> None:
        self._path = path
        self._parsed = parsed
        self._digest = _new_digest()
        self._proven = proven
        self._size_bytes = 0
        self.temporary = path + TEMPORARY_SUFFIX

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(self.temporary, flags, 0o600)
        return self

    def write(self, data: bytes | memoryview) -> int:
        """Append `data`, whose items are bytes, and return its length."""
        if self._proven:
            self._digest.update(data)
        self._size_bytes += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        return len(data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
        if error is None:
            os.replace(self.temporary, self._path)
        else:
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)

    def stored(self) -> StoredFile:
        """Return what was written; for one that is `proven`."""
        name = os.path.basename(self._path)
        return StoredFile(name, self._size_bytes, self._digest.hexdigest(), self._parsed)


def make_folder(path: str) -> None:
    """Create a folder unless it is there, but not what it lies in.

    A state directory that was moved away can be put back while nothing stands in its place.

    Raises:
        OSError: it cannot be created.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode=0o700)


def read_whole(path: str, most: int = -1) -> bytes:
    """Return what a small file holds; nothing of a pipe, which nobody waits for, or of a device.

    Args:
        most: bytes, of which no more are read.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    with open(path, "rb", opener=open_at_once) as file:
        return file.read(most) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def open_file(path: str) -> FileIO:
    """Open a file to read it, without a buffer.

    Raises:
        OSError: it cannot be read, or is none: nobody waits for a pipe, and a device may never end.
    """
    file = FileIO(path, opener=open_at_once)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is not a file", path)


def open_at_once(path: str, flags: int) -> int:
    """Open a file for `open`, and wait for nobody at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def sync_directory(path: str) -> None:
    """Make the names in a folder last."""
    _sync(path, os.O_DIRECTORY)


def sync_file(path: str) -> None:
    """Make what somebody else has written to a file last."""
    _sync(path, 0)


def _sync(path: str, flags: int) -> None:
    descriptor = open_at_once(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def verify(directory: str, stored: StoredFile, proceed: Callable[[], bool] = lambda: True) -> None:
    """Read a whole file and compare it with what was written.

    Args:
        proceed: asked after every block; False ends the reading without a verdict.

    Raises:
        IndexDamagedError: it is missing, unreadable, or its bytes are not those written.
    """
    verify_size(directory, stored)
    try:
        digest = file_digest(os.path.join(directory, stored.name), proceed)
    except OSError as error:
        raise IndexDamagedError(f"index file {stored.name} cannot be read: {error}") from error
    if digest is not None and digest != stored.blake2b:
        raise IndexDamagedError(f"index file {stored.name} is damaged")


def verify_size(directory: str, stored: StoredFile) -> None:
    """Compare a file's length with what was written.

    Raises:
        IndexDamagedError: it differs, or there is no such file.
    """
    try:
        size_bytes = os.stat(os.path.join(directory, stored.name)).st_size
    except OSError as error:
        raise IndexDamagedError(f"index file {stored.name} cannot be read: {error}") from error
    if size_bytes != stored.size_bytes:
        raise IndexDamagedError(
            f"index file {stored.name} has {size_bytes} bytes instead of {stored.size_bytes}"
        )


@overload
def file_digest(path: str) -> str: ...
@overload
def file_digest(path: str, proceed: Callable[[], bool]) -> str | None: ...
def file_digest(path: str, proceed: Callable[[], bool] = lambda: True) -> str | None:
    """Return the digest of a whole file; None if `proceed`, asked after every block, said no.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    digest = _new_digest()
    for block in _blocks(path):
        digest.update(block)
        if not proceed():
            return None
    return digest.hexdigest()


def digest_of(data: bytes) -> str:
    """Return the digest of `data` as the stored files' digests are written."""
    digest = _new_digest()
    digest.update(data)
    return digest.hexdigest()


def _new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=32)


def _blocks(path: str) -> Iterator[memoryview]:
    buffer = bytearray(_BLOCK_BYTES)
    view = memoryview(buffer)
    with open_file(path) as file:
        while count := file.readinto(buffer):
            yield view[:count]
