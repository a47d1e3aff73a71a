"""An encode server that answers nonsense, beside one that works: all pictures get right vectors."""

import asyncio
import contextlib
import json
import ssl
import threading
import urllib.request

import msgspec
import numpy as np
import pytest
from aiohttp import web
from encode_servers import RunningEncodeServer, encoded_here, no_failures, stored
from pictures import draw
from ports import free_port

from imgvecd.remote import messages

pytestmark = pytest.mark.long

COUNT = 60


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "photos"
    for number in range(COUNT):
        draw(folder / f"{number}.png", number)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = RunningEncodeServer(tmp_path_factory.mktemp("one") / "server").start()
    yield made
    made.kill()


class RogueServer:
    """Offers what a real server does, over TLS, and answers requests for vectors as it likes.

    Args:
        answer: coroutine function; gets the request and its number of pictures.
        offer: changes what `GET /v1/models` says.

    Attributes:
        asked: how many requests for vectors came.
    """

    def __init__(self, real, answer, offer=lambda told: told):
        self.asked = 0
        context = ssl.create_default_context(cafile=str(real.cert))
        token = real.token_file.read_text().strip()
        headers = {
            "Authorization": f"Bearer {token}",
            messages.PROTOCOL_HEADER: str(messages.PROTOCOL),
        }
        asking = urllib.request.Request(real.url + messages.MODELS, headers=headers)  # noqa: S310
        with urllib.request.urlopen(asking, context=context) as response:  # noqa: S310
            told = json.load(response)
        self.dim = told["models"][0]["info"]["dim"]
        self._told = msgspec.json.encode(offer(told))
        self._answer = answer
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(real.cert, real.key)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=[self._serve()], daemon=True
        )
        self._thread.start()
        assert self._listening.wait(60)

    async def _serve(self):
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get(messages.MODELS, self._models)
        app.router.add_post(messages.IMAGES, self._images)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
        self._over = asyncio.Event()
        self._listening.set()
        await self._over.wait()
        await runner.cleanup()

    async def _models(self, _):
        return web.Response(body=self._told, content_type="application/json")

    async def _images(self, request):
        self.asked += 1
        await request.read()
        return await self._answer(self, request, int(request.headers[messages.COUNT_HEADER]))

    def close(self):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        assert not self._thread.is_alive()


def rows(body):
    headers = {messages.SECONDS_HEADER: "0.01", messages.BATCH_HEADER: "8"}
    return web.Response(body=body, headers=headers, content_type=messages.VECTORS_TYPE)


async def noise(server, request, count):
    return rows(np.random.default_rng(count).bytes(count * server.dim * 4))


async def not_numbers(server, request, count):
    return rows(np.full((count, server.dim), np.nan, "<f4").tobytes())


async def zeros(server, request, count):
    return rows(np.zeros((count, server.dim), "<f4").tobytes())


async def too_few(server, request, count):
    few = np.eye(count, server.dim, dtype="<f4")[:-1]
    return rows(few.tobytes())


async def another_dimension(server, request, count):
    return rows(np.eye(count, server.dim + 1, dtype="<f4").tobytes())


async def a_page(server, request, count):
    return web.Response(text="<html>Welcome to nginx!</html>", content_type="text/html")


async def a_fault(server, request, count):
    raise RuntimeError


async def elsewhere(server, request, count):
    raise web.HTTPFound("http://127.0.0.1:1/")


async def without_end(server, request, count):
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(bytes(1 << 20))
            await asyncio.sleep(0)  # else nothing tells it that nobody listens any more
    return response


async def half(server, request, count):
    response = web.StreamResponse(headers={"Content-Length": str(count * server.dim * 4)})
    await response.prepare(request)
    await response.write(bytes(server.dim))
    request.transport.abort()
    return response


def of_another_version(told):
    return {**told, "protocol": told["protocol"] + 1}


def with_other_weights(told):
    (model,) = told["models"]
    return {**told, "models": [{**model, "info": {**model["info"], "fingerprint": "f" * 16}}]}


def told_of(daemon, url):
    (told,) = [each for each in daemon.status()["encode_servers"] if each["url"] == url]
    return told


def checked(serve, server, many, rogue, state, reason):
    """Have a daemon use both, the one that works after the other has been told."""
    server.kill()
    both = [
        {"url": each.url, "token_file": str(server.token_file), "ca_file": str(server.cert)}
        for each in (rogue, server)
    ]
    daemon = serve(many, encode__remote=json.dumps(both), encode__without_remote="wait")

    def is_told():
        told = told_of(daemon, rogue.url)
        return told["state"] == state and reason in told["reason"]

    try:
        daemon.wait_until(is_told)
    finally:
        server.start()
    daemon.imgvec("retry")
    daemon.wait_until_indexed(COUNT)
    assert told_of(daemon, rogue.url).get("encoded", 0) == 0
    assert told_of(daemon, server.url)["encoded"] == COUNT
    no_failures(daemon)
    assert not encoded_here(daemon)
    assert daemon.stop() == 0
    noted = {bytes.fromhex(line) for line in (server.home / "encoded").read_text().split()}
    kept = set(stored(daemon.state).values())
    assert kept <= noted
    assert len(kept) == COUNT


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (noise, "refused", "not embeddings of length 1"),
        (not_numbers, "refused", "not embeddings of length 1"),
        (zeros, "refused", "not embeddings of length 1"),
        (too_few, "refused", "another size than was asked for"),
        (another_dimension, "refused", "another size than was asked for"),
        (a_page, "refused", "no encode server"),
        (a_fault, "refused", "no encode server"),
        (elsewhere, "refused", "no encode server"),
        (without_end, "refused", "does not end"),
        (half, "unreachable", "connection was lost"),
    ],
)
def test_nonsense_is_not_taken_and_others_go_on(serve, server, many, answer, state, reason):
    rogue = RogueServer(server, answer)
    try:
        checked(serve, server, many, rogue, state, reason)
        assert rogue.asked
    finally:
        rogue.close()


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (of_another_version, "another version of the protocol"),
        (with_other_weights, "other weights"),
    ],
)
def test_who_offers_something_else_is_asked_for_nothing(serve, server, many, offer, reason):
    rogue = RogueServer(server, noise, offer)
    try:
        checked(serve, server, many, rogue, "refused", reason)
        assert not rogue.asked
    finally:
        rogue.close()
