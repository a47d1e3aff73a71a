"""The connection to Milvus: where, as whom, how it is encrypted; made when it is needed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc
from pymilvus import MilvusClient, MilvusException

from imgvecd.adapters.engine_access import is_this_machine, password_in, password_in_url
from imgvecd.errors import ConfigError, EngineError

CALL_S = 10.0
"""Of one call of a search."""

WRITE_S = 60.0
"""Of one call that writes."""

_CONNECT_S = 3.0
_PORT = 19530
_LONGEST = 300  # characters of a message: assertions come with stack traces
_TLS = {  # as the URL calls them, and pymilvus
    "ca": "server_pem_path",
    "server_name": "server_name",
}


def parameters(url: str, password_file: str) -> dict[str, Any]:
    """Return what `MilvusClient` is made with.

    Args:
        url: "https://USER@HOST:19530/DATABASE?ca=FILE&server_name=NAME"; all but the host may be
            missing.

    Raises:
        ConfigError: the URL is none, or has a password in it; or a file cannot be read, or its
            password by others.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise ConfigError(f"shared.url: {error}.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("shared.url: expected https://USER@HOST:19530 for Milvus.")
    if parts.password is not None:
        raise password_in_url()
    is_encrypted = parts.scheme == "https"
    for name in options:
        if name not in _TLS or not is_encrypted:
            known = ", ".join(_TLS) if is_encrypted else "none with http"
            raise ConfigError(f"shared.url: {name}: no such option (there are: {known}).")
    if "ca" in options:
        options["ca"] = os.path.expanduser(options["ca"])
        if not os.access(options["ca"], os.R_OK):
            raise ConfigError(f"shared.url: ca: {options['ca']} cannot be read.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    token = ""
    if password_file:
        token = f"{unquote(parts.username or 'root')}:{password_in(password_file)}"
    return {
        "uri": f"{parts.scheme}://{host}:{port}",
        "token": token,
        "db_name": unquote(parts.path.strip("/")),
        "secure": is_encrypted,
        **{_TLS[name]: value for name, value in options.items()},
    }


def user_in(url: str) -> str:
    """Return as whom a URL connects."""
    return unquote(urlsplit(url).username or "")


def encryption_warning(url: str) -> str | None:
    """Return what to say of a connection that others could listen to or answer; None if none."""
    parts = urlsplit(url)
    if parts.scheme == "https" or is_this_machine(parts.hostname or ""):
        return None
    return "shared.url: with http others can read along and pose as the engine: with https not"


class Connection:
    """Makes the client when it is first asked for. Thread-safe.

    Args:
        given: as `parameters` returns.
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
