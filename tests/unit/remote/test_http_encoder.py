"""A daemon's view of an encode server, over a real connection to the real application."""

import asyncio
import contextlib
import json
import logging
import os
import socket

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from fakes import MODEL, FakeEncoder, vector_of
from ports import free_port
from running import DEADLINE_S

from imgvecd.config.schema import EncodeServerConfig
from imgvecd.errors import EncoderAwayError, ModelError, WorkerError
from imgvecd.remote import http_encoder, messages, server_connection
from imgvecd.remote.bounded_listener import BoundedListener
from imgvecd.remote.elsewhere_encoder import ElsewhereEncoder
from imgvecd.remote.encode_app import EncodeApp
from imgvecd.remote.http_encoder import HttpEncoder
from imgvecd.remote.reference_vectors import ReferenceVectors, pictures
from imgvecd.types import Lane, ModelInfo, PreprocessSpec

PICTURE = MODEL.preprocess.size**2 * 3
DAY_S = 86_400.0


def picture(number):
    return b"%04d" % number + bytes(PICTURE - 4)


class Clock:
    """Time that passes when somebody sleeps, and not otherwise."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Server:
    """The application on a port of this machine, which can be switched off."""

    def __init__(self, app, **limits):
        self._app = app
        self._limits = limits  # of its listener
        self.port = free_port()
        self._runner = self._listener = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def start(self):
        self._runner = web.AppRunner(self._app(), shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self.port))
        self._listener = BoundedListener(bound, self._runner.server, **self._limits)

    async def stop(self):
        if self._listener is not None:
            self._listener.close()
            await self._runner.cleanup()
            self._listener = None


class Scene:
    def __init__(self, app=None, **limits):
        self.encoder = FakeEncoder()
        self.encoder.batch = 8
        made = EncodeApp("")
        made.offer(MODEL, self.encoder)
        self.server = Server(app or made.application, **limits)
        self.clock = Clock()
        self.remotes = []

    def remote(self, fingerprint=MODEL.fingerprint, reference=None, **config):
        settings = EncodeServerConfig(url=self.server.url, **config)
        remote = HttpEncoder(
            settings,
            fingerprint,
            MODEL.name,
            reference or ReferenceVectors("", None),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.remotes.append(remote)
        return remote


@contextlib.asynccontextmanager
async def scene(app=None, *, on=True, **limits):
    made = Scene(app, **limits)
    try:
        if on:
            await made.server.start()
        yield made
    finally:
        for remote in made.remotes:
            await remote.close()
        await made.server.stop()


def answering(handler):
    """Return an application that answers everything with `handler`."""

    def make():
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        return app

    return make


async def test_vectors_come_back_in_order():
    async with scene() as at:
        remote = at.remote()
        await asyncio.wait_for(remote.ready(), DEADLINE_S)
        pixels = [picture(number) for number in range(20)]
        vectors = await remote.encode_images(pixels, Lane.BULK)
        np.testing.assert_array_equal(vectors, np.stack([vector_of(data) for data in pixels]))
        told = remote.status()
        assert (told.state, told.encoded, told.reason) == ("ready", 20, None)
        assert remote.batch <= 8  # what the server likes


async def test_texts_are_encoded_too():
    async with scene() as at:
        remote = at.remote()
        await remote.reach()
        texts = [f"text {number}" for number in range(300)]
        vectors = await remote.encode_texts(texts, Lane.INTERACTIVE)
        assert vectors.shape == (300, MODEL.dim)


async def test_a_server_that_is_off_for_days_is_tried_until_it_is_on():
    async with scene(on=False) as at:
        remote = at.remote()
        ready = asyncio.create_task(remote.ready())
        while at.clock.now < 1000 + 3 * DAY_S:
            assert not ready.done()
            await asyncio.sleep(0.001)
            if remote.status().state == "unreachable":
                at.clock.now += 6 * 3600
        assert max(at.clock.slept) <= 30
        assert remote.status().reason.startswith(f"{at.server.url}: cannot be reached")
        await at.server.start()
        await asyncio.wait_for(ready, DEADLINE_S)
        assert remote.status().state == "ready"


async def test_a_server_that_vanishes_is_away_and_comes_back():
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        at.encoder.gate.clear()
        asked = [
            asyncio.create_task(remote.encode_images([picture(i)], Lane.BULK)) for i in range(3)
        ]
        while at.encoder.asked < 3:
            await asyncio.sleep(0.001)
        await at.server.stop()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(result).__mro__[1] for result in results] == [EncoderAwayError] * 3
        assert remote.status().state == "unreachable"
        assert remote.status().next_try_s == 2  # one failure, not three
        at.encoder.gate.set()
        await at.server.start()
        await asyncio.wait_for(remote.ready(), DEADLINE_S)
        assert (await remote.encode_images([picture(1)], Lane.BULK)).shape == (1, MODEL.dim)


async def test_a_server_that_hangs_in_the_middle_is_away_and_its_pictures_are_free(monkeypatch):
    monkeypatch.setattr(server_connection, "_ANSWER_S", 0.1)
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        at.encoder.gate.clear()
        with pytest.raises(EncoderAwayError, match="does not answer within"):
            await remote.encode_images([picture(i) for i in range(8)], Lane.BULK)
        assert remote.status().state == "unreachable"


async def test_a_picture_that_kills_the_worker_is_to_blame():
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        with pytest.raises(WorkerError):
            await remote.encode_images([b"poison" + bytes(PICTURE - 6)], Lane.BULK)
        assert remote.status().state == "ready"


async def test_a_worker_that_dies_on_everything_is_the_servers_fault(monkeypatch):
    async with scene() as at:
        remote = at.remote()
        await remote.ready()

        async def die(pixels, lane):
            raise WorkerError("no memory left")

        monkeypatch.setattr(at.encoder, "encode_images", die)
        with pytest.raises(EncoderAwayError, match="whatever the picture"):
            await remote.encode_images([picture(1)], Lane.BULK)
        assert remote.status().state == "failing"
        ready = asyncio.create_task(remote.ready())
        while len(at.clock.slept) < 4:
            await asyncio.sleep(0.001)
        assert at.clock.slept[:3] == [2, 4, 8]
        monkeypatch.undo()
        await asyncio.wait_for(ready, DEADLINE_S)


async def test_a_model_that_cannot_run_says_nothing_of_pictures():
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        at.encoder.broken = True
        with pytest.raises(EncoderAwayError, match="no model"):
            await remote.encode_images([picture(1), picture(2)], Lane.BULK)
        assert remote.status().state == "failing"


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.zeros((1, MODEL.dim), np.float32), "not embeddings of length 1"),
        (np.full((1, MODEL.dim), np.nan, np.float32), "not embeddings of length 1"),
        (np.full((1, MODEL.dim), np.inf, np.float32), "not embeddings of length 1"),
        (np.ones((1, MODEL.dim), np.float32), "not embeddings of length 1"),
        (np.ones((2, MODEL.dim), np.float32), "another size"),
        (np.ones((1, MODEL.dim + 1), np.float32), "another size"),
        (np.ones((0, MODEL.dim), np.float32), "another size"),
    ],
)
async def test_what_are_no_embeddings_is_not_taken(monkeypatch, vectors, reason):
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        await remote.encode_images([picture(0)], Lane.BULK)  # with the first check

        async def encode(pixels, lane):
            return vectors

        monkeypatch.setattr(at.encoder, "encode_images", encode)
        with pytest.raises(EncoderAwayError, match=reason):
            await remote.encode_images([picture(1)], Lane.BULK)
        assert remote.status().state == "refused"
        assert remote.status().next_try_s == 300


class OddEncoder(FakeEncoder):
    """Gives wrong vectors, which look like any others, of the rows from `wrong_from` on."""

    wrong_from = None
    held = None  # a picture whose request is answered once there is none

    async def encode_images(self, pixels, lane):
        rows = await super().encode_images(pixels, lane)
        while self.held in pixels:
            await asyncio.sleep(0.001)
        if self.wrong_from is not None:
            rows[self.wrong_from :] = np.roll(rows[self.wrong_from :], 1, axis=1)
        return rows


@contextlib.asynccontextmanager
async def odd_scene():
    async with scene(on=False) as at:
        at.encoder = OddEncoder()
        app = EncodeApp("")
        app.offer(MODEL, at.encoder)
        at.server = Server(app.application)
        await at.server.start()
        yield at


async def test_a_server_that_encodes_wrongly_from_the_start_gives_nothing(tmp_path):
    here = FakeEncoder()
    async with odd_scene() as at:
        at.encoder.wrong_from = 0
        remote = at.remote(reference=ReferenceVectors(str(tmp_path / "kept"), here))
        told = []
        remote.when_wrong(lambda: told.append(remote.status().state))
        await remote.ready()
        with pytest.raises(EncoderAwayError, match="this machine gives them: a cosine of"):
            await remote.encode_images([picture(i) for i in range(4)], Lane.BULK)
        status = remote.status()
        assert (status.state, status.encoded, status.checks) == ("refused", 0, 0)
        assert told == ["refused"]
        assert status.next_try_s == 300
        ready = asyncio.create_task(remote.ready())  # which a person has mended meanwhile
        at.encoder.wrong_from = None
        await asyncio.wait_for(ready, DEADLINE_S)
        await remote.encode_images([picture(1)], Lane.BULK)
        assert (remote.status().encoded, remote.checks) == (1, 1)
    assert here.batches == [2]  # once, whatever happens


async def test_a_server_that_goes_wrong_later_is_noticed(tmp_path):
    async with odd_scene() as at:
        at.encoder.batch = 50
        remote = at.remote(reference=ReferenceVectors(str(tmp_path / "kept"), FakeEncoder()))
        told = []
        remote.when_wrong(lambda: told.append(True))
        await remote.ready()
        await remote.encode_images([picture(i) for i in range(1000)], Lane.BULK)
        checks = remote.checks
        assert 2 <= checks <= 4
        at.encoder.wrong_from = 0
        with pytest.raises(EncoderAwayError, match="encodes wrongly"):
            await remote.encode_images([picture(i) for i in range(1000)], Lane.BULK)
        assert told == [True]
        assert remote.checks == checks


async def test_pictures_of_a_check_lie_anywhere_in_a_request(tmp_path):
    async with odd_scene() as at:
        at.encoder.wrong_from = 3  # as memory that is broken would be
        remote = at.remote(reference=ReferenceVectors(str(tmp_path / "kept"), FakeEncoder()))
        await remote.ready()

        async def encode_on():
            while True:
                at.clock.now += 3600  # so long after the last check there is one again
                await remote.encode_images([picture(i) for i in range(20)], Lane.BULK)

        with pytest.raises(EncoderAwayError, match="encodes wrongly"):
            await asyncio.wait_for(encode_on(), DEADLINE_S)


async def test_what_was_under_way_to_a_server_that_is_wrong_is_not_taken(tmp_path):
    async with odd_scene() as at:
        remote = at.remote(reference=ReferenceVectors(str(tmp_path / "kept"), FakeEncoder()))
        await remote.ready()
        await remote.encode_images([picture(0)], Lane.BULK)
        at.encoder.held = picture(1)
        under_way = asyncio.create_task(remote.encode_images([picture(1)], Lane.BULK))
        while at.encoder.asked < 2:
            await asyncio.sleep(0.001)
        at.clock.now += 3600
        at.encoder.wrong_from = 0
        with pytest.raises(EncoderAwayError, match="encodes wrongly"):
            await remote.encode_images([picture(2)], Lane.BULK)
        assert not under_way.done()
        at.encoder.held = None
        with pytest.raises(EncoderAwayError, match="encodes wrongly"):
            await under_way


async def test_where_nothing_is_encoded_the_first_server_is_believed_for_good(tmp_path):
    kept = str(tmp_path / "kept")
    async with scene() as first, odd_scene() as second:
        second.encoder.wrong_from = 0
        one = first.remote(reference=ReferenceVectors(kept, None))
        await one.ready()
        await one.encode_images([picture(1)], Lane.BULK)
        other = second.remote(reference=ReferenceVectors(kept, None))  # after a restart
        await other.ready()
        with pytest.raises(EncoderAwayError) as told:
            await other.encode_images([picture(1)], Lane.BULK)
        assert f"not what {one.url} gave them first" in str(told.value)
        assert kept in str(told.value)


async def test_it_is_told_which_server_was_compared_with_another_and_which_with_none(tmp_path):
    kept = str(tmp_path / "kept")
    async with scene() as first, scene() as second:
        reference = ReferenceVectors(kept, None)
        one, other = (at.remote(reference=reference) for at in (first, second))
        assert one.status().compared_with == ""
        await one.ready()
        for _ in range(2):  # that it is as it was itself shows nothing
            first.clock.now += 3600
            await one.encode_images([picture(1)], Lane.BULK)
        assert (one.status().checks, one.status().compared_with) == (2, "")
        assert other.status().compared_with == ""
        await other.ready()
        await other.encode_images([picture(1)], Lane.BULK)
        assert other.status().compared_with == one.url
        assert one.status().compared_with == other.url
        again = first.remote(reference=ReferenceVectors(kept, None))  # after a restart
        await again.ready()
        await again.encode_images([picture(1)], Lane.BULK)
        assert again.status().compared_with == other.url
        here = second.remote(reference=ReferenceVectors(kept, FakeEncoder()))
        await here.ready()
        await here.encode_images([picture(1)], Lane.BULK)
        assert here.status().compared_with == "here"


async def test_a_server_that_differs_vouches_for_none(tmp_path):
    reference = ReferenceVectors(str(tmp_path / "kept"), None)
    async with scene() as first, odd_scene() as second:
        second.encoder.wrong_from = 0
        one, other = (at.remote(reference=reference) for at in (first, second))
        await one.ready()
        await one.encode_images([picture(1)], Lane.BULK)
        await other.ready()
        with pytest.raises(EncoderAwayError, match="encodes wrongly"):
            await other.encode_images([picture(1)], Lane.BULK)
        assert one.status().compared_with == other.status().compared_with == ""


async def test_what_was_believed_gives_way_to_what_is_made_here(tmp_path):
    kept = str(tmp_path / "kept")
    async with odd_scene() as at:
        at.encoder.wrong_from = 0
        believing = at.remote(reference=ReferenceVectors(kept, None))
        await believing.ready()
        await believing.encode_images([picture(1)], Lane.BULK)
        broken = FakeEncoder()
        broken.broken = True  # no model can be loaded here
        still = at.remote(reference=ReferenceVectors(kept, broken))
        await still.ready()
        await still.encode_images([picture(1)], Lane.BULK)
        knowing = at.remote(reference=ReferenceVectors(kept, FakeEncoder()))
        await knowing.ready()
        with pytest.raises(EncoderAwayError, match="this machine gives them"):
            await knowing.encode_images([picture(1)], Lane.BULK)


async def test_kept_vectors_that_are_none_are_made_again(tmp_path):
    kept = tmp_path / "kept"
    short = {MODEL.fingerprint: {"made": "here", "vectors": [[1.0]]}}
    for content in ("[]", json.dumps(short)):
        kept.write_text(content)
        here = FakeEncoder()
        made, vectors = await ReferenceVectors(str(kept), here).known(MODEL)
        assert made == "here"
        expected = np.stack([vector_of(data) for data in pictures(MODEL.preprocess.size)])
        np.testing.assert_array_equal(vectors, expected)
        again = await ReferenceVectors(str(kept), here).known(MODEL)
        np.testing.assert_allclose(again[1], expected)
        assert here.batches == [2]


async def test_another_model_is_refused():
    async with scene() as at:
        remote = at.remote(fingerprint="another")
        with pytest.raises(EncoderAwayError, match="other weights of it"):
            await remote.reach()


@pytest.mark.parametrize(
    "expected",
    [
        ModelInfo(MODEL.fingerprint, "fake", "", MODEL.dim + 1, MODEL.preprocess),
        ModelInfo(
            MODEL.fingerprint, "fake", "", MODEL.dim, PreprocessSpec(8, (0.5,) * 3, (0.5,) * 3)
        ),
    ],
)
async def test_a_model_that_wants_other_pixels_is_refused(expected):
    async with scene() as at:
        remote = at.remote()
        remote.expect(expected)
        with pytest.raises(EncoderAwayError, match="wants other pixels"):
            await remote.reach()


async def other_protocol(request):
    return web.json_response({"protocol": 99, "version": "9.9", "models": []})


async def upgrade(request):
    body = {"code": "protocol", "detail": "version 99, of imgvecd 9.9"}
    return web.json_response(body, status=426)


async def a_web_page(request):
    return web.Response(text="<h1>It works!</h1>", content_type="text/html")


async def not_found(request):
    raise web.HTTPNotFound


async def redirect(request):
    raise web.HTTPFound("http://127.0.0.1:1/")


async def without_end(request):
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            await response.write(bytes(1 << 20))
    return response


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (other_protocol, "another version of the protocol .version 99, of imgvecd 9.9"),
        (upgrade, "another version of the protocol .version 99, of imgvecd 9.9"),
        (a_web_page, "no encode server"),
        (not_found, "no encode server"),
        (redirect, "no encode server"),
        (without_end, "does not end"),
    ],
)
async def test_what_is_no_server_for_us_is_refused(handler, reason):
    async with scene(answering(handler)) as at:
        remote = at.remote()
        with pytest.raises(EncoderAwayError, match=reason):
            await remote.reach()
        assert remote.status().state == "refused"


async def test_a_plain_server_where_tls_is_expected_is_told(tmp_path):
    async with scene() as at:
        config = EncodeServerConfig(url=at.server.url.replace("http:", "https:"))
        remote = HttpEncoder(config, MODEL.fingerprint, MODEL.name, ReferenceVectors("", None))
        at.remotes.append(remote)
        with pytest.raises(EncoderAwayError, match="TLS fails"):
            await remote.reach()


async def test_a_retry_that_is_asked_for_does_not_wait():
    async with scene(on=False) as at:
        never = asyncio.Event()
        remote = at.remote()
        remote._sleep = lambda seconds: never.wait()
        ready = asyncio.create_task(remote.ready())
        while remote.status().state == "untried":
            await asyncio.sleep(0.001)
        await at.server.start()
        remote.retry_now()
        await asyncio.wait_for(ready, DEADLINE_S)


class Tower:
    """A text tower that can be used once its file is there."""

    loaded, sandbox = False, None

    def __init__(self):
        self.asked = 0
        self.error = None

    async def encode_texts(self, texts, lane):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return np.stack([vector_of(text.encode()) for text in texts])

    async def close(self):
        pass


async def test_who_is_elsewhere_answers_texts_without_the_server_after_the_first(tmp_path):
    kept, fetched = tmp_path / "kept", tmp_path / "towers" / "fetched"
    kept.write_bytes(os.urandom(3_000_000))
    app = EncodeApp("")
    app.offer(MODEL, FakeEncoder(), str(kept))
    async with scene(app.application) as at:
        tower = Tower()
        encoder = ElsewhereEncoder([at.remote()], tower, str(fetched))
        await encoder.encode_texts(["waves"], Lane.INTERACTIVE)
        await encoder._fetching
        assert fetched.read_bytes() == kept.read_bytes()
        assert [path.name for path in fetched.parent.iterdir()] == ["fetched"]
        assert not tower.asked
        await at.server.stop()
        (vector,) = await encoder.encode_texts(["sea"], Lane.INTERACTIVE)
        np.testing.assert_array_equal(vector, vector_of(b"sea"))
        assert tower.asked == 1
        tower.error = WorkerError("it died")
        with pytest.raises(ModelError, match="no encode server"):
            await encoder.encode_texts(["sea"], Lane.INTERACTIVE)
        assert fetched.exists()
        tower.error = ModelError("it is damaged")
        with pytest.raises(ModelError, match="no encode server"):
            await encoder.encode_texts(["sea"], Lane.INTERACTIVE)
        assert not fetched.exists()
        await encoder.close()


async def test_a_tower_that_breaks_off_or_is_none_is_not_kept(tmp_path):
    async def short(request):
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(bytes(3000))
        request.transport.abort()
        return response

    for handler in (short, not_found, redirect):
        async with scene(answering(handler)) as at:
            remote = at.remote()
            assert not await remote.fetch_text_tower(str(tmp_path / "towers" / "tower"))
            assert remote.status().state == "untried"
    assert list((tmp_path / "towers").iterdir()) == []


async def test_who_is_elsewhere_answers_queries_or_says_why_not(tmp_path):
    async with scene() as at:
        encoder = ElsewhereEncoder([at.remote()], Tower(), str(tmp_path / "none"))
        assert await encoder.info() == MODEL
        (vector,) = await encoder.encode_texts(["waves"], Lane.INTERACTIVE)
        np.testing.assert_array_equal(vector, vector_of(b"waves"))
        assert len(await encoder.encode_images([picture(1)], Lane.INTERACTIVE)) == 1
        await at.server.stop()
        for _ in range(2):
            with pytest.raises(ModelError, match="no encode server can be asked"):
                await encoder.encode_texts(["waves"], Lane.INTERACTIVE)


async def ask(at, path=messages.MODELS, method="GET", *, data=None, **headers):
    sent = {messages.PROTOCOL_HEADER: "1", messages.MODEL_HEADER: MODEL.fingerprint}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            at.server.url + path,
            headers={name: value for name, value in sent.items() if value is not None},
            data=data,
        ) as response,
    ):
        return response.status, await response.text(errors="replace")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Imgvecd_Protocol": "2"}, 426),
        ({"Imgvecd_Protocol": None}, 426),
    ],
)
async def test_who_may_ask_a_server_without_a_token(headers, status):
    async with scene() as at:
        assert (await ask(at, **headers))[0] == status


async def test_nobody_gets_in_without_the_token():
    app = EncodeApp("right")
    app.offer(MODEL, FakeEncoder())
    async with scene(app.application) as at:
        for given in (None, "", "Bearer", "Bearer wrong", "Basic right", "Bearer righ", "right"):
            status, answer = await ask(at, Authorization=given)
            assert status == 401, given
            assert "right" not in answer
        assert (await ask(at, Authorization="Bearer right"))[0] == 200
        assert (await ask(at, "/v1/images", "POST", Authorization="Bearer x"))[0] == 401
        assert (await ask(at, "/nothing", Authorization="Bearer x"))[0] == 401


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"Imgvecd_Images": "1"}, bytes(PICTURE), 200),
        ({"Imgvecd_Images": "2"}, bytes(PICTURE), 400),
        ({"Imgvecd_Images": "0"}, b"", 400),
        ({"Imgvecd_Images": "-1"}, bytes(PICTURE), 400),
        ({"Imgvecd_Images": "65"}, bytes(65 * PICTURE), 400),
        ({"Imgvecd_Images": "9" * 400}, bytes(PICTURE), 400),
        ({"Imgvecd_Images": "1", "Imgvecd_Lane": "first"}, bytes(PICTURE), 400),
        ({"Imgvecd_Images": "1", "Imgvecd_Model": "another"}, bytes(PICTURE), 404),
        ({}, bytes(PICTURE), 400),
    ],
)
async def test_requests_that_make_no_sense_are_refused(headers, data, status):
    async with scene() as at:
        assert (await ask(at, messages.IMAGES, "POST", data=data, **headers))[0] == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"texts": ["a"]}', 200),
        (b'{"texts": []}', 400),
        (b'{"texts": "a"}', 400),
        (b"[" * 100_000, 400),
        (b'{"texts": ["' + b"a" * 200_000 + b'"]}', 413),
        (b"a" * (2 << 20), 413),
    ],
)
async def test_texts_have_bounds(body, status):
    async with scene() as at:
        assert (await ask(at, messages.TEXTS, "POST", data=body))[0] == status


async def test_a_body_without_an_announced_length_is_refused():
    async def parts():
        yield bytes(PICTURE)

    async with scene() as at:
        headers = {"Imgvecd_Images": "1"}
        assert (await ask(at, messages.IMAGES, "POST", data=parts(), **headers))[0] == 411


async def test_more_requests_than_are_taken_at_once_wait_for_their_turn(monkeypatch):
    monkeypatch.setattr("imgvecd.remote.server_connection._BUSY_S", 0.01)
    monkeypatch.setattr("imgvecd.remote.server_connection._MOST_BUSY", 10_000)
    async with scene() as at:
        remote = at.remote()
        await remote.ready()
        at.encoder.gate.clear()
        asked = [
            asyncio.create_task(remote.encode_images([picture(i)], Lane.BULK)) for i in range(20)
        ]
        while at.encoder.asked < 8:
            await asyncio.sleep(0.001)
        status, answer = await ask(
            at, messages.IMAGES, "POST", data=bytes(PICTURE), Imgvecd_Images="1"
        )
        assert status == 503
        assert "busy" in answer
        at.encoder.gate.set()
        assert len(await asyncio.gather(*asked)) == 20


async def test_strangers_make_room_long_before_their_time_is_up(monkeypatch):
    monkeypatch.setattr("imgvecd.remote.bounded_listener._STRANGER_S", 10 * DEADLINE_S)
    async with scene(most=4) as at:
        strangers = [await asyncio.open_connection("127.0.0.1", at.server.port) for _ in range(12)]
        assert (await ask(at))[0] == 200
        for reader, writer in strangers[:8]:
            assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
            writer.close()
        for _, writer in strangers[8:]:
            writer.close()


async def test_a_stranger_that_says_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("imgvecd.remote.bounded_listener._STRANGER_S", 0.05)
    async with scene() as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.server.port)
        writer.write(b"GET /v1/mod")
        assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        writer.close()


async def test_a_body_that_stops_coming_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("imgvecd.remote.encode_app._SILENCE_S", 0.05)
    async with scene() as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.server.port)
        writer.write(
            b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nImgvecd-Protocol: 1\r\n"
            b"Imgvecd-Model: %s\r\nImgvecd-Images: 1\r\nContent-Length: %d\r\n\r\n1234"
            % (MODEL.fingerprint.encode(), PICTURE)
        )
        answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
        assert b" 504 " in answer.splitlines()[0]
        assert b"4 of %d bytes" % PICTURE in answer
        writer.close()


async def test_a_command_runs_once_in_ten_minutes(tmp_path):
    note = tmp_path / "note"
    async with scene(on=False) as at:
        remote = at.remote(on_wanted=("sh", "-c", f"echo wanted >> {note}"))
        ready = asyncio.create_task(remote.ready())
        while at.clock.now < 1000 + 1900:
            await asyncio.sleep(0.001)
            if remote._wanted._running is not None:
                await remote._wanted._running
        ready.cancel()
        assert note.read_text() in {"wanted\n" * 3, "wanted\n" * 4}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nowhere/wakeonlan", "x"), "cannot be run"),
        (("sh", "-c", "echo no such host >&2; exit 3"), "ended with 3: no such host"),
        (("sleep", "100"), "took longer"),
    ],
)
async def test_a_command_that_fails_is_told(monkeypatch, caplog, command, said):
    monkeypatch.setattr("imgvecd.remote.wanted_command._LONGEST_S", 0.2)
    async with scene(on=False) as at:
        remote = at.remote(on_wanted=command)
        with caplog.at_level(logging.WARNING):
            ready = asyncio.create_task(remote.ready())
            while said not in caplog.text:
                await asyncio.sleep(0.001)
        ready.cancel()


async def test_nothing_is_run_for_a_server_that_refuses(tmp_path):
    note = tmp_path / "note"
    async with scene(answering(a_web_page)) as at:
        remote = at.remote(on_wanted=f"touch {note}")
        ready = asyncio.create_task(remote.ready())
        while len(at.clock.slept) < 5:
            await asyncio.sleep(0.001)
        ready.cancel()
        assert not note.exists()
        assert set(at.clock.slept) == {300}


def test_pauses_are_short_while_it_is_off_and_long_while_refused():
    assert http_encoder._LONGEST_S <= 60 <= http_encoder._REFUSED_S
