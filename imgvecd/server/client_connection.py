"""One client's connection: who may have one, how long it may idle, and whose makes room."""

from __future__ import annotations

import asyncio
import collections
import enum
import http
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.core.slots import Slots
from imgvecd.errors import BusyError
from imgvecd.server.peer_credentials import ClientIdentity, Peer
from imgvecd.server.problems import describe, encode_problem, problem

logger = logging.getLogger(__name__)

# Longest wait for a whole request head, and between requests: no honest client needs it.
IDLE_TIMEOUT_S = 30.0
# Far below the usual limit of 1,024 open files, which catalog, index and workers share.
MAX_CONNECTIONS = 256
# One process must not be able to keep all others out.
MAX_CONNECTIONS_PER_CLIENT = MAX_CONNECTIONS // 2
# Nor another user, whatever number of processes that has, nor all of them together.
MAX_CONNECTIONS_PER_USER = MAX_CONNECTIONS // 8
MAX_CONNECTIONS_OF_OTHERS = MAX_CONNECTIONS // 2
# Bytes that are parsed before others are served: in a chunked body a thousand chunks, in a
# millisecond. A search takes some twenty turns of the event loop.
_READ_AT_ONCE = 1 << 13
# Of a body, so much waits to be taken before no more is read: who takes it rests in between.
_UNREAD_BYTES = 1 << 13
# Requests that are begun in one round of the event loop.
_BEGUN_AT_ONCE = 32
_BEGUN_PER_CLIENT = 2


def slots_to_begin() -> Slots:
    """Return the places in which requests are begun, whatever they ask: it knows who is there."""
    return Slots(_BEGUN_AT_ONCE, _BEGUN_PER_CLIENT)


class Stage(enum.IntEnum):
    """What a connection is about; those that come first make room for others first."""

    IDLE = enum.auto()
    RECEIVING = enum.auto()
    LASTING = enum.auto()
    ANSWERING = enum.auto()
    JOINING = enum.auto()


class Connection(web.RequestHandler):
    """A connection that closes when it stays silent.

    Attributes:
        peer: who is at the other end.
        client: whom it counts for; for a stranger until the token was seen, over TCP.
        stage: what goes on on it.
        parsed_s: processor time that what has come took.
    """

    __slots__ = ("client", "parsed_s", "peer", "stage")

    def __init__(
        self,
        manager: web.Server,
        peer: Peer,
        client: ClientIdentity,
        **options: Any,  # noqa: ANN401  # aiohttp's
    ) -> None:
        super().__init__(manager, **options)
        self.peer = peer
        self.client = client
        self.stage = Stage.JOINING
        self.parsed_s = 0.0

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        began = time.thread_time()
        super().data_received(data)
        self.parsed_s += time.thread_time() - began

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # An answer counts as sent once the kernel has all of it: closing then never waits.
        cast("asyncio.Transport", transport).set_write_buffer_limits(0)
        transport.max_size = _READ_AT_ONCE  # type: ignore[attr-defined]  # of all that read from sockets
        self.keep_alive(True)  # without it aiohttp lets a client that never sends stay for ever
        self.stage = Stage.IDLE
        super().connection_made(transport)

    def end(self) -> None:
        """Hang up, whatever goes on."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  # aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer bytes that are no HTTP request; all later errors are `answer_errors`' business."""
        if status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            answer = problem(status, "bad_request", "The request is not valid HTTP.")
        else:
            gone = isinstance(exc, ConnectionError)  # while its answer was being sent
            logger.log(
                logging.DEBUG if gone else logging.ERROR,
                "unexpected error on a connection",
                exc_info=exc,
            )
            answer = problem(status, "internal", "An unexpected error happened in the daemon.")
        answer.force_close()
        return answer


ConnectionFactory = Callable[[Peer, ClientIdentity], Connection]


