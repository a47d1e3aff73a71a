"""HTTP with the daemon on one connection at a time, with the standard library only."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from imgvecd.client.calls import (
    DEFAULT_TIMEOUT_S,
    JSON,
    ApiCall,
    ApiStream,
    EventParser,
    LineSplitter,
    ServerEvent,
    error_of,
    read,
)
from imgvecd.client.daemon_address import DaemonAddress, TcpAddress, UnixAddress
from imgvecd.client.socket_trust import require_known_peer, require_safe_folder
from imgvecd.client.transport_errors import unreachable

__all__ = ["DEFAULT_TIMEOUT_S", "DaemonConnection", "error_of", "read"]

T = TypeVar("T")

# For so long a connection is asked for again while a flood of others waits to be let in.
ADMISSION_S = 10.0
AGAIN_S = 0.005


class DaemonConnection:
    """The daemon at an address. One request at a time; not thread-safe.

    Args:
        address: text is the path of a socket.
    """

    def __init__(self, address: str | DaemonAddress, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._address = UnixAddress(address) if isinstance(address, str) else address
        self._timeout_s = timeout_s
        self._http: _PatientConnection = (
            _TcpConnection(self._address, timeout_s)
            if isinstance(self._address, TcpAddress)
            else _UnixConnection(self._address, timeout_s)
        )

    def close(self) -> None:
        """Close the connection; the next request reconnects."""
        self._http.close()

    def get(self, url: str) -> bytes:
        """Return the JSON that `url` answers.

        Raises:
            DaemonUnreachableError: nobody answers.
            DaemonError: the answer is an error.
        """
        return self._ask("GET", url, None)

    def post(self, url: str, body: msgspec.Struct, patience_s: float = 0.0) -> bytes:
        """Send `body` and return the JSON answered; errors as for `get`.

        Args:
            patience_s: added to the time that an answer may take.
        """
        return self._ask("POST", url, msgspec.json.encode(body), patience_s)

    def put(self, url: str, body: msgspec.Struct) -> bytes:
        """Store `body` and return the JSON answered; errors as for `get`."""
        return self._ask("PUT", url, msgspec.json.encode(body))

    def patch(self, url: str, changes: dict[str, Any]) -> bytes:
        """Change what `url` names and return the JSON answered; errors as for `get`."""
        return self._ask("PATCH", url, msgspec.json.encode(changes))

    def delete(self, url: str) -> bytes:
        """Drop what `url` names and return the JSON answered; errors as for `get`."""
        return self._ask("DELETE", url, None)

    def call(self, call: ApiCall[T]) -> T:
        """Return what a call answers; errors as for `get`."""
        return call.read(self._send(call))

    def stream(self, stream: ApiStream[T]) -> Iterator[T]:
        """Yield what a stream tells, on a connection of its own.

        Raises:
            DaemonUnreachableError: nobody answers, nothing more comes (not even a heartbeat), or
                the answer breaks off.
            DaemonError: the answer is an error.
        """
        own = DaemonConnection(self._address, self._timeout_s)
        return own._streamed(stream)  # one of us

    def events(self, url: str, body: msgspec.Struct) -> Iterator[ServerEvent]:
        """Yield server-sent events, until the daemon ends them; errors as for `stream`."""
        return self.stream(ApiStream("POST", url, EventParser, msgspec.json.encode(body)))

    def _streamed(self, stream: ApiStream[T]) -> Iterator[T]:
        take, splitter = stream.parser(), LineSplitter()
        try:
            self._http.request(stream.method, stream.url, stream.body, self._headers(stream))
            response = self._http.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise error_of(response.read())
            try:
                # by pieces: the response's own lines would not tell its end from a break
                while piece := response.read1():
                    for line in splitter.lines(piece):
                        value = take(line)
                        if value is not None:
                            yield value
            except http.client.IncompleteRead:
                if not stream.endless:
                    raise
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(error, self._address.place) from error
        finally:
            self._http.close()

    def _ask(self, method: str, url: str, body: bytes | None, patience_s: float = 0.0) -> bytes:
        return self._send(ApiCall(method, url, lambda answer: answer, body, patience_s))

    def _send(self, call: ApiCall[Any]) -> bytes:
        self._http.allow(call.patience_s)
        self._http.drop_if_ended()
        kept = self._http.sock is not None
        try:
            # Refused before all of it was sent? Then the answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._http.request(call.method, call.url, call.body, self._headers(call))
            response = self._http.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            # the daemon closes connections that idle; it may have seen what came at that moment
            ended = isinstance(error, http.client.RemoteDisconnected)
            if ended and kept and call.repeatable:
                return self._send(call)
            raise unreachable(error, self._address.place) from error
        if response.status >= http.client.BAD_REQUEST:
            raise error_of(answer)
        return answer

    def _headers(self, asked: ApiCall[Any] | ApiStream[Any]) -> dict[str, str]:
        return headers_of(self._address, asked)


def headers_of(address: DaemonAddress, asked: ApiCall[Any] | ApiStream[Any]) -> dict[str, str]:
    """Return the headers of a request: the type of its body, its own, and the token over TCP."""
    headers = {} if asked.body is None else {"Content-Type": JSON}
    if isinstance(asked, ApiStream):
        headers |= asked.headers
    if isinstance(address, TcpAddress):
        headers["Authorization"] = f"Bearer {address.token}"
    return headers


class _PatientConnection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int | None, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._timeout_s = timeout_s
        self._process = os.getpid()

    def allow(self, patience_s: float) -> None:
        """Let the next answer take so much longer than others."""
        self.timeout = self._timeout_s + patience_s
        if self.sock is not None:
            self.sock.settimeout(self.timeout)

    def drop_if_ended(self) -> None:
        """Hang up if, since the last answer, the other side has or this process was forked."""
        if self._process != os.getpid():  # two would read each other's answers
            self._process = os.getpid()
            self.close()
        if self.sock is not None:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if poll.poll(0):  # nothing is to come between answers but the end
                self.close()


class _TcpConnection(_PatientConnection):
    def __init__(self, address: TcpAddress, timeout_s: float) -> None:
        super().__init__(address.host, address.port, timeout_s)


class _UnixConnection(_PatientConnection):
    def __init__(self, address: UnixAddress, timeout_s: float) -> None:
        super().__init__("localhost", None, timeout_s)
        self._path = address.path

    def connect(self) -> None:
        require_safe_folder(self._path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        give_up = time.monotonic() + ADMISSION_S
        while True:
            try:
                self.sock.connect(self._path)
            except BlockingIOError:  # as many wait to be let in as the kernel keeps
                if time.monotonic() > give_up:
                    raise
                time.sleep(AGAIN_S)
            else:
                break
        try:
            require_known_peer(self._path, self.sock)
        except BaseException:
            self.close()
            raise
