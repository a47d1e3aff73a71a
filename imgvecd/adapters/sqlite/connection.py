"""Connections to the catalog: one writer behind a lock, readers from a pool, errors translated."""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import urllib.parse
from collections.abc import Iterator

from imgvecd.adapters.sqlite.migrations import migrate
from imgvecd.errors import CatalogError

_BUSY_S = 30.0  # another process (a library user, a backup) may hold the write lock for a while


class Database:
    """An open catalog file. Thread-safe; a write returns when it is on disk."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._lock = threading.RLock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        with _translated(path):
            self._writer = self._connect()
            if not read_only:
                self._writer.execute("PRAGMA journal_mode=WAL")
                # NORMAL loses acknowledged transactions at a power cut (HAZARDS, measured)
                self._writer.execute("PRAGMA synchronous=FULL")
                self._writer.execute("PRAGMA foreign_keys=ON")
                migrate(self._writer, path)
                os.chmod(path, 0o600)

    @contextlib.contextmanager
    def write(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Yield (connection, clock of this transaction); commit at the end, or roll back."""
        with self.write_aside() as connection:
            ((clock,),) = connection.execute(
                "UPDATE meta SET value = value + 1 WHERE key = 'clock' RETURNING value"
            ).fetchall()
            yield connection, clock

    @contextlib.contextmanager
    def write_aside(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for what says nothing of files or images: the clock stands still."""
        with self._lock, _translated(self.path):
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside one read transaction: everything seen is of one moment."""
        with _translated(self.path):
            self._check_open()
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
                connection.execute("PRAGMA query_only=ON")
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
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

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rwc"
        uri = f"file:{urllib.parse.quote(self.path)}?mode={mode}"
        return sqlite3.connect(
            uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._readers.put(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise CatalogError(f"the catalog {self.path} is closed")


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CatalogError(f"catalog {path}: {error}") from error
