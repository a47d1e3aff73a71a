"""Answers without a known end, sent piece by piece in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

import msgspec
from aiohttp import web

from imgvecd.core.slots import Slots
from imgvecd.errors import ImgvecdError
from imgvecd.server.client_connection import client_of
from imgvecd.server.route import EVENTS, NDJSON

logger = logging.getLogger(__name__)

_ENCODER = msgspec.json.Encoder()
# A client that takes a list as fast as it comes wants it whole, not soon: searches go before.
_PAGES_AT_ONCE = 2
_RESTS = 3  # so many times as long as a page took, while others ask, too


class Stream:
    """One such answer. Each piece waits until the client has taken the one before."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, write_timeout_s: float
    ) -> None:
        self._request = request
        self._response = response
        self._write_timeout_s = write_timeout_s

    async def write(self, piece: bytes) -> None:
        """Send a piece.

        Raises:
            ConnectionError: the client has gone, or takes too long; it is hung up on.
        """
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._response.write(piece)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("the client does not read its answer") from None

    async def event(self, kind: str, position: str, data: bytes) -> None:
        """Send a server-sent event; a client that comes back names the last `position` it saw."""
        await self.write(f"event: {kind}\nid: {position}\ndata: ".encode() + data + b"\n\n")

    async def heartbeat(self) -> None:
        """Send what means nothing, so that both sides notice when the other one has gone."""
        await self.write(b": still here\n\n")


class Streams:
    """Begins streams, and ends those that have no end when the daemon stops.

    Args:
        write_timeout_s: a client that does not take a piece for so long is hung up on.
        begun: the places in which requests are begun.
    """

    def __init__(self, write_timeout_s: float, begun: Slots) -> None:
        self._write_timeout_s = write_timeout_s
        self._begun = begun
        self._endless: set[asyncio.Task[object]] = set()
        self._pages = Slots(_PAGES_AT_ONCE, per_client=1)

    async def end(self, _app: web.Application) -> None:
        """Send listeners away."""
        for task in self._endless:
            task.cancel()

    async def _begin(
        self, request: web.Request, content_type: str
    ) -> tuple[web.StreamResponse, Stream]:
        """Return (what the handler returns at the end, what it writes to until then)."""
        response = web.StreamResponse(
            headers={"Content-Type": content_type, "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        return response, Stream(request, response, self._write_timeout_s)

    @contextlib.asynccontextmanager
    async def events(
        self, request: web.Request
    ) -> AsyncIterator[tuple[web.StreamResponse, Stream]]:
        """Begin a stream of events, which ends with the daemon."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # handlers run in tasks
        self._endless.add(task)
        response, stream = await self._begin(request, EVENTS)
        try:
            with _breaking_off(request):
                yield response, stream
        finally:
            self._endless.discard(task)

    async def lines(
        self, request: web.Request, pages: AsyncGenerator[Sequence[msgspec.Struct], None]
    ) -> web.StreamResponse:
        """Answer all pages, one struct a line; errors before the first one are raised."""
        async with contextlib.aclosing(pages):
            page = await self._next(request, pages)
            response, stream = await self._begin(request, NDJSON)
            with _breaking_off(request):
                while page is not None:
                    await stream.write(_ENCODER.encode_lines(page))
                    page = await self._next(request, pages)
        return response

    async def _next(
        self, request: web.Request, pages: AsyncGenerator[Sequence[msgspec.Struct], None]
    ) -> Sequence[msgspec.Struct] | None:
        """Return one more page, or None after the last; clients take turns."""
        client = client_of(request)
        async with self._pages.slot(client, owner=client.is_owner):
            began = time.monotonic()
            page = await anext(pages, None)
            if not self._begun.alone(client):
                await asyncio.sleep(_RESTS * (time.monotonic() - began))
            return page


@contextlib.contextmanager
def _breaking_off(request: web.Request) -> Iterator[None]:
    """Hang up where an answer that has begun cannot go on: so the client sees that it is not all.

    Raises:
        ConnectionError: always, in the place of an error.
    """
    try:
        yield
    except ImgvecdError as error:
        logger.warning("an answer was broken off: %s", error)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError("the answer was broken off") from error
