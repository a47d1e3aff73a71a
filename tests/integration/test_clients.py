"""Both Python clients and a real daemon: lists as lines, thumbnails, events, waiting."""

import asyncio
import io
import os
import shutil
import threading
from typing import Any

import pytest
from browsing import make_library
from PIL import Image
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


async def test_both_clients_ask_for_what_the_page_shows(start, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    count = make_library(folder) + 1
    Image.effect_noise((5000, 3000), 50).save(folder / "large.jpg")
    daemon = start(folder)
    daemon.wait_until_indexed(count)
    client, other = Client(str(daemon.socket)), AsyncClient(str(daemon.socket))
    for kind, contains, expected in (
        ("camera", "", [("Camera 0", 4), ("Camera 1", 4)]),
        ("folder", "2021", [(str(folder / "2021"), 3)]),
        ("place", "rome", [("Rome, Lazio, Italy", 1)]),
        ("person", "", []),
    ):
        facets = client.facets(kind, contains)
        assert [(facet.value, facet.count) for facet in facets.values] == expected
        assert await other.facets(kind, contains) == facets
    assert len(client.facets("camera", limit=1).values) == 1
    rome = (40.0, 10.0, 44.0, 14.0)
    for options, counts in (({}, [2, 1, 1]), ({"box": rome, "columns": 64}, [1])):
        clusters = client.positions(**options)
        assert [cluster.count for cluster in clusters.clusters] == counts
        assert await other.positions(**options) == clusters
    timeline = client.timeline()
    assert await other.timeline() == timeline
    assert timeline.total == len(timeline.shapes) == sum(month.count for month in timeline.months)
    month = client.month("2020-02")
    assert await other.month("2020-02") == month
    assert month.days == (5,)
    (large,) = (each for each in client.images() if each.files[0].path.endswith("large.jpg"))
    for size in (2048, 4096):
        picture = client.thumbnail(large.id, size)
        assert Image.open(io.BytesIO(picture)).width == size
        assert await other.thumbnail(large.id, size) == picture
    original = (folder / "large.jpg").read_bytes()
    assert client.original(large.id) == await other.original(large.id) == original


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
