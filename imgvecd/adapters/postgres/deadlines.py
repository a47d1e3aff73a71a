"""Ends what takes too long on this side, too.

The server's own time limits say nothing where the network keeps what they say: a tunnel, a proxy or
a pooler in between that is there, and passes nothing on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import psycopg

from imgvecd.errors import EngineError

_LOOK_S = 0.25


class Deadlines:
    """Shuts the sockets of connections that are used for too long. Thread-safe.

    Args:
        where: the engine is, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._due: dict[object, tuple[float, psycopg.Connection[tuple[object, ...]]]] = {}
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def within(
        self, connection: psycopg.Connection[tuple[object, ...]], seconds: float
    ) -> Iterator[None]:
        """End the use of a connection in the block after so long.

        Raises:
            EngineError: it took longer.
        """
        use = object()
        with self._lock:
            self._due[use] = time.monotonic() + seconds, connection
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
        try:
            yield
        except psycopg.Error as error:
            with self._lock:
                if use in self._due:
                    raise
            raise EngineError(
                f"the shared engine at {self._where} did not answer within {seconds:g} s"
            ) from error
        finally:
            with self._lock:
                self._due.pop(use, None)

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                now = time.monotonic()
                overdue = {use: each for use, (at, each) in self._due.items() if at < now}
                for use, connection in overdue.items():
                    del self._due[use]
                    _shut(connection)


def _shut(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Have the thread that waits for the server see that the connection has ended."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)
