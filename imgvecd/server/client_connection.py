"""One client's connection: who may have one, how long it may idle, how many there may be."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd.errors import BusyError
from imgvecd.server.peer_credentials import Admission, Peer, peer_of
from imgvecd.server.problems import describe, encode_problem, problem

logger = logging.getLogger(__name__)

# Longest wait for a whole request head, and between requests: no honest client needs it.
IDLE_TIMEOUT_S = 30.0
# Far below the usual limit of 1,024 open files, which catalog, index and workers share.
MAX_CONNECTIONS = 256
# One process must not be able to keep all others out.
MAX_CONNECTIONS_PER_CLIENT = MAX_CONNECTIONS // 2
# After an early answer the rest of the body is read for so long: who still sends sees the answer.
LINGER_S = 2.0


class Connection(web.RequestHandler):
    """A connection that closes when it stays silent, and that only those get who may.

    Attributes:
        peer: the client.
        busy: a request is being answered; connections that are not may be closed at any time.
    """

    __slots__ = ("_admission", "_others", "busy", "peer")

    def __init__(
        self,
        manager: web.Server,
        admission: Admission,
        **options: Any,  # noqa: ANN401  # aiohttp's
    ) -> None:
        super().__init__(manager, **options)
        self._others = manager
        self._admission = admission
        self.peer = Peer(0, None)
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the client; hang up on who may not connect, and on one too many."""
        transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        if not self._admission.allows(self.peer):
            transport.close()
            return
        if not _make_room(cast("list[Connection]", self._others.connections), self.peer.pid):
            transport.write(_BUSY_ANSWER)
            transport.close()
            return
        # An answer counts as sent once the kernel has all of it: closing then never waits.
        transport.set_write_buffer_limits(0)
        self.keep_alive(True)  # without it aiohttp lets a client that never sends stay for ever
        super().connection_made(transport)

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
            logger.error("unexpected error on a connection", exc_info=exc)
            answer = problem(status, "internal", "An unexpected error happened in the daemon.")
        answer.force_close()
        return answer


def acceptor(
    runner: web.AppRunner, admission: Admission, idle_timeout_s: float
) -> Callable[[], Connection]:
    """Return the factory of connections, as `loop.create_server` wants it."""
    manager = runner.server
    if manager is None:
        raise RuntimeError("the runner is not set up")
    loop = asyncio.get_running_loop()

    def accept() -> Connection:
        return Connection(
            manager,
            admission,
            loop=loop,
            keepalive_timeout=idle_timeout_s,
            lingering_time=LINGER_S,
            access_log=None,
            auto_decompress=False,  # a small compressed body could become a huge one
            tcp_keepalive=False,
        )

    return accept


@web.middleware
async def mark_busy(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep a connection from being closed as idle while its request is answered."""
    connection = cast("Connection", request.protocol)
    connection.busy = True
    try:
        return await handler(request)
    finally:
        connection.busy = False


def peer(request: web.Request) -> Peer:
    """Return who asks."""
    return cast("Connection", request.protocol).peer


def _make_room(connections: Iterable[Connection], pid: int) -> bool:
    """Return whether one more fits, closing the oldest idle one for it if need be.

    A client that has more than its share pays with its own.
    """
    open_ = [connection for connection in connections if connection.transport is not None]
    own = [connection for connection in open_ if connection.peer.pid == pid]
    crowd = own if len(own) >= MAX_CONNECTIONS_PER_CLIENT else open_
    limit = MAX_CONNECTIONS_PER_CLIENT if crowd is own else MAX_CONNECTIONS
    if len(crowd) < limit:
        return True
    idle = next((connection for connection in crowd if not connection.busy), None)
    if idle is None:
        return False
    idle.force_close()
    return True


def _raw_answer(error: type[BusyError], detail: str) -> bytes:
    body = encode_problem(describe(error.http_status, error.code, detail))
    phrase = http.HTTPStatus(error.http_status).phrase
    head = (
        f"HTTP/1.1 {error.http_status} {phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_BUSY_ANSWER = _raw_answer(BusyError, "Too many requests are under way; try again.")
