"""The undo journal of a plan: where every file went, on disk before it goes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from imgvecd.core.duplicates.dedup_plan import quoted, unquoted
from imgvecd.core.files.durable import sync_directory
from imgvecd.errors import AlreadyRunningError, BadRequestError

logger = logging.getLogger(__name__)

_SUFFIX = ".jsonl"
_LONGEST_LINE = 1 << 17  # characters: three paths of 4,096 bytes, each byte quoted, take less


class _Entry(msgspec.Struct, frozen=True):
    """A line."""

    what: Literal["trash", "undone"]
    path: str
    file: str = ""
    info: str = ""
    hash: str = ""


_decode = msgspec.json.Decoder(_Entry).decode


@dataclass(frozen=True, slots=True)
class TrashPlace:
    """A place in a trash folder: of the file, and of the note on where it came from."""

    file: bytes
    info: bytes


@dataclass(frozen=True, slots=True)
class MovedFile:
    """Where a file went, and the hash of its bytes; empty in journals of older programs."""

    place: TrashPlace
    hash: str


class Trash(Protocol):
    """Where files go that can be restored."""

    def reserve(self, path: bytes) -> Iterator[TrashPlace]:
        """Yield places for the file at `path`, the likeliest first, each with its note written.

        Raises:
            OSError: no place can be made.
        """
        ...

    def move(self, path: bytes, place: TrashPlace) -> None:
        """Move the file, in one step.

        Raises:
            OSError: among others EXDEV, where the place is on another file system.
        """
        ...

    def require_ours(self, place: TrashPlace, path: bytes) -> None:
        """Check that the place is in a trash, and its note, if it is there, tells of `path`.

        Raises:
            ValueError: says what is wrong.
        """
        ...

    def forget(self, place: TrashPlace) -> None:
        """Drop the note of a place that no file came to, or that it has left."""
        ...

    def put_back(self, place: TrashPlace, path: bytes) -> None:
        """Move the file to `path`, where nothing may be.

        Raises:
            FileExistsError: something is.
            OSError: it cannot be moved.
        """
        ...


class Journal:
    """The journal of the plan called `name` in `folder`; held by one process until closed.

    Raises:
        AlreadyRunningError: another process holds it.
        BadRequestError: something else is in its place.
    """

    def __init__(self, folder: str, name: str) -> None:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.path = os.path.join(folder, name + _SUFFIX)
        descriptor = self._descriptor = _opened(self.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunningError(
                f"{name} is being applied or undone by another process"
            ) from None
        sync_directory(folder)

    def moving(self, path: bytes, place: TrashPlace, digest: str) -> None:
        """Note, on disk when this returns, that a file with this hash is about to go.

        Raises:
            OSError: it cannot be noted.
        """
        self._write("trash", path, file=quoted(place.file), info=quoted(place.info), hash=digest)

    def undone(self, path: bytes) -> None:
        """Note that a file is back, or never went. On a full disk the next run sees it."""
        try:
            self._write("undone", path)
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self.path, error)

    def away(self) -> dict[bytes, MovedFile]:
        """Return by path what went and is not noted as back, the last one last.

        Raises:
            BadRequestError: a line is not one of a journal.
        """
        found: dict[bytes, MovedFile] = {}
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with open(self._descriptor, encoding="utf-8-sig", errors="replace", closefd=False) as lines:
            for number in itertools.count(1):
                line = lines.readline(_LONGEST_LINE)
                if not line.endswith("\n"):
                    if len(line) == _LONGEST_LINE:
                        raise BadRequestError(
                            f"{self.path}, line {number}: it is too long for a journal's"
                        )
                    break  # the end, or killed while it was written: nothing went
                self._note(line, number, found)
        return found

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)

    def _note(self, line: str, number: int, found: dict[bytes, MovedFile]) -> None:
        """Add what a line says."""
        try:
            entry = _decode(line)
        except msgspec.ValidationError as error:
            raise BadRequestError(f"{self.path}, line {number}: {error}") from None
        except RecursionError:
            raise BadRequestError(f"{self.path}, line {number}: it is nested too deeply") from None
        except msgspec.DecodeError:
            return  # killed while it was written, and another run went on behind it
        path = unquoted(entry.path)
        found.pop(path, None)
        if entry.what == "trash":
            place = TrashPlace(unquoted(entry.file), unquoted(entry.info))
            found[path] = MovedFile(place, entry.hash)

    def _write(self, what: str, path: bytes, **more: str) -> None:
        entry = json.dumps({"what": what, "path": quoted(path), **more})
        torn = "\n" if self._ends_torn() else ""
        data = f"{torn}{entry}\n".encode()
        # no buffer: what a full disk refused must not be written later
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def _ends_torn(self) -> bool:
        size = os.fstat(self._descriptor).st_size
        return size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"


def _opened(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError as error:
        if error.errno not in {errno.EISDIR, errno.ELOOP, errno.ENXIO}:
            raise
    raise BadRequestError(f"{path}: it is not a regular file, so no journal; move it away")


def names(folder: str) -> list[str]:
    """Return the names of the plans that have a journal, the last one first."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX):
                with contextlib.suppress(FileNotFoundError):  # it may go at this moment
                    made = entry.stat(follow_symlinks=False).st_mtime_ns
                    found.append((made, entry.name.removesuffix(_SUFFIX)))
    return [name for _, name in sorted(found, reverse=True)]


def known(folder: str, name: str) -> str:
    """Return `name` if there is a journal of that name.

    Raises:
        BadRequestError: there is none.
    """
    if name not in names(folder):
        raise BadRequestError(f"nothing can be undone of {name}; `--list` shows what there is")
    return name
