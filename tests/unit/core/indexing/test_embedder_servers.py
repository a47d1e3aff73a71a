"""Encoders elsewhere beside the one here: each at its own pace, and nothing lost."""

import asyncio
import contextlib

import numpy as np
import pytest
from fakes import MODEL, vector_of
from running import DEADLINE_S

from imgvecd.core.files.hashing import hash_pixels
from imgvecd.core.indexing import Embedder
from imgvecd.core.indexing import embedder as embedder_module
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.errors import EncoderAwayError, WorkerError
from imgvecd.types import DecodedImage, FileRow, ImageInfo, Stamp


class Work:
    """A queue of contents in memory, whose pixels are their numbers."""

    def __init__(self, count):
        self.waiting = list(range(1, count + 1))
        self.vectors = {}
        self.failures = []
        self.again = []

    def contents_to_encode(self, fingerprint, limit, skip):
        todo = [i for i in self.waiting if i not in skip][:limit]
        return [(i, FileRow(i, 1, b"", b"%d" % i, Stamp(1, 1, i, 1), i, False)) for i in todo]

    def vectors_of_pixels(self, fingerprint, digests):
        return {}

    def encode_again(self, fingerprint, digests):
        ids = [i for i in self.vectors if hash_pixels(b"%d" % i) in digests]
        for content_id in ids:
            del self.vectors[content_id]
        self.waiting += ids
        self.again += ids
        return len(ids)

    def commit_embeddings(self, fingerprint, encoded, vectors, failures, pixels):
        for (content_id, _), vector in zip(encoded, vectors, strict=True):
            assert content_id not in self.vectors  # none is encoded twice
            self.vectors[content_id] = vector
        self.failures += failures
        done = {content_id for content_id, _ in encoded} | {failure[0] for failure in failures}
        self.waiting = [i for i in self.waiting if i not in done]
        return 1


class Decoder:
    count = 0

    async def decode(self, path, stamp, spec):
        await asyncio.sleep(0)
        self.count += 1
        return DecodedImage(ImageInfo("jpeg", 4, 4), path)


class Encoder:
    """Takes `ms` an image; also a server, when it is on."""

    in_flight = 2
    undecided = False
    loaded_for_images = True

    def __init__(self, ms=0.0, batch=4, poison=()):
        self.ms, self.batch, self.poison = ms, batch, poison
        self.count = 0
        self.on = asyncio.Event()
        self.on.set()
        self.waited = 0
        self.expected = 0
        self.checks = 0

    def when_wrong(self, told):
        self.found_wrong = told

    def expect_images(self):
        self.expected += 1

    async def ready(self):
        self.waited += not self.on.is_set()
        await self.on.wait()

    async def encode_images(self, pixels, lane):
        await asyncio.sleep(self.ms * len(pixels) / 1000)
        if not self.on.is_set():
            raise EncoderAwayError("it sleeps")
        if any(path in self.poison for path in pixels):
            raise WorkerError("the encoder died")
        self.count += len(pixels)
        self.loaded_for_images = True
        return np.stack([vector_of(path) for path in pixels])


@contextlib.asynccontextmanager
async def embedding(work, here, servers, gate=None, decoder=None, **options):
    done = asyncio.Event()
    embedder = Embedder(
        work,
        decoder or Decoder(),
        here,
        MODEL,
        gate=gate or IndexingGate(),
        path_of=lambda file: file.name,
        in_flight=8,
        on_committed=lambda: None,
        on_stale=lambda files: None,
        on_idle=done.set,
        servers=servers,
        **options,
    )
    running = asyncio.create_task(embedder.run())
    try:
        yield embedder, done
    finally:
        running.cancel()
        await asyncio.wait([running])


async def finish(work, count, done):
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert sorted(work.vectors) == list(range(1, count + 1))
    assert all((vector == vector_of(b"%d" % i)).all() for i, vector in work.vectors.items())
    assert work.failures == []


async def test_encoders_work_together_each_at_its_pace():
    work, here, quick, slow = Work(600), Encoder(ms=2), Encoder(ms=1), Encoder(ms=40)
    async with embedding(work, here, [quick, slow]) as (_, done):
        await finish(work, 600, done)
    assert here.count + quick.count + slow.count == 600
    assert quick.count > 2 * slow.count > 0
    assert here.count > 20


