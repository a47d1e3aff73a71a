"""Both Python clients and a real daemon: lists as lines, thumbnails, events, waiting."""

import asyncio
import os
import shutil
import threading
from typing import Any

import pytest
from running import DEADLINE_S

from imgvecd import AsyncClient, Client, api
from imgvecd.errors import DaemonError

pytestmark = pytest.mark.any_encoder


@pytest.fixture
def daemon(start, shipped_photos):
    (shipped_photos / "broken.jpg").write_bytes(b"no picture")
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(list(shipped_photos.rglob("*.jpg"))) - 1)
    return daemon


async def listed(items):
    return [item async for item in items]


async def test_both_clients_tell_the_same(daemon):
    client, other = Client(str(daemon.socket)), AsyncClient(str(daemon.socket))
    images = list(client.images())
    assert [image.id for image in images] == sorted(image.id for image in images)
    assert len(images) == client.status().files.seen
    assert await listed(other.images()) == images
    assert await listed(other.images(images[3].id)) == images[4:]
    (failure,) = client.failures()
    assert failure.path.endswith("broken.jpg")
    assert await listed(other.failures()) == [failure]
    pages = list(client.changes())
    assert sum(len(page.changes) for page in pages) == len(images)
    assert await listed(other.changes()) == pages
    assert list(client.changes(pages[-1].clock))[-1].changes == ()
    shown = next(image for image in images if image.indexed)
    picture = client.thumbnail(shown.id, 64)
    assert picture.startswith(b"\xff\xd8")
    assert await other.thumbnail(shown.id, 64) == picture
    with pytest.raises(DaemonError) as error:
        await other.thumbnail(10**9)
    assert error.value.code == "not_found"
    assert client.sync(DEADLINE_S) == await other.sync(DEADLINE_S)
    assert client.rescan(os.path.dirname(images[0].files[0].path)) == await other.rescan()
    assert client.stats().images == (await other.stats()).images == len(images)


async def test_events_tell_of_a_new_photo_and_of_what_was_missed(daemon, shipped_photos):
    client = AsyncClient(str(daemon.socket))
    events: Any = client.events()
    first = await asyncio.wait_for(anext(events), DEADLINE_S)
    assert first.status.pid == daemon.process.pid
    shutil.copy(shipped_photos / "2024" / "rocket.jpg", shipped_photos / "copy.jpg")
    kinds = set()
    async with asyncio.timeout(DEADLINE_S):
        while not {"clock", "progress"} <= kinds:
            event = await anext(events)
            kinds.add(event.kind)
    await events.aclose()
    daemon.post("/v1/checkpoint")
    async with asyncio.timeout(DEADLINE_S):
        async for missed in client.events(event.id):
            assert missed.kind != "status"
            if missed.kind == "checkpoint":
                break


def test_listening_ends_quietly_with_the_daemon(daemon):
    heard = []
    begun = threading.Event()

    def listen():
        for event in Client(str(daemon.socket)).events():
            heard.append(event)
            begun.set()

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    assert begun.wait(DEADLINE_S)
    Client(str(daemon.socket)).sync(DEADLINE_S)
    assert daemon.stop() == 0
    listening.join(DEADLINE_S)
    assert not listening.is_alive()
    assert isinstance(heard[0], api.Event)
