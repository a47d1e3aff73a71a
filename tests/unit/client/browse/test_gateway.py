"""The gateway ends by itself, and passes nothing to anybody while the daemon is away."""

import asyncio
import contextlib
import os
import socket

import aiohttp
import pytest
from running import DEADLINE_S

from imgvecd.client.browse import gateway as gateway_module
from imgvecd.client.browse.admission import COOKIE, OneBrowser, SecretHolders
from imgvecd.client.browse.gateway import Gateway
from imgvecd.remote import bounded_listener


async def test_with_no_page_open_it_ends_after_some_minutes(tmp_path):
    now = [0.0]
    gateway = Gateway(str(tmp_path / "none.sock"), idle_s=600, now=lambda: now[0])
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with gateway.running(listener, OneBrowser(port)):
        ending = asyncio.create_task(gateway.ended())
        now[0] = 599
        done, _ = await asyncio.wait([ending], timeout=1.5)
        assert not done
        now[0] = 601
        assert await asyncio.wait_for(ending, DEADLINE_S) == "no page was open any more"
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return
    raise AssertionError("something still listens")


@contextlib.asynccontextmanager
async def browsing(path):
    """A browser that was let in; yields what asks for a path."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    admission = OneBrowser(port)
    cookie = admission.enter(admission.new_address().partition("token=")[2])
    own = {"Sec-Fetch-Site": "same-origin", "Cookie": f"{COOKIE}={cookie}"}
    async with (
        Gateway(str(path)).running(listener, admission),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=own) as browser,
    ):
        yield browser.get


async def test_a_daemon_that_ends_in_the_middle_of_an_answer_is_no_error_of_ours(tmp_path, caplog):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        writer.close()

    path = tmp_path / "daemon.sock"
    async with (
        await asyncio.start_unix_server(answer, path),
        browsing(path) as get,
        get("/v1/events") as response,
    ):
        assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert caplog.records == []


async def test_who_takes_originals_slowly_leaves_the_way_to_the_daemon_free(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_module, "_CONNECTIONS", 3)
    monkeypatch.setattr(gateway_module, "_LASTING_AT_ONCE", 2)

    stalled = asyncio.Semaphore(0)

    async def answer(reader, writer):
        while b"original" not in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")  # which never come
        stalled.release()

    path = tmp_path / "daemon.sock"
    async with await asyncio.start_unix_server(answer, path), browsing(path) as get:
        held = [asyncio.create_task(slowly(get, number)) for number in range(5)]
        for _ in range(2):
            await stalled.acquire()
        async with get("/v1/status") as response:
            assert response.status == 200
        for each in held:
            each.cancel()
        await asyncio.wait(held)


async def slowly(get, number):
    async with get(f"/v1/images/{number}/original") as response:
        await response.read()


async def test_the_page_is_told_whose_library_it_is(tmp_path, monkeypatch):
    path = tmp_path / "daemon.sock"
    path.touch()
    for user, owner in ((path.stat().st_uid, True), (0, True), (path.stat().st_uid + 1, False)):
        async with browsing(path) as get:
            with monkeypatch.context() as patched:
                patched.setattr(os, "getuid", lambda user=user: user)
                async with get("/start") as response:
                    assert (await response.json())["owner"] is owner
    async with browsing(tmp_path / "none") as get, get("/start") as response:
        assert (await response.json())["owner"] is True  # what is asked next says what is wrong


async def test_a_person_without_the_cookie_is_told_in_words(tmp_path):
    async with browsing(tmp_path / "none") as get:
        head = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Cookie": "imgvec=old"}
        async with get("/", headers=head) as response:
            assert (response.status, response.content_type) == (401, "text/plain")
            assert "again" in await response.text()


async def test_strangers_make_room_for_the_browser_that_was_let_in(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_module, "_MOST_CONNECTIONS", 4)
    async with browsing(tmp_path / "none") as get:
        async with get("/start") as response:
            port = response.url.port
        strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        async with get("/start") as response:
            assert response.status == 200
        for reader, _ in strangers[:8]:
            assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        for _, writer in strangers:
            writer.close()


async def test_who_does_not_bring_the_cookie_soon_is_hung_up_on(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_listener, "_STRANGER_S", 0.05)
    async with browsing(tmp_path / "none") as get:
        async with get("/start") as response:
            port = response.url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        writer.close()
        async with get("/start") as response:
            assert response.status == 200


async def test_a_secret_is_not_as_long_as_a_picture(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    own = {"Sec-Fetch-Site": "same-origin", "Origin": origin, "Content-Type": "application/json"}
    async with (
        Gateway(str(tmp_path / "none")).running(listener, SecretHolders(origin, "s" * 40)),
        aiohttp.ClientSession(origin, headers=own) as browser,
    ):
        async with browser.post("/enter", data=b"x" * 1_000_000) as response:
            assert response.status == 413
        async with browser.post("/enter", json={"secret": "s" * 40}) as response:
            assert response.status == 200