async def test_what_a_server_takes_at_once_is_not_encoded_here():
    work, here, server = Work(6), Encoder(), Encoder(batch=16)
    async with embedding(work, here, [server]) as (_, done):
        await finish(work, 6, done)
    assert (here.count, server.count) == (0, 6)


async def test_without_its_server_all_is_encoded_here():
    work, here, server = Work(100), Encoder(), Encoder()
    server.on.clear()
    async with embedding(work, here, [server]) as (_, done):
        await finish(work, 100, done)
    assert (here.count, server.count) == (100, 0)


async def test_where_it_waits_nothing_is_encoded_here():
    work, here, server = Work(100), Encoder(), Encoder()
    server.on.clear()
    async with embedding(work, here, [server], encodes_here=False) as (embedder, done):
        while not server.waited:
            await asyncio.sleep(0.001)
        assert embedder.busy
        assert not work.vectors
        server.on.set()
        await finish(work, 100, done)
    assert (here.count, server.count) == (0, 100)


@pytest.mark.parametrize("encodes_here", [True, False])
async def test_a_server_that_comes_and_goes_loses_nothing(encodes_here):
    work, here, server = Work(400), Encoder(ms=0.5), Encoder(ms=0.2)
    async with embedding(work, here, [server], encodes_here=encodes_here) as (_, done):
        for _ in range(20):
            seen = server.count
            server.on.set()
            while server.count == seen and not done.is_set():
                await asyncio.sleep(0.001)
            server.on.clear()
            await asyncio.sleep(0.002)
        server.on.set()
        await finish(work, 400, done)
    if not encodes_here:
        assert here.count == 0


async def test_who_never_comes_back_has_its_images_encoded_by_others():
    work, here, first, second = Work(200), Encoder(), Encoder(ms=1), Encoder(ms=1)
    async with embedding(work, here, [first, second], encodes_here=False) as (_, done):
        while not first.count:
            await asyncio.sleep(0.001)
        first.on.clear()
        await finish(work, 200, done)


async def test_a_picture_that_kills_a_servers_worker_fails_alone():
    work, here, server = Work(40), Encoder(), Encoder(poison={b"17"})
    async with embedding(work, here, [server], encodes_here=False) as (_, done):
        await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert [(content_id, reason) for content_id, reason, _ in work.failures] == [(17, "encoder")]
    assert len(work.vectors) == 39


class PausedAfter:
    """A gate that lets some through, and the others once it is opened."""

    def __init__(self, count):
        self.left = count
        self.asked = 0
        self.opened = asyncio.Event()

    async def over(self):
        self.asked += 1
        self.left -= 1
        if self.left < 0:
            await self.opened.wait()
        return False


async def test_a_machine_is_not_woken_while_indexing_rests():
    work, here, server = Work(3), Encoder(), Encoder()
    server.on.clear()
    gate = PausedAfter(3)  # the decodes
    async with embedding(work, here, [server], gate, encodes_here=False) as (_, done):
        while gate.asked < 4:
            await asyncio.sleep(0.001)
        assert not server.waited
        server.on.set()
        gate.opened.set()
        await finish(work, 3, done)


async def test_before_the_encoder_is_loaded_more_is_decoded_within_a_bound(monkeypatch):
    monkeypatch.setattr(embedder_module, "_DECODED_BYTES", 50 * 3 * MODEL.preprocess.size**2)
    work, here, decoder = Work(300), Encoder(batch=4), Decoder()
    here.loaded_for_images = False
    loaded = asyncio.Event()
    plain = here.encode_images

    async def encode_images(pixels, lane):
        await loaded.wait()
        return await plain(pixels, lane)

    here.encode_images = encode_images
    async with embedding(work, here, [], decoder=decoder) as (embedder, done):
        async with asyncio.timeout(DEADLINE_S):
            while embedder._decoded.qsize() < 50:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # the rest stays where it is
        assert here.expected
        assert 50 <= embedder._decoded.qsize() <= 50 + 8  # which were in flight
        here.loaded_for_images = True
        loaded.set()
        await finish(work, 300, done)


