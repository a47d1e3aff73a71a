"""Lets clients in over TCP and TLS: a bounded number, strangers for seconds only.

In front of the encode server, and of the gateway of `imgvec browse`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import http
import logging
import socket
import ssl
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 64
# Until token or cookie were seen: handshake and one request's head, over any network.
_STRANGER_S = 20.0
_IDLE_S = 300.0  # between requests of who has the token
# After an early answer, so that who still sends sees it. What comes then is dropped as it was read
# ahead, one connection at a time with rests, so that it has an eighth of the event loop.
_LINGER_S = 2.0
_REST_S = 0.02
_BACKLOG = 128
_PARSED_OF_STRANGER, _PARSED_OF_TRUSTED = 1 << 13, 1 << 18  # bytes: some milliseconds of chunks
_PAUSE_S = 0.5  # where files ran out
_READ_AHEAD = 1 << 20  # bytes of a body
_FAULT = http.HTTPStatus.INTERNAL_SERVER_ERROR


class _Stage(enum.IntEnum):
    """What a connection is about; of the trusted those that come first make room first."""

    STRANGER = enum.auto()  # no token or cookie was seen
    IDLE = enum.auto()
    RECEIVING = enum.auto()
    LASTING = enum.auto()
    ANSWERING = enum.auto()


class _Connection(web.RequestHandler):
    """A connection that is closed unless it brings the token soon."""

    __slots__ = ("ended", "stage")

    def __init__(self, server: web.Server, **options: Any) -> None:  # noqa: ANN401  # aiohttp's
        super().__init__(server, **options)
        self.stage = _Stage.STRANGER
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: one that never sends anything is closed as an idle one."""
        self.keep_alive(True)
        super().connection_made(transport)
        self.parse_at_once(_PARSED_OF_STRANGER)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        self.ended.set()

    def parse_at_once(self, size: int) -> None:
        """Parse so many bytes before others are served; with TLS asyncio knows no limit."""
        if self.transport is not None:
            self.transport.max_size = size  # type: ignore[attr-defined]  # of all on sockets

    def end(self) -> None:
        """Hang up, whatever goes on."""
        if self.transport is not None:
            self.transport.abort()

    def end_stranger(self) -> None:
        """Hang up, unless the token was seen."""
        if self.stage is _Stage.STRANGER:
            self.end()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; from then on nothing goes on."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.rest()

    def rest(self) -> None:
        """Make room for others if need be, until the next request."""
        self.stage = min(self.stage, _Stage.IDLE)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer bytes that are no HTTP request, of which nobody needs to know more."""
        if status >= _FAULT:
            gone = isinstance(exc, ConnectionError)  # while its answer was being sent
            level = logging.DEBUG if gone else logging.ERROR
            logger.log(level, "unexpected error on a connection", exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError("an answer was begun already")
        text = "The request is not valid HTTP." if status < _FAULT else "An unexpected error."
        answer = web.Response(status=status, text=text)
        answer.force_close()
        return answer


def trust(request: web.Request) -> None:
    """The request's connection may stay: the token was seen."""
    connection = cast("_Connection", request.protocol)
    connection.stage = _Stage.RECEIVING if request.can_read_body else _Stage.ANSWERING
    connection.parse_at_once(_PARSED_OF_TRUSTED)


def has_come(request: web.Request, *, lasting: bool = False) -> None:
    """The request's body is there: its connection makes no room for others until it is answered.

    Args:
        lasting: the answer is taken as slowly as one likes, so that it does make room.
    """
    connection = cast("_Connection", request.protocol)
    connection.stage = _Stage.LASTING if lasting else _Stage.ANSWERING


