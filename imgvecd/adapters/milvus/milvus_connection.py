"""The connection to Milvus, made when it is needed; what goes wrong with it, as `EngineError`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from pymilvus import MilvusClient, MilvusException

from imgvecd.errors import EngineError

CALL_S = 10.0
"""Of one call of a search."""

WRITE_S = 60.0
"""Of one call that writes."""

_CONNECT_S = 3.0
_LONGEST = 300  # characters of a message: assertions come with stack traces


class MilvusConnection:
    """Makes the client when it is first asked for. Thread-safe.

    Args:
        given: as `address.parameters` returns.
        where: for messages.
    """

    def __init__(self, given: dict[str, Any], where: str) -> None:
        self._given = given
        self._where = where
        self._lock = threading.Lock()
        self._client: MilvusClient | None = None
        self._closed = False

    @contextlib.contextmanager
    def client(self) -> Iterator[MilvusClient]:
        """Yield the `MilvusClient`; what it raises becomes an `EngineError` that says where."""
        try:
            yield self._connected()
        except (MilvusException, grpc.RpcError) as error:
            raise EngineError(f"the shared engine at {self._where}: {_reason(error)}") from error
        except ValueError as error:  # as gRPC says that its channel is closed
            if not self._closed:
                raise
            raise EngineError("the shared engine is not used any more") from error

    def _connected(self) -> MilvusClient:
        with self._lock:
            if self._closed:
                raise EngineError("the shared engine is not used any more")
            if self._client is None:
                self._client = MilvusClient(**self._given, timeout=_CONNECT_S, dedicated=True)
            return self._client

    def close(self) -> None:
        """Close it; a call under way ends with an error."""
        self._closed = True
        if self._client is not None:
            with contextlib.suppress(Exception):  # it may be gone already, in whatever way
                self._client.close()


def _reason(error: Exception) -> str:
    """Return what the server or gRPC says, on one line."""
    message = getattr(error, "message", None) or str(error)
    if "Fail connecting" in message:
        return f"{message} (is it up, are user and password right, does it speak TLS?)"
    return " ".join(str(message).split())[:_LONGEST]
