"""What is asked of a daemon, apart from how it travels: both clients send the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from imgvecd import api
from imgvecd.command_hints import runnable
from imgvecd.errors import BadRequestError, DaemonError, DaemonUnreachableError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.validation_messages import validation_message

T = TypeVar("T")
R = TypeVar("R")

# A little more than the daemon's own deadline (60 s), whose answer says more than ours.
DEFAULT_TIMEOUT_S = 75.0

JSON = "application/json"
NDJSON = "application/x-ndjson"


class ApiCall(msgspec.Struct, Generic[T], frozen=True):
    """One request with one answer.

    Attributes:
        read: makes the value out of the answer's body; raises `DaemonUnreachableError`.
        patience_s: added to the time that an answer may take.
    """

    method: str
    url: str
    read: Callable[[bytes], T]
    body: bytes | None = None
    patience_s: float = 0.0

    @property
    def repeatable(self) -> bool:
        """Whether it only reads, so that it may be sent again when it is not known to be heard."""
        return self.method == "GET" or self.url.startswith("/v1/search")

    def then(self, change: Callable[[T], R]) -> ApiCall[R]:
        """Return the call whose value is changed so."""
        value = self.read
        return ApiCall(
            self.method, self.url, lambda answer: change(value(answer)), self.body, self.patience_s
        )


class ApiStream(msgspec.Struct, Generic[T], frozen=True):
    """One request whose answer is told piece by piece.

    Attributes:
        parser: makes a function that takes a line, and returns the value that it completes.
        endless: it ends with the daemon, somewhere; otherwise one that breaks off is an error.
    """

    method: str
    url: str
    parser: Callable[[], Callable[[bytes], T | None]]
    body: bytes | None = None
    headers: dict[str, str] = {}
    endless: bool = True


class ServerEvent(NamedTuple):
    """A server-sent event; heartbeats are left out."""

    kind: str
    id: str
    data: bytes


class EventParser:
    """Puts server-sent events together; heartbeats are left out."""

    def __init__(self) -> None:
        self._fields: dict[bytes, bytes] = {}

    def __call__(self, line: bytes) -> ServerEvent | None:
        """Take a line; return the event that it completes."""
        name, colon, value = line.partition(b": ")
        if colon:
            self._fields[name] = value
            return None
        fields, self._fields = self._fields, {}
        kind, position = fields.get(b"event", b""), fields.get(b"id", b"")
        if not kind:
            return None
        return ServerEvent(kind.decode(), position.decode(), fields.get(b"data", b""))


class LineSplitter:
    """Cuts an answer that comes in pieces into its lines."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def lines(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that this piece completes, without their ends."""
        first, *others = piece.split(b"\n")
        self._begun.append(first)
        for following in others:
            yield b"".join(self._begun)
            self._begun = [following]


def get(url: str, shape: type[T]) -> ApiCall[T]:
    """Return the call that reads a struct."""
    return ApiCall("GET", url, lambda answer: read(answer, shape))


def get_bytes(url: str) -> ApiCall[bytes]:
    """Return the call that reads bytes as they are."""
    return ApiCall("GET", url, lambda answer: answer)


def post(url: str, body: msgspec.Struct, shape: type[T], patience_s: float = 0.0) -> ApiCall[T]:
    """Return the call that sends one struct and reads another."""
    return send("POST", url, body, shape, patience_s)


def send(
    method: str,
    url: str,
    body: msgspec.Struct | Mapping[str, Any],
    shape: type[T],
    patience_s: float = 0.0,
) -> ApiCall[T]:
    """Return the call that sends a body and reads a struct."""
    return ApiCall(method, url, lambda answer: read(answer, shape), encoded(body), patience_s)


def listing(url: str, shape: type[T]) -> ApiStream[T]:
    """Return the stream of structs, one a line."""

    def parser() -> Callable[[bytes], T | None]:
        return lambda line: read(line, shape)

    return ApiStream("GET", url, parser, headers={"Accept": NDJSON}, endless=False)


def events(
    method: str,
    url: str,
    shape: type[T],
    *,
    kind: str | None = None,
    body: msgspec.Struct | None = None,
    headers: dict[str, str] | None = None,
) -> ApiStream[T]:
    """Return the stream of structs in server-sent events, of one kind or of all."""

    def parser() -> Callable[[bytes], T | None]:
        take = EventParser()

        def value(line: bytes) -> T | None:
            event = take(line)
            if event is None or kind not in {None, event.kind}:
                return None
            return read(event.data, shape)

        return value

    sent = None if body is None else encoded(body)
    return ApiStream(method, url, parser, sent, headers or {})


def request(shape: type[T], **fields: Any) -> T:  # noqa: ANN401  # msgspec looks at them
    """Return a request's body.

    Raises:
        BadRequestError: a field that there is not, or that makes no sense.
    """
    try:
        return msgspec.convert(fields, shape, from_attributes=True)
    except msgspec.ValidationError as error:
        raise BadRequestError(validation_message(error, shape)) from error


def encoded(body: msgspec.Struct | Mapping[str, Any]) -> bytes:
    """Return a body as JSON.

    Raises:
        BadRequestError: it holds what JSON cannot.
    """
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadRequestError(f"JSON cannot hold this: {error}") from error


def read(answer: bytes, shape: type[T]) -> T:
    """Return an answer as the struct it is.

    Raises:
        DaemonUnreachableError: it is none: something else answers on the socket.
    """
    try:
        return msgspec.json.decode(answer, type=shape)
    except UNDECODABLE as error:
        raise DaemonUnreachableError(
            f"The answer is not imgvecd's, or of another version: {error}."
        ) from error


def error_of(answer: bytes) -> DaemonError:
    """Return what a client raises for an answer that is a problem; errors as for `read`."""
    problem = read(answer, api.Problem)
    return DaemonError(runnable(problem.detail), problem.code, problem.status)