def pass_over_the_rest() -> Middleware:
    """Return a middleware that drops what still comes of a body that was answered already.

    Bodies in chunks are refused: nobody whom we know sends them, and to parse them takes long.
    """
    turn = asyncio.Lock()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.can_read_body and request.content_length is None:
            refusal = web.Response(status=411, text="Bodies need a Content-Length.")
            refusal.force_close()
            return refusal
        response = await handler(request)
        if request.content.at_eof():
            return response
        with contextlib.suppress(ConnectionError, TimeoutError, web.RequestPayloadError):
            await response.prepare(request)
            await response.write_eof()
            cast("_Connection", request.protocol).rest()
            async with asyncio.timeout(_LINGER_S):
                while not request.content.at_eof():
                    async with turn:
                        await asyncio.sleep(_REST_S)
                    await request.content.readany()
        return response

    return middleware


class BoundedListener:
    """Accepts clients on one socket until closed. For one event loop.

    Args:
        context: of TLS; None speaks plain HTTP.
        most: connections at once.
        read_ahead: bytes of a body that nobody has taken yet; up to twice as many wait.
    """

    def __init__(
        self,
        bound: socket.socket,
        server: web.Server,
        context: ssl.SSLContext | None = None,
        *,
        most: int = _MOST_CONNECTIONS,
        read_ahead: int = _READ_AHEAD,
    ) -> None:
        self._socket = bound
        self._server = server
        self._context = context
        self._most = most
        self._read_ahead = read_ahead
        self._loop = asyncio.get_running_loop()
        self._inside: dict[asyncio.Task[None], _Connection] = {}
        bound.setblocking(False)
        bound.listen(_BACKLOG)
        self._loop.add_reader(bound.fileno(), self._accept)

    def close(self) -> None:
        """Accept nothing more, and hang up on strangers."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for connection in self._inside.values():
            connection.end_stranger()

    def _accept(self) -> None:
        try:
            accepted, address = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            logger.warning("no client can be accepted: %s", error.strerror)
            self._pause()
            return
        if len(self._inside) >= self._most and not self._make_room():
            logger.info("%s is refused: %d connections", address[0], self._most)
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = _Connection(
            self._server,
            loop=self._loop,
            keepalive_timeout=_IDLE_S,
            lingering_time=0,  # `pass_over_the_rest` does that, and leaves others their turn
            access_log=None,
            auto_decompress=False,  # a small body could become a huge one
            read_bufsize=self._read_ahead,
        )
        task = self._loop.create_task(self._serve(accepted, connection, str(address[0])))
        self._inside[task] = connection
        task.add_done_callback(lambda ended: self._inside.pop(ended, None))

    async def _serve(self, accepted: socket.socket, connection: _Connection, who: str) -> None:
        """Shake hands, and count the connection until it has ended."""
        deadline = self._loop.call_later(_STRANGER_S, connection.end_stranger)
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_STRANGER_S if self._context else None,
            )
            await connection.ended.wait()
        except (OSError, ssl.SSLError) as error:
            logger.debug("%s is not let in: %s", who, error)
        finally:
            deadline.cancel()
            connection.end_stranger()

    def _make_room(self) -> bool:
        """End the oldest stranger, or the oldest of the others in the earliest stage.

        Whoever is trusted comes as a stranger: where these are the fewer, others make room.

        Returns: False if all are being answered.
        """
        strangers = [task for task, one in self._inside.items() if one.stage is _Stage.STRANGER]
        others = [
            task
            for task, one in self._inside.items()
            if _Stage.STRANGER < one.stage < _Stage.ANSWERING
        ]
        if not strangers and not others:
            return False
        if len(strangers) >= len(others):
            ended = strangers[0]
        else:
            ended = min(others, key=lambda task: self._inside[task].stage)
        self._inside.pop(ended).end()
        ended.cancel()
        return True

    def _pause(self) -> None:
        bound = self._socket
        self._loop.remove_reader(bound.fileno())

        def resume() -> None:
            if bound.fileno() >= 0:
                self._loop.add_reader(bound.fileno(), self._accept)

        self._loop.call_later(_PAUSE_S, resume)
