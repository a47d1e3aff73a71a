"""HTTP over the Unix socket, with the standard library only."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from imgvecd import api
from imgvecd.client.socket_trust import require_known_peer, require_safe_folder
from imgvecd.errors import DaemonError, DaemonUnreachableError

T = TypeVar("T")

# A little more than the daemon's own deadline (60 s), whose answer says more than ours.
DEFAULT_TIMEOUT_S = 75.0
# For so long a connection is asked for again while a flood of others waits to be let in.
_ADMISSION_S = 10.0
_AGAIN_S = 0.02


NDJSON = "application/x-ndjson"
_JSON = {"Content-Type": "application/json"}


class DaemonConnection:
    """The daemon at a socket. One request at a time; not thread-safe."""

    def __init__(self, path: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._http = _UnixConnection(path, timeout_s)

    def close(self) -> None:
        """Hang up; the next request connects anew."""
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
        self._http.allow(patience_s)
        return self._ask("POST", url, msgspec.json.encode(body))

    def put(self, url: str, body: msgspec.Struct) -> bytes:
        """Store `body` and return the JSON answered; errors as for `get`."""
        return self._ask("PUT", url, msgspec.json.encode(body))

    def patch(self, url: str, changes: dict[str, Any]) -> bytes:
        """Change what `url` names and return the JSON answered; errors as for `get`."""
        return self._ask("PATCH", url, msgspec.json.encode(changes))

    def delete(self, url: str) -> bytes:
        """Drop what `url` names and return the JSON answered; errors as for `get`."""
        return self._ask("DELETE", url, None)

    def events(self, url: str, body: msgspec.Struct) -> Iterator[tuple[str, str, bytes]]:
        """Yield (kind, id, data) of server-sent events, until the daemon ends them.

        Raises:
            DaemonUnreachableError: nobody answers, or nothing more comes, not even a heartbeat.
            DaemonError: the answer is an error.
        """
        yield from _events(self._streamed("POST", url, msgspec.json.encode(body), _JSON))

    def all_events(self, last_id: str | None) -> Iterator[tuple[str, str, bytes]]:
        """Yield those of `/v1/events` after one of them; otherwise like `events`."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        yield from _events(self._streamed("GET", "/v1/events", None, headers))

    def lines(self, url: str) -> Iterator[bytes]:
        """Yield the lines that `url` answers, each one JSON.

        Raises:
            DaemonUnreachableError: nobody answers, or the answer breaks off.
            DaemonError: the answer is an error.
        """
        return self._streamed("GET", url, None, {"Accept": NDJSON}, endless=False)

    def _streamed(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        *,
        endless: bool = True,
    ) -> Iterator[bytes]:
        """Yield the lines of an answer as they come, on a connection that ends with them.

        Args:
            endless: it ends with the daemon, somewhere.
        """
        self._http.close()
        try:
            self._http.request(method, url, body, headers)
            response = self._http.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise error_of(response.read())
            try:
                yield from _lines(response)
            except http.client.IncompleteRead:
                if not endless:
                    raise
        except (OSError, http.client.HTTPException) as error:
            raise DaemonUnreachableError(self._http.explain(error)) from error
        finally:
            self._http.close()

    def _ask(self, method: str, url: str, body: bytes | None) -> bytes:
        headers = _JSON if body else {}
        self._http.drop_if_ended()
        kept = self._http.sock is not None
        try:
            # Refused before all of it was sent? Then the answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._http.request(method, url, body, headers)
            response = self._http.getresponse()
            answer = response.read()
        except http.client.RemoteDisconnected as error:
            self._http.close()
            # the daemon closes connections that idle; it may have seen what came at that moment
            if kept and (method == "GET" or url.startswith("/v1/search")):
                return self._ask(method, url, body)
            raise DaemonUnreachableError(self._http.explain(error)) from error
        except TimeoutError:
            self._http.close()
            raise DaemonUnreachableError("imgvecd takes too long to answer.") from None
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise DaemonUnreachableError(self._http.explain(error)) from error
        if response.status >= http.client.BAD_REQUEST:
            raise error_of(answer)
        return answer


def read(answer: bytes, shape: type[T]) -> T:
    """Return an answer as the struct it is.

    Raises:
        DaemonUnreachableError: it is none: something else answers on the socket.
    """
    try:
        return msgspec.json.decode(answer, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DaemonUnreachableError(
            f"The answer is none of imgvecd's, or of another version: {error}."
        ) from error


def error_of(answer: bytes) -> DaemonError:
    """Return what a client raises for an answer that is a problem; errors as for `read`."""
    problem = read(answer, api.Problem)
    return DaemonError(problem.detail, problem.code, problem.status)


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield lines; the response's own would not tell the end from an answer that breaks off."""
    rest = b""
    while piece := response.read1():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _events(lines: Iterable[bytes]) -> Iterator[tuple[str, str, bytes]]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.rstrip(b"\n").partition(b": ")
        if colon:
            fields[name] = value
        elif fields:
            kind, position = fields.get(b"event", b""), fields.get(b"id", b"")
            if kind:  # a heartbeat has none
                yield kind.decode(), position.decode(), fields.get(b"data", b"")
            fields = {}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def allow(self, patience_s: float) -> None:
        """Let the next answer take so much longer than others."""
        self.timeout = self._timeout_s + patience_s
        if self.sock is not None:
            self.sock.settimeout(self.timeout)

    def drop_if_ended(self) -> None:
        """Hang up if the other side has done so since the last answer."""
        if self.sock is not None:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if poll.poll(0):  # nothing is to come between answers but the end
                self.close()

    def connect(self) -> None:
        require_safe_folder(self._path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        give_up = time.monotonic() + _ADMISSION_S
        while True:
            try:
                self.sock.connect(self._path)
            except BlockingIOError:  # as many wait to be let in as the kernel keeps
                if time.monotonic() > give_up:
                    raise
                time.sleep(_AGAIN_S)
            else:
                break
        try:
            require_known_peer(self._path, self.sock)
        except BaseException:
            self.close()
            raise

    def explain(self, error: Exception) -> str:
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return f"imgvecd is not running on {self._path}; start it with: imgvecd serve"
        if isinstance(error, PermissionError):
            return f"{self._path} belongs to another user; imgvecd serves its own user only."
        return f"imgvecd on {self._path} does not answer: {error}"