async def test_a_few_pictures_that_wait_for_busy_servers_load_nothing_here():
    work, here, server = Work(12), Encoder(), Encoder(ms=20, batch=1)
    here.loaded_for_images = False
    async with embedding(work, here, [server]) as (_, done):
        await finish(work, 12, done)
    assert (here.count, server.count) == (0, 12)


async def test_where_servers_have_too_much_to_do_the_encoder_here_is_loaded(monkeypatch):
    monkeypatch.setattr(embedder_module, "_COLD_S", 0.05)
    work, here, server = Work(100), Encoder(), Encoder(ms=20, batch=1)
    here.loaded_for_images = False
    async with embedding(work, here, [server]) as (_, done):
        await finish(work, 100, done)
    assert here.count > server.count > 0


@pytest.mark.parametrize(("count", "expected"), [(3, False), (4, True), (100, True)])
async def test_for_a_batch_the_encoder_is_loaded_before_it_is_decoded(count, expected):
    work, here = Work(count), Encoder(batch=4)
    async with embedding(work, here, []) as (_, done):
        await finish(work, count, done)
    assert bool(here.expected) is expected


async def test_where_servers_encode_nothing_is_loaded_here():
    work, here, server = Work(100), Encoder(), Encoder()
    async with embedding(work, here, [server], encodes_here=False) as (_, done):
        await finish(work, 100, done)
    assert not here.expected


class CheckedServer(Encoder):
    """Encodes wrongly from some image on, which a check finds out some images later.

    Args:
        wrong_after: images.
        every: images between checks.
    """

    def __init__(self, wrong_after, every):
        super().__init__()
        self.wrong_after, self.every = wrong_after, every
        self.sent = 0
        self.due_at = 0
        self.given = []
        self.proved = set()  # what it gave before it was found right for the last time

    async def encode_images(self, pixels, lane):
        wrong, due = self.sent >= self.wrong_after, self.sent >= self.due_at
        self.sent += len(pixels)
        self.due_at += self.every if due else 0
        rows = await super().encode_images(pixels, lane)
        if wrong and due:
            self.on.clear()
            self.found_wrong()
            raise EncoderAwayError("it encodes wrongly")
        if due:
            self.checks += 1
            self.proved = set(self.given)
        self.given += map(int, pixels)
        return np.roll(rows, 1, axis=1) if wrong else rows


async def test_what_a_server_gave_since_it_was_right_is_encoded_again():
    work, here, server = Work(400), Encoder(ms=1), CheckedServer(100, 60)
    async with embedding(work, here, [server]) as (_, done):
        await finish(work, 400, done)
    assert server.checks == 2  # the third was at image 120
    assert 20 <= len(work.again) <= 80
    assert not set(work.again) & server.proved


async def test_what_may_be_a_copy_of_a_wrong_vector_is_looked_up_again():
    work, here, server = Work(4), Encoder(batch=4), Encoder()
    server.on.clear()
    wrong, looked_up, found_wrong = -vector_of(b"1"), [], asyncio.Event()

    def vectors_of_pixels(fingerprint, digests):
        looked_up.append(len(digests))
        return {hash_pixels(b"1"): wrong} if len(looked_up) == 1 else {}

    encode, encode_again = here.encode_images, work.encode_again

    async def found_wrong_meanwhile(pixels, lane):
        if not found_wrong.is_set():
            server.found_wrong()
            while embedder._withdrawing or not work.again:
                await asyncio.sleep(0.001)
            found_wrong.set()
        return await encode(pixels, lane)

    def again(fingerprint, digests):
        work.again.append(digests)
        return encode_again(fingerprint, digests)

    work.vectors_of_pixels, work.encode_again = vectors_of_pixels, again
    here.encode_images = found_wrong_meanwhile
    async with embedding(work, here, [server]) as (embedder, done):
        await finish(work, 4, done)
    assert looked_up == [4, 1]


async def test_a_stop_withdraws_what_it_has_to():
    work, here, server = Work(40), Encoder(), Encoder(batch=40)
    async with embedding(work, here, [server], encodes_here=False) as (_, done):
        await asyncio.wait_for(done.wait(), DEADLINE_S)
        assert len(work.vectors) == 40
        server.on.clear()
        server.found_wrong()
    assert sorted(work.again) == list(range(1, 41))
