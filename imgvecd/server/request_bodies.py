"""Bodies of requests: received before a request's turn, in bounded memory and in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.core.slots import Slots
from imgvecd.errors import BusyError, DeadlineError, TooLargeError
from imgvecd.server.client_connection import Stage, client_of, enter, parsing_s
from imgvecd.server.courtesy import Courtesy
from imgvecd.server.route import Table

# Above this a body counts as large; JSON requests without a picture are a few hundred bytes. The
# small ones of all connections together take 64 MB at the most.
LARGE_BODY_BYTES = 250_000
# With the default limit of 64 MB, uploads take 256 MB of memory at the most; so do the pictures of
# searches that last.
LARGE_BODIES_AT_ONCE = 4
LARGE_BODIES_PER_CLIENT = LARGE_BODIES_AT_ONCE // 2
# While others wait for its place, a large body has to come so fast, or give the place up.
GRACE_S = 5.0
LEAST_BYTES_PER_S = 1_000_000
# After an early answer the rest of the body is read for so long: who still sends sees the answer.
LINGER_S = 2.0
_BODY = web.RequestKey("body", bytes)


def body_of(request: web.Request) -> bytes:
    """Return the body that was received with a request; empty if there is none."""
    body: bytes = request.get(_BODY, b"")
    return body


def take_bodies(timeout_s: float, table: Table) -> Middleware:
    """Return a middleware that receives the body, so that nobody else waits for one that stalls.

    Bodies that are too large are refused, and large ones take turns. Requests that last keep
    their places for as long, so they have places of their own.

    Args:
        timeout_s: a lasting request, which has no other deadline, sends its body in so long.
    """
    ending, staying = (Slots(LARGE_BODIES_AT_ONCE, LARGE_BODIES_PER_CLIENT) for _ in range(2))

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        work = table.work(request)
        size = request.content_length  # None for chunked ones, which could be of any size
        if size is not None and size > request.client_max_size:
            raise TooLargeError(
                f"The request body has {size:,} bytes; server.max_upload_mb allows "
                f"{request.client_max_size:,}."
            )
        answering = Stage.LASTING if work.lasts else Stage.ANSWERING
        if not request.can_read_body:
            enter(request, answering)
            return await handler(request)
        slots, limit_s = (staying, timeout_s) if work.lasts else (ending, None)
        async with contextlib.AsyncExitStack() as place:
            try:
                async with asyncio.timeout(limit_s):
                    if size is None or size > LARGE_BODY_BYTES:
                        await place.enter_async_context(slots.slot(client_of(request)))
                    body = request[_BODY] = await _received(request, slots)
            except TimeoutError:
                raise DeadlineError(f"The request's body took longer than {limit_s} s.") from None
            enter(request, answering)
            if len(body) <= LARGE_BODY_BYTES:
                await place.aclose()
            return await handler(request)

    return middleware


def pass_over_the_rest() -> Middleware:
    """Return a middleware that drops what still comes of a body that was answered already."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.can_read_body and not request.content.at_eof():
            enter(request, Stage.IDLE)  # it may well make room for others meanwhile
            courtesy = Courtesy()
            with contextlib.suppress(TimeoutError, web.RequestPayloadError):
                async with asyncio.timeout(LINGER_S):
                    async for _ in request.content.iter_any():
                        await courtesy.rest(parsing_s(request))
        return response

    return middleware


async def _received(request: web.Request, slots: Slots) -> bytes:
    """Return the body.

    Raises:
        BusyError: it comes slowly, and others wait.
        TooLargeError: there is no end to it.
    """
    if request.content.is_eof():  # it came with the head, as most do, and is as small
        return await request.content.read()
    parsing_s(request)  # what came before it on this connection is nothing that it rests for
    reading = asyncio.ensure_future(_read(request))
    began = time.monotonic()
    try:
        while not (await asyncio.wait([reading], timeout=GRACE_S))[0]:
            due = LEAST_BYTES_PER_S * (time.monotonic() - began)
            if slots.waiting and request.content.total_bytes < due:
                raise BusyError("Others wait to send theirs, and this body comes too slowly.")
    finally:
        if reading.cancel():
            await asyncio.wait([reading])  # another reads on, and two cannot wait for one body
    return await reading


async def _read(request: web.Request) -> bytes:
    """Return the body, without a copy at its end, which would take long for a large one."""
    received, courtesy = io.BytesIO(), Courtesy()
    async for piece in request.content.iter_any():
        received.write(piece)
        if received.tell() > request.client_max_size:
            raise TooLargeError(
                "The request body is too large; server.max_upload_mb allows "
                f"{request.client_max_size:,} bytes."
            )
        await courtesy.rest(parsing_s(request))
    return received.getvalue()