def connection_factory(manager: web.Server, idle_timeout_s: float) -> ConnectionFactory:
    """Return what makes the connection of a client that was let in."""
    loop = asyncio.get_running_loop()

    def make(peer: Peer, client: ClientIdentity) -> Connection:
        return Connection(
            manager,
            peer,
            client,
            loop=loop,
            keepalive_timeout=idle_timeout_s,
            lingering_time=0,  # `pass_over_the_rest` does that, and leaves others their turn
            access_log=None,
            auto_decompress=False,  # a small compressed body could become a huge one
            tcp_keepalive=False,
            read_bufsize=_UNREAD_BYTES // 2,  # aiohttp reads on up to twice as much
        )

    return make


def mark_busy(slots: Slots) -> Middleware:
    """Return a middleware that keeps a connection from being closed as idle while it is answered.

    Clients take turns with the event loop: requests on many connections, or sent ahead of their
    answers, are begun a few at a time.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        enter(request, Stage.RECEIVING)
        try:
            client = client_of(request)
            async with slots.slot(client, owner=client.is_owner):
                await asyncio.sleep(0)
            return await handler(request)
        finally:
            enter(request, Stage.IDLE)

    return middleware


def enter(request: web.Request, stage: Stage) -> None:
    """Say what goes on on the request's connection from now on."""
    cast("Connection", request.protocol).stage = stage


def parsing_s(request: web.Request) -> float:
    """Return the processor time that parsing what has come took since this was asked before."""
    connection = cast("Connection", request.protocol)
    took_s, connection.parsed_s = connection.parsed_s, 0.0
    return took_s


def peer(request: web.Request) -> Peer:
    """Return who asks."""
    return cast("Connection", request.protocol).peer


def client_of(request: web.Request) -> ClientIdentity:
    """Return whom the request counts for."""
    return cast("Connection", request.protocol).client


def trust(request: web.Request) -> None:
    """Count the connection for the owner from now on: the token was seen."""
    connection = cast("Connection", request.protocol)
    connection.client = connection.peer.client


def make_room(
    connections: Iterable[Connection], newcomer: ClientIdentity, *, full: bool = False
) -> bool:
    """Return whether one more fits, ending one for it if need be.

    A client that has more than its share pays with its own. Where there are too many in all, the
    client that has the most makes room for one that has fewer.

    Args:
        full: no further one fits, however few there are.
    """
    open_ = [one for one in connections if one.transport or one.stage is Stage.JOINING]
    by_client: dict[ClientIdentity, list[Connection]] = collections.defaultdict(list)
    for connection in open_:
        by_client[connection.client].append(connection)
    own = by_client.pop(newcomer, [])
    if len(own) >= share_of(newcomer):
        return _end_one(own, Stage.RECEIVING)
    others = [one for client, some in by_client.items() if not client.is_owner for one in some]
    crowded = not newcomer.is_owner and len(others) + len(own) >= MAX_CONNECTIONS_OF_OTHERS
    if not crowded and not full and len(open_) < MAX_CONNECTIONS:
        return True
    rivals = [some for c, some in by_client.items() if not (crowded and c.is_owner)]
    largest = max(rivals, key=len, default=[])
    if len(largest) > len(own) + 1:
        return _end_one(largest, Stage.ANSWERING)
    return _end_one(own or largest, Stage.RECEIVING)


def share_of(client: ClientIdentity) -> int:
    """Return how many connections a client may have."""
    return MAX_CONNECTIONS_PER_CLIENT if client.is_owner else MAX_CONNECTIONS_PER_USER


def _end_one(connections: Sequence[Connection], most: Stage) -> bool:
    """End the oldest of those in the earliest stage; return False if all are beyond `most`."""
    found = min(connections, key=lambda connection: connection.stage, default=None)
    if found is None or found.stage > most:
        return False
    found.end()
    return True


def _raw_answer(error: type[BusyError], detail: str) -> bytes:
    body = encode_problem(describe(error.http_status, error.code, detail))
    phrase = http.HTTPStatus(error.http_status).phrase
    head = (
        f"HTTP/1.1 {error.http_status} {phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


BUSY_ANSWER = _raw_answer(BusyError, "Too many requests are under way; try again.")
