"""Of clients that hold connections, those that wait for nothing make room, the token or not."""

import asyncio
import contextlib
import logging
import socket

import pytest
from aiohttp import web

from imgvecd.remote.bounded_listener import BoundedListener, has_come, pass_over_the_rest, trust

MOST = 4
ASKED = b"GET /quick HTTP/1.1\r\nHost: x\r\nToken: x\r\n\r\n"


@contextlib.asynccontextmanager
async def listening():
    """Yields (port, how many `/slow` are being answered, an event that ends them)."""
    started, going_on = asyncio.Semaphore(0), asyncio.Event()

    async def quick(request):
        trust(request)
        await request.read()
        has_come(request)
        return web.Response(text="done")

    async def slow(request):
        trust(request)
        started.release()
        await going_on.wait()
        return web.Response(text="done")

    app = web.Application(middlewares=[pass_over_the_rest()])
    app.add_routes([web.route("*", "/quick", quick), web.get("/slow", slow)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    listener = BoundedListener(bound, runner.server, most=MOST)
    try:
        yield port, started, going_on
    finally:
        listener.close()
        await runner.cleanup()


async def begun(stack, port, data, *, answered=b""):
    """Return (reader, writer) of a new connection on which that was sent, and answered so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(data)
    await writer.drain()
    if answered:
        assert (await reader.readuntil(answered)).startswith(b"HTTP/1.1 200")
    return reader, writer


@pytest.mark.parametrize(
    ("head", "answered"),
    [
        (ASKED, b"done"),  # and now it idles
        (b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1", b""),
        (b"POST /quick HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", b""),
    ],
)
async def test_who_waits_for_nothing_makes_room(head, answered):
    async with listening() as (port, *_), contextlib.AsyncExitStack() as stack:
        for _ in range(2 * MOST):
            await begun(stack, port, head, answered=answered)
        await begun(stack, port, ASKED, answered=b"done")


async def test_who_is_being_answered_stays():
    async with listening() as (port, started, going_on), contextlib.AsyncExitStack() as stack:
        slow = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
        held = [await begun(stack, port, slow) for _ in range(MOST)]
        for _ in range(MOST):
            await started.acquire()
        reader, _ = await begun(stack, port, ASKED)
        assert await reader.read() == b""
        going_on.set()
        for reader, _ in held:
            assert b"200" in await reader.readuntil(b"done")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ASKED[:-2] + b"X" * 9000 + b": y\r\n\r\n",
        b"POST /quick HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /quick HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /quick HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a=b;" * 9000,
    ],
)
async def test_what_is_no_http_is_refused_and_does_not_fill_the_log(sent, caplog):
    caplog.set_level(logging.INFO)
    async with listening() as (port, *_), contextlib.AsyncExitStack() as stack:
        reader, _ = await begun(stack, port, sent)
        assert b" 400 Bad Request" in await reader.readline()
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_bodies_in_chunks_are_refused():
    async with listening() as (port, *_), contextlib.AsyncExitStack() as stack:
        head = b"POST /quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, _ = await begun(stack, port, head + b"1\r\n \r\n" * 10_000)
        with contextlib.suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 411")
