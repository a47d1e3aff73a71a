"""Connections to PostgreSQL: made when they are needed, a few for reading, one for writing."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from imgvecd.adapters.engine_access import is_this_machine, password_in, password_in_url
from imgvecd.adapters.postgres.deadlines import Deadlines
from imgvecd.errors import ConfigError, EngineError

Connection = psycopg.Connection[tuple[Any, ...]]

_CONNECT_S = 3
_READ_MS = 10_000  # of one statement of a search
_READ_S = 12.0  # of all of them, on this side
WRITE_S = 150.0
"""Of a step, on this side."""

WRITE_MS = 120_000
"""Of one statement on the connection that writes."""

# A network that swallows everything is noticed within half a minute.
_KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_FILES = {"passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert"}
_WEAK = ("disable", "allow", "prefer", "require", "verify-ca")


def parameters(url: str, password_file: str) -> dict[str, Any]:
    """Return what to connect with.

    A host that is not this machine is spoken to over TLS, its certificate verified by the system's
    authorities, unless the URL says otherwise.

    Raises:
        ConfigError: the URL is none, or has a password in it; or the file is readable by others.
    """
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.Error as error:
        raise ConfigError(f"shared.url: {str(error).strip()}.") from None
    if given.get("password"):
        raise password_in_url()
    for name in _FILES & given.keys():
        given[name] = os.path.expanduser(given[name])
    if password_file:
        given["password"] = password_in(password_file)
    if _is_elsewhere(given):
        given.setdefault("sslmode", "verify-full")
        if given["sslmode"] in {"verify-full", "verify-ca"}:
            given.setdefault("sslrootcert", "system")
    return {
        "connect_timeout": _CONNECT_S,
        "application_name": "imgvecd",
        **_KEEPALIVES,
        **given,
    }


def encryption_warning(given: Mapping[str, Any]) -> str | None:
    """Return what to say of a connection that others could listen to or answer; None if none."""
    if _is_elsewhere(given) and given.get("sslmode") in _WEAK:
        return (
            f"shared.url: sslmode={given['sslmode']} lets others pose as the engine:"
            " verify-full does not"
        )
    return None


def statement(text: str) -> bytes:
    """Return a statement as psycopg takes one that is put together: here, of constants only."""
    return text.encode()


def first_value(connection: Connection, text: str, value: object) -> Any:  # noqa: ANN401
    """Return the first value of the first row of a query with one parameter; None without rows."""
    row = connection.execute(statement(text), (value,)).fetchone()
    return None if row is None else row[0]


def reason_of(error: psycopg.Error) -> str:
    """Return what the server or libpq says; the lines that follow tell where in which statement."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def host_of(url: str) -> str:
    """Return the hosts in a URL, for messages: without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2] or "this machine"


class Connections:
    """Hands out connections, and takes them back. Thread-safe.

    Args:
        given: as `parameters` returns.
        where: for messages.
        prepare: called with each new connection for reading.
    """

    def __init__(
        self, given: Mapping[str, Any], where: str, prepare: Callable[[Connection], None]
    ) -> None:
        self._given = given
        self._prepare = prepare
        self._where = where
        self._deadlines = Deadlines(where)
        self._lock = threading.Lock()
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        self._open: set[Connection] = set()
        self._closed = False

    def connect(self, *, statement_ms: int = WRITE_MS) -> Connection:
        """Return a new connection that the caller closes; it commits by itself.

        Raises:
            EngineError: it cannot be reached, or refuses.
        """
        if self._closed:
            raise EngineError("the shared engine is not used any more")
        with self.translated():
            connection = psycopg.connect(**self._given, autocommit=True, prepare_threshold=None)
            connection.execute(statement(f"SET statement_timeout = {statement_ms:d}"))
        with self._lock:
            self._open.add(connection)
        return connection

    @contextlib.contextmanager
    def reading(self, within_s: float = _READ_S) -> Iterator[Connection]:
        """Yield a connection for a search; one that broke is not handed out again."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self.connect(statement_ms=_READ_MS)
            try:
                with self.used(connection, within_s):
                    self._prepare(connection)
            except EngineError:
                self.drop(connection)
                raise
        try:
            with self.used(connection, within_s):
                yield connection
        finally:
            if connection.closed or connection.broken or self._closed:
                self.drop(connection)
                self._drop_idle()  # what broke this one broke them all
            else:
                self._idle.put(connection)

    def _drop_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self.drop(self._idle.get_nowait())

    def drop(self, connection: Connection) -> None:
        """Close a connection; harmless when repeated."""
        with self._lock:
            self._open.discard(connection)
        with contextlib.suppress(psycopg.Error):
            connection.close()

    @contextlib.contextmanager
    def used(self, connection: Connection, within_s: float) -> Iterator[None]:
        """Use a connection for so long at the most; see `translated`."""
        with self.translated(), self._deadlines.within(connection, within_s):
            yield

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what psycopg raises as an `EngineError` that says where and what."""
        try:
            yield
        except psycopg.OperationalError as error:
            raise EngineError(f"the shared engine at {self._where}: {reason_of(error)}") from error
        except psycopg.Error as error:
            raise EngineError(f"the shared engine refuses: {reason_of(error)}") from error

    def close(self) -> None:
        """Close all; a statement under way is cancelled."""
        self._closed = True
        with self._lock:
            opened = list(self._open)
        for connection in opened:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=1)
            self.drop(connection)


def _is_elsewhere(given: Mapping[str, Any]) -> bool:
    """Return whether a host may be another machine."""
    return not all(map(is_this_machine, str(given.get("host") or "").split(",")))
