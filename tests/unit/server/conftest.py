"""A server over a fake service on a real Unix socket, and raw HTTP to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket

import pytest
from running import DEADLINE_S
from statuses import daemon_status

from imgvecd import api
from imgvecd.config.schema import ServerConfig
from imgvecd.core.library.originals import Original
from imgvecd.core.library.thumbnails import ThumbnailSource
from imgvecd.core.timing.duration_histogram import DurationHistogram
from imgvecd.errors import NotFoundError
from imgvecd.server.app import serve
from imgvecd.types import ContentFiles

HIT = api.Hit(id=7, score=0.31, path="/photos/dog.jpg")


class FakeSearchService:
    """What there is around searching; `matches` are told to whoever listens."""

    def __init__(self, answer):
        self._answer = answer
        self.saved_searches = {}
        self.matches = asyncio.Queue()

    async def batch(self, request):
        found = api.SearchResponse(hits=(HIT,), searched=1, clock="c:x:1", took_ms=1, model="m")
        return await self._answer(request, api.SearchBatchResponse(answers=(found,)))

    async def listen(self, request, since):
        await self._answer((request, since), None)

        async def told():
            while True:
                yield await self.matches.get()

        return since or "c:x:1", told()

    async def saved(self):
        saved = (api.SavedSearch(name=n, search=s) for n, s in self.saved_searches.items())
        return await self._answer("saved", api.SavedSearches(saved=tuple(saved)))

    async def save(self, search):
        self.saved_searches[search.name] = search.search
        return await self._answer(search, search)

    async def forget(self, name):
        if self.saved_searches.pop(name, None) is None:
            raise NotFoundError(f"there is no saved search {name!r}")
        return await self.saved()

    async def run_saved(self, name):
        found = api.SearchResponse(hits=(HIT,), searched=1, clock="c:x:1", took_ms=1, model="m")
        return await self._answer(name, found)

    async def classify(self, request):
        return await self._answer(request, api.ClassifyResponse(images=()))


class FakeDuplicatesService:
    """What there is about duplicates."""

    def __init__(self, answer):
        self._answer = answer

    async def find(self, request):
        found = api.Duplicates(groups=(), images=1, compared=1, took_ms=1)
        return await self._answer(request, found)

    async def check(self, image):
        return await self._answer(image, api.DuplicateMatches(matches=()))

    async def plan(self, request):
        return await self._answer(request, api.DedupPlan(name="x", files=0, size_bytes=0, text=""))

    async def apply(self, request):
        return await self._answer(request, api.DedupDone(name="x", files=0, size_bytes=0, gone=0))

    async def undo(self, request):
        return await self._answer(request, api.DedupDone(name="x", files=0, size_bytes=0, gone=0))

    async def decide(self, decision):
        return await self._answer(decision, api.Done(done="decide", clock="c:x:1"))


class FakeMetadataService:
    """What there is about what the user says of images."""

    def __init__(self, answer):
        self._answer = answer

    async def replace(self, image_id, values):
        image = api.Image(id=image_id, hash="00", files=(), user_metadata=values)
        return await self._answer((image_id, values), image)

    async def change(self, image_id, changes):
        return await self.replace(image_id, changes)

    async def tag(self, request):
        return await self._answer(request, api.Done(done="tag", clock="c:x:1"))


class FakeThumbnailService:
    """Thumbnails of image 7, whose bytes are their name."""

    def __init__(self, answer):
        self._answer = answer

    async def find(self, content_id, size):
        if content_id != 7:
            raise NotFoundError(f"there is no image {content_id}")
        return ThumbnailSource(f"00-{size}", size, ContentFiles(b"0", ()))

    async def picture(self, wanted):
        return await self._answer(wanted.name, wanted.name.encode())


class FakeEventService:
    """Tells what is put into `told`, and remembers where listeners began and that they left."""

    def __init__(self):
        self.told = asyncio.Queue()
        self.begun = []
        self.left = 0

    async def listen(self, last_id):
        self.begun.append(last_id)
        try:
            while True:
                event = await self.told.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.left += 1


class FakeBrowsingService:
    def __init__(self, answer):
        self._answer = answer

    async def clock(self):
        return "c:x:1"

    async def timeline(self, filters):
        timeline = api.Timeline(clock="c:x:1", total=0, months=(), shapes=b"")
        return await self._answer(("timeline", filters), timeline)

    async def month(self, month, filters, start, limit):
        columns = api.MonthImages(clock="c:x:1", ids=(1,), hashes=("00",), days=(1,))
        return await self._answer(("month", month, filters, start, limit), columns)

    async def listing(self, order, cursor, limit, filters):
        asked = ("listing", order, cursor, limit, filters)
        return await self._answer(asked, api.ImageList(images=()))

    async def lookup(self, request):
        return await self._answer(request, api.ImageList(images=()))

    async def facets(self, kind, contains, limit):
        return await self._answer((kind, contains, limit), api.Facets(kind=kind, values=()))

    async def positions(self, box, columns):
        return await self._answer((box, columns), api.Clusters(clusters=(), cell_degrees=45.0))

    async def original(self, image_id):
        return await self._answer(image_id, self._opened("image/jpeg"))

    async def film(self, image_id):
        return await self._answer(image_id, self._opened("video/mp4"))

    def _opened(self, media_type):
        descriptor = os.open(os.devnull, os.O_RDONLY)
        return Original(descriptor, 0, b"a", media_type, "tag")


class FakeService:
    """Answers at once, records what it was asked, and fails or waits when told to."""

    def __init__(self):
        self.asked = []
        self.remembered = set()
        self.answers = {}
        self.error = None
        self.reasons = ()
        self.gate = None
        self.finished = 0
        self.searching = FakeSearchService(self._answer)
        self.duplicates = FakeDuplicatesService(self._answer)
        self.thumbnails = FakeThumbnailService(self._answer)
        self.browsing = FakeBrowsingService(self._answer)
        self.events = FakeEventService()
        self.library = []
        self.metadata = FakeMetadataService(self._answer)

    async def _answer(self, question, answer):
        self.asked.append(question)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.finished += 1
        return answer

    async def health(self):
        return await self._answer("health", api.Health(status="ok", reasons=self.reasons))

    async def status(self):
        return await self._answer("status", daemon_status())

    async def stats(self):
        stats = api.Stats(
            images=1,
            files=1,
            size_bytes=1,
            embeddings=1,
            failures=0,
            formats={"jpeg": 1},
            oldest_taken_at=None,
            newest_taken_at=None,
            catalog_bytes=1,
            index_bytes=1,
        )
        return await self._answer("stats", stats)

    def kept(self, request):
        return self.answers.get(request.text)

    def remembers(self, request):
        return request.text in self.remembered

    async def search(self, request):
        found = api.SearchResponse(hits=(HIT,), searched=1, clock="c:x:1", took_ms=1, model="m")
        return await self._answer(request, found)

    async def images(self, after, limit, filters):
        found = [image for image in self.library if image.id > after][:limit]
        more = found[-1].id if found and found[-1] != self.library[-1] else None
        page = api.ImageList(images=tuple(found), next_after=more)
        return await self._answer((after, limit, filters), page)

    async def image(self, image_id):
        if image_id != 7:
            raise NotFoundError(f"There is no image {image_id}.")
        return await self._answer(image_id, api.Image(id=7, hash="00", files=()))

    async def rescan(self, request):
        return await self._answer(request, api.Done(done="rescan", clock="c:x:1"))

    async def sync(self, request):
        return await self._answer(request, api.Done(done="sync", clock="c:x:1"))

    async def changes(self, since, limit):
        return await self._answer((since, limit), api.Changes(changes=(), clock="c:x:1"))

    async def failures(self, after, limit):
        return await self._answer((after, limit), api.FailureList(failures=()))

    def encode_times(self):
        times = DurationHistogram((0.1, 1.0))
        for seconds in (0.05, 0.5, 3.0):
            times.add(seconds)
        return times

    async def failure_reasons(self):
        return await self._answer("reasons", {"damaged": 2})

    async def retry(self):
        return await self._answer("retry", api.Done(done="retry", clock="c:x:1"))

    async def pause(self, request):
        pause = api.Pause(cause="request", reason="by request")
        return await self._answer(request, api.Pausing(pause=pause))

    async def resume(self, request):
        return await self._answer(request, api.Pausing(pause=None))

    async def doctor(self):
        return await self._answer("doctor", api.Diagnosis(healthy=True, counts={}, findings=()))

    async def checkpoint(self):
        return await self._answer("checkpoint", api.Done(done="checkpoint", clock="c:x:1"))

    async def rebuild(self):
        return await self._answer("rebuild", api.Done(done="rebuild", clock="c:x:1"))

    async def stop_move(self):
        return await self._answer("stop_move", api.Done(done="stopped", clock="c:x:1"))

    async def resume_move(self):
        return await self._answer("resume_move", api.Done(done="resumed", clock="c:x:1"))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """A running server with its fake service; `ask` sends one request from a thread."""

    def __init__(self, service, server, path):
        self.service = service
        self.server = server
        self.path = path

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path)  # which waits where others fill the queue
        client.settimeout(DEADLINE_S)
        return client

    def _ask(self, method, url, body, headers):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        try:
            with contextlib.suppress(BrokenPipeError):  # refused at once; the answer says why
                connection.request(method, url, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    async def ask(self, method, url, body=None, headers=None):
        return await asyncio.to_thread(self._ask, method, url, body, headers or {})

    async def until(self, condition):
        """Wait until `condition()` holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # conditions know of no events
                await asyncio.sleep(0.005)


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a server over a new fake service."""
    started = []

    async def start(*, idle_timeout_s=30.0, **settings):
        path = settings.setdefault("socket", str(tmp_path / "run" / "imgvecd.sock"))
        service = FakeService()
        config = ServerConfig(**settings)
        server = await serve(service, config, idle_timeout_s=idle_timeout_s)
        started.append(server)
        return Daemon(service, server, path)

    yield start
    for server in started:
        await server.close()


@pytest.fixture
async def daemon(start):
    return await start()
