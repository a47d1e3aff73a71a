"""The gateway ends by itself, and passes nothing to anybody while the daemon is away."""

import asyncio
import socket

from running import DEADLINE_S

from imgvecd.client.browse.admission import OneBrowser
from imgvecd.client.browse.gateway import Gateway


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
