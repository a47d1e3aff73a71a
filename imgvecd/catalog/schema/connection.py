"""Connections to the catalog: one writer behind a lock, readers from a pool, errors translated."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sqlite3
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from imgvecd.catalog.files import name_index, place_index
from imgvecd.catalog.integrity.row_check import is_undecodable
from imgvecd.catalog.recovery.disk_advice import advice
from imgvecd.catalog.schema import forking
from imgvecd.catalog.schema.migrations import migrate, missing_steps
from imgvecd.errors import CatalogDamagedError, CatalogError, NotFoundError
from imgvecd.spelling import folded_words

_BUSY_S = 30.0  # another process (a library user, a backup) may hold the write lock for a while
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = "a row is not as it was written"  # what it holds is nobody's business
_DAMAGED_ADVICE = "stop imgvecd and run `imgvecd check`"


@dataclass(slots=True)
class _Moment:
    """What one thread reads together.

    Attributes:
        end: ends the transaction.
        changes: as they were before it.
        reader: its connection, once something was read.
    """

    end: contextlib.ExitStack
    changes: int
    reader: sqlite3.Connection | None = None


class _OfThread(threading.local):
    moment: _Moment | None = None


class Database:
    """An open catalog file. Thread-safe; a write returns when it is on disk.

    Attributes:
        damaged: set once bytes were met that cannot be its own.
        on_damage: called then, each time, and after a row was met that cannot be as it was
            written; on whatever thread.
        on_written: called, on whatever thread, after each commit that moved the clock.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._lock = threading.RLock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        self.damaged = threading.Event()
        self._changes = 0
        self._of_thread = _OfThread()
        self.on_damage: Callable[[], None] = lambda: None
        self.on_written: Callable[[], None] = lambda: None
        forking.require_no_fork()
        forking.note_open(self)
        with self._translated():
            self._writer = self._connect()
            if read_only:
                self._require_current()
            else:
                self._writer.execute("PRAGMA journal_mode=WAL")
                # NORMAL loses acknowledged transactions at a power cut (HAZARDS, measured)
                self._writer.execute("PRAGMA synchronous=FULL")
                migrate(self._writer, path)  # which may make a table anew that others refer to
                self._writer.execute("PRAGMA foreign_keys=ON")
                os.chmod(path, 0o600)
                self._identity = _identity_of(path)

    def _require_current(self) -> None:
        if not self._writer.execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise NotFoundError(f"there is nothing in {self.path} yet")
        if missing_steps(self._writer, self.path):
            raise CatalogError(
                f"{self.path} was written by an older imgvecd; start the program that writes to it"
                " (such as `imgvecd serve`) once in this version, which brings it up to date"
            )

    @property
    def changes(self) -> int:
        """What is another number once something was committed, but for what `alters` nothing.

        What is read after it was asked is at least as new; it stays the same within `one_moment`.
        """
        moment = self._of_thread.moment
        if moment is not None:
            return moment.changes
        if not self.read_only:
            return self._changes
        with self._lock, self._translated():  # whatever other processes commit
            self._check_open()
            ((version,),) = self._writer.execute("PRAGMA data_version").fetchall()
        return int(version)

    @contextlib.contextmanager
    def write(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Yield (connection, clock of this transaction); commit at the end, or roll back."""
        with self.write_aside() as connection:
            ((clock,),) = connection.execute(
                "UPDATE meta SET value = value + 1 WHERE key = 'clock' RETURNING value"
            ).fetchall()
            yield connection, clock
            place_index.catch_up(connection)  # what filters find changes with the clock
        self.on_written()

    @contextlib.contextmanager
    def write_aside(self, *, alters: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a connection for what says nothing of files or images: the clock stands still.

        Args:
            alters: whether a search may have another answer afterwards.
        """
        with self._lock, self._translated():
            self._check_open()
            self._check_there()
            _roll_back(self._writer)  # what could not be rolled back on a failing disk
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                name_index.catch_up(self._writer)
                self._writer.execute("COMMIT")
                self._changes += alters  # who was told that it is written finds it from now on
            except BaseException:
                _roll_back(self._writer)
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside one read transaction: everything seen is of one moment.

        Within `one_moment`, of that one.
        """
        with self._translated():
            self._check_open()
            moment = self._of_thread.moment
            if moment is None:
                with self._reader() as connection:
                    yield connection
                return
            if moment.reader is None:
                moment.reader = moment.end.enter_context(self._reader())
            yield moment.reader

    @contextlib.contextmanager
    def one_moment(self) -> Iterator[None]:
        """Have all that this thread reads be of one moment, which begins with the first look."""
        if self._of_thread.moment is not None:
            yield
            return
        with contextlib.ExitStack() as end:
            self._of_thread.moment = _Moment(end, self.changes)
            try:
                yield
            finally:
                self._of_thread.moment = None

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            _roll_back(connection)
            self._give_back(connection)

    def close(self) -> None:
        """Close every connection that is not in use; the rest close when given back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            while not self._readers.empty():
                self._readers.get_nowait().close()
            self._writer.close()
            forking.note_closed(self)

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rwc"
        if self.read_only and _lies_still(self.path):
            mode += "&immutable=1"  # else SQLite wants to write beside the file
        uri = f"file:{urllib.parse.quote(self.path)}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.create_function("folded", 1, _folded, deterministic=True)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or connection.in_transaction:
            connection.close()
        else:
            self._readers.put(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise CatalogError(f"the catalog {self.path} is closed")
        forking.require_no_fork()

    def _check_there(self) -> None:
        """Raise unless the file is still at its path: what is written to a deleted one is lost."""
        if _identity_of(self.path) != self._identity:
            raise CatalogError(
                f"the catalog {self.path} has been moved or deleted: put it back, or restart"
                " imgvecd to begin anew"
            )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
            if code in _DAMAGED:
                raise self._damage(str(error)) from error
            if is_undecodable(error):
                raise self._damage(_UNREADABLE) from error
            why = f"{error}{advice(self.path, error)}"
            raise CatalogError(f"catalog {self.path}: {why}") from error
        except (json.JSONDecodeError, msgspec.DecodeError) as error:
            raise self._damage(_UNREADABLE) from error

    def _damage(self, what: str) -> CatalogDamagedError:
        self.damaged.set()
        self.on_damage()
        return CatalogDamagedError(f"catalog {self.path}: {what}; {_DAMAGED_ADVICE}")


def _folded(value: object) -> str | None:
    return None if value is None else folded_words(str(value))


def _roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction, if there is one, without hiding the error that led here."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _lies_still(path: str) -> bool:
    """Whether a catalog was closed in order and lies on a medium that nobody writes to."""
    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return False
    return bool(read_only) and not os.path.exists(path + "-wal")


def _identity_of(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
