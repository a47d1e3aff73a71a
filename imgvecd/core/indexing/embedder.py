"""Stage two: contents without an embedding are decoded, encoded in batches and committed."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from imgvecd.core.files.hashing import hash_pixels
from imgvecd.core.indexing.batches import EncodeFailure, Ready, encode_or_blame, gather
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.threads import BULK
from imgvecd.core.timing.duration_histogram import DurationHistogram
from imgvecd.core.timing.retrying import DISK_LONGEST_S, Retrying
from imgvecd.core.timing.throughput import Rate
from imgvecd.errors import (
    CatalogError,
    EncoderAwayError,
    ModelError,
    UnreadableImageError,
    WorkerError,
)
from imgvecd.protocols import Decoder, Encoder, RemoteEncoder, WorkQueue
from imgvecd.types import FileRow, Float32Array, ModelInfo

logger = logging.getLogger(__name__)

# 16 images take 0.1 s on a GPU, half a second to two on a CPU; loading may come before them.
_MOST_TIMEOUTS = 3  # of one content: the machine may have had no time, and has it later

_BATCH_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# Contents taken from the queue at once: each look passes over all that offline roots have in it,
# which takes a third of a second for 100,000.
_LOOK_AHEAD = 500
_DECODED_BYTES = 24 << 20  # of pixels that wait for the encoder to be loaded
_LEFT_OVER_S = 0.02  # between two looks at whether servers leave something to the encoder here
# So long what is decoded waits for busy servers before a model is loaded here, which takes as long.
_COLD_S = 5.0
_STALE_S = 5.0  # newer ones go before those of a look that is older


# A commit takes milliseconds; where the disk refuses, it would be tried again without end.
_LAST_COMMIT_S = 5.0

_Vectors: TypeAlias = tuple[dict[int, Float32Array], list[EncodeFailure]]


class VectorsElsewhere(Protocol):
    """Knows vectors that others have made of pixels. Thread-safe; blocks."""

    def of_pixels(self, fingerprint: str, digests: Sequence[bytes]) -> dict[bytes, Float32Array]:
        """Return the vectors that the model gave pixels, by digest, here or elsewhere."""
        ...

    def refuted(
        self, fingerprint: str, known: Collection[bytes], encoded: Mapping[bytes, Float32Array]
    ) -> set[bytes]:
        """Return those of `known` that cannot be believed, by what was `encoded` here."""
        ...


@dataclass
class _Stretch:
    """What a server gave between two checks of it.

    Attributes:
        checks: how many there were before.
        digests: of the pixels.
        wrong: whether it was found to encode wrongly at the end.
    """

    checks: int = 0
    digests: list[bytes] = field(default_factory=list)
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A batch on its way to the catalog.

    Attributes:
        known: vectors by content id, as others gave them for the same pixels.
        vectors: those that were just made.
        pixels: hashes of what the model was given, by content id.
        stretches: of the server that encoded it.
        withdrawn: how often vectors of a server had been withdrawn when `known` was looked up.
    """

    ready: list[Ready]
    known: dict[int, Float32Array]
    vectors: dict[int, Float32Array]
    failures: list[EncodeFailure]
    pixels: dict[int, bytes]
    stretches: list[_Stretch]
    withdrawn: int


@dataclass(frozen=True, slots=True)
class _Withdrawn:
    """Pixels whose vectors a server gave that encodes wrongly; takes its turn after batches."""

    digests: list[bytes]


class Embedder:
    """Keeps decoders and encoders busy while any content lacks its embedding.

    What is decoded is taken by whichever encoder is free, each at its own pace: servers elsewhere
    first, the encoder here has what they leave. A server that goes away gives back what it had.

    Args:
        model: whose embeddings are made.
        servers: that encode images, too.
        encodes_here: whether `encoder` does; else images wait for the servers.
        gate: the gate in front of every decode and every batch.
        in_flight: decodes running or waiting at the same time.
        on_committed: called after each batch (in the event loop).
        on_stale: called with files that are not on disk as the catalog has them.
        on_idle: called when nothing is left to encode.
        elsewhere: what knows vectors of others; None for the catalog alone.

    Attributes:
        busy: whether anything that can be encoded is not yet.
        rate: of images encoded.
        batch_times: of encoding a batch, loading the model and repeats included.
        servers: as given.
        room: set while the queue is short, cleared while it is long enough.
    """

    def __init__(
        self,
        work: WorkQueue,
        decoder: Decoder,
        encoder: Encoder,
        model: ModelInfo,
        *,
        gate: IndexingGate,
        path_of: Callable[[FileRow], bytes],
        in_flight: int,
        on_committed: Callable[[], None],
        on_stale: Callable[[list[FileRow]], None],
        on_idle: Callable[[], None],
        servers: Sequence[RemoteEncoder] = (),
        encodes_here: bool = True,
        elsewhere: VectorsElsewhere | None = None,
    ) -> None:
        self._work = work
        self._elsewhere = elsewhere
        self._vectors_of_pixels = elsewhere.of_pixels if elsewhere else work.vectors_of_pixels
        self._decoder = decoder
        self._encoder = encoder
        self.servers = tuple(servers)
        self._stretches = {server: _Stretch(server.checks) for server in self.servers}
        for server in self.servers:
            server.when_wrong(functools.partial(self._withdraw, server))
        self._encodes_here = encodes_here
        self._served = 0  # servers that wait for images to be decoded, by each of their batches
        self._at_servers = 0  # batches that they have
        self._arrived = asyncio.Event()
        self._model = model
        self._gate = gate
        self._path_of = path_of
        self._on_committed = on_committed
        self._on_stale = on_stale
        self._on_idle = on_idle
        self._in_flight = in_flight
        self._slots = asyncio.Semaphore(in_flight)
        self._decoded: asyncio.Queue[Ready | EncodeFailure] = asyncio.Queue()
        self._fewer_decoded = asyncio.Event()
        self._encoded: asyncio.Queue[_Encoded | _Withdrawn] = asyncio.Queue(1)
        self._withdrawing: set[asyncio.Task[None]] = set()
        self._withdrawals = 0
        self._committing: asyncio.Task[None] | None = None
        self._working: set[int] = set()
        self._stale: dict[int, FileRow] = {}  # as they were when they were doubted
        self._late: dict[int, FileRow] = {}  # took too long: again when all else is done
        self._timeouts: collections.Counter[int] = collections.Counter()
        self._decoding = 0
        self._wake = asyncio.Event()
        self._decodes = Retrying(WorkerError)
        self._encodes = Retrying(ModelError)
        self._queue_reads = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self._commits = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self.rate = Rate()
        self.batch_times = DurationHistogram(_BATCH_BOUNDS_S)
        self.room = asyncio.Event()
        self.room.set()
        self.busy = True

    @property
    def error(self) -> str | None:
        """Why nothing is being encoded; None when all is well."""
        troubles = (self._commits, self._queue_reads, self._encodes, self._decodes)
        return next((trouble.error for trouble in troubles if trouble.error), None)

    def wake(self) -> None:
        """Look at the queue again; contents whose file was in doubt get another chance."""
        self.busy = True
        self._stale.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; what is encoded by then is committed, if the catalog takes it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(tasks))
                if self._encodes_here:
                    tasks.create_task(self._encode_here())
                for server in self.servers:
                    for _ in range(server.in_flight):
                        tasks.create_task(self._encode_at(server))
                tasks.create_task(self._commit_batches())
        finally:
            if self._committing is not None:
                await asyncio.wait({self._committing}, timeout=_LAST_COMMIT_S)
                self._committing.cancel()
            while self._withdrawing or not self._encoded.empty():
                if self._encoded.empty():
                    await asyncio.sleep(0)  # for who waits for room there
                    continue
                with contextlib.suppress(CatalogError):
                    await self._take_in(self._encoded.get_nowait())

    async def _feed(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            working, stale = set(self._working), dict(self._stale)
            count = 2 * (self._batches + self._in_flight)
            most = max(count, _LOOK_AHEAD)
            todo = await self._queue_reads.call(BULK.run, self._next_contents, most, working, stale)
            looked_at = time.monotonic()
            if len(todo) < count:
                self.room.set()
            else:
                self.room.clear()
            for taken, (content_id, file) in enumerate(todo):
                outdated = time.monotonic() > looked_at + _STALE_S
                if taken >= count and outdated and self._wake.is_set():
                    break  # what is new comes first
                await self._slots.acquire()
                await self._enough_decoded_taken()
                if await self._gate.over():  # it took a while: other things may be to be done
                    self._slots.release()
                    break
                if taken == 0 and self._encodes_here and len(todo) >= self._encoder.batch:
                    self._encoder.expect_images()
                self._working.add(content_id)
                self._decoding += 1
                tasks.create_task(self._decode(content_id, file))
            if not todo:
                if self._late and not self._decoding:
                    await self._decode_alone()
                    continue
                self._tell_if_idle()
                await self._wake.wait()

    async def _decode_alone(self) -> None:
        """Decode once more what took too long beside other work."""
        content_id, file = self._late.popitem()
        await self._slots.acquire()
        self._decoding += 1
        await self._decode(content_id, file)

    def _tell_if_idle(self) -> None:
        if not self._working and not self._wake.is_set():
            self.busy = False
            self._on_idle()

    def _next_contents(
        self, count: int, working: set[int], stale: dict[int, FileRow]
    ) -> list[tuple[int, FileRow]]:
        limit = count + len(stale)
        found = self._work.contents_to_encode(self._model.fingerprint, limit, working)
        # a file that moved while it was on its way was looked for in the wrong place: no doubt
        return [item for item in found if stale.get(item[0]) != item[1]][:count]

    async def _enough_decoded_taken(self) -> None:
        """Return once fewer than two batches wait: then the encoder finds the next one ready.

        While it is being loaded, more may.
        """
        while self._decoded.qsize() >= self._enough_decoded():
            self._fewer_decoded.clear()
            await self._fewer_decoded.wait()

    def _enough_decoded(self) -> int:
        enough = 2 * self._batches
        if self._encodes_here and not self._encoder.loaded_for_images:
            return max(enough, _DECODED_BYTES // (3 * self._model.preprocess.size**2))
        return enough

    async def _decode(self, content_id: int, file: FileRow) -> None:
        path, spec = self._path_of(file), self._model.preprocess
        try:
            image = await self._decodes.call(self._decoder.decode, path, file.stamp, spec)
        except UnreadableImageError as error:
            if error.reason == "changed":
                self._working.discard(content_id)
                self._timeouts.pop(content_id, None)
                self._stale[content_id] = file
                self._on_stale([file])
                self._wake.set()
            elif error.reason == "unreadable":
                await self._fail(content_id, file, error)
            elif error.reason == "timeout" and self._may_try_again(content_id):
                self._late[content_id] = file
                self._wake.set()
            else:
                self._put(EncodeFailure(content_id, error.reason, str(error)))
        else:
            self._timeouts.pop(content_id, None)
            self._put(Ready(content_id, image))
        finally:
            self._decoding -= 1
            self._slots.release()

    def _may_try_again(self, content_id: int) -> bool:
        self._timeouts[content_id] += 1
        if self._timeouts[content_id] < _MOST_TIMEOUTS:
            return True
        del self._timeouts[content_id]
        return False

    async def _fail(self, content_id: int, file: FileRow, error: UnreadableImageError) -> None:
        """Record that the file cannot be read; another one with the same bytes may do."""
        failed = [(file, error.reason, str(error))]
        await self._commits.call(BULK.run, self._work.fail_files, failed)
        logger.warning("image %d: its file cannot be read any more: %s", content_id, error)
        self._working.discard(content_id)
        self._on_committed()
        self._wake.set()

    @property
    def _batches(self) -> int:
        """How many images all encoders together take next."""
        here = self._encoder.batch if self._encodes_here or not self.servers else 0
        return here + sum(server.batch for server in self.servers)

    def _put(self, *items: Ready | EncodeFailure) -> None:
        for item in items:
            self._decoded.put_nowait(item)
        self._arrived.set()

    async def _some_decoded(self) -> None:
        while self._decoded.empty():
            self._arrived.clear()
            await self._arrived.wait()

    async def _left_over(self) -> None:
        """Return once something is decoded that no server is about to take."""
        since = time.monotonic()
        while True:
            if self._decoded.empty():
                await self._some_decoded()
                since = time.monotonic()
            await asyncio.sleep(0)  # servers that were told at the same time come first
            if not (self._served or any(server.undecided for server in self.servers)):
                is_cold = self._at_servers and not self._encoder.loaded_for_images
                if not is_cold or time.monotonic() - since >= _COLD_S:
                    return
            await asyncio.sleep(_LEFT_OVER_S)

    async def _encode_here(self) -> None:
        def encode(ready: list[Ready]) -> Awaitable[_Vectors]:
            return self._encodes.call(encode_or_blame, self._encoder, ready)

        while True:
            await self._left_over()
            await self._encode(*await self._gather(self._encoder.batch), encode)

    async def _encode_at(self, server: RemoteEncoder) -> None:
        def encode(ready: list[Ready]) -> Awaitable[_Vectors]:
            return encode_or_blame(server, ready)

        while True:
            await self._some_decoded()
            await self._gate.over()  # a machine is not woken for what rests
            await server.ready()
            self._served += 1
            try:
                ready, failures = await self._gather(server.batch)
            finally:
                self._served -= 1
            self._at_servers += 1
            try:
                await self._encode(ready, failures, encode, server)
            except EncoderAwayError as error:
                logger.info("%d images go back to the queue: %s", len(ready), error)
                self._put(*ready, *failures)
            finally:
                self._at_servers -= 1

    async def _gather(self, size: int) -> tuple[list[Ready], list[EncodeFailure]]:
        gathered = await gather(self._decoded, size, lambda: self._decoding > 0)
        self._fewer_decoded.set()
        return gathered

    async def _encode(
        self,
        ready: list[Ready],
        failures: list[EncodeFailure],
        encode: Callable[[list[Ready]], Awaitable[_Vectors]],
        server: RemoteEncoder | None = None,
    ) -> None:
        pixels, withdrawn = await BULK.run(_pixel_hashes, ready), self._withdrawals
        known = await self._known(pixels)
        unknown = [item for item in ready if item.content_id not in known]
        await self._gate.over()
        began = time.monotonic()
        vectors, broken = await encode(unknown)
        stretches = [self._noted(server, vectors, pixels)]
        doubted = await self._doubted(pixels, known, vectors)
        if doubted:
            again, more_broken = await encode([r for r in ready if r.content_id in doubted])
            stretches.append(self._noted(server, again, pixels))
            known = {i: vector for i, vector in known.items() if i not in doubted}
            vectors, broken = vectors | again, broken + more_broken
        if unknown:
            self.batch_times.add(time.monotonic() - began)
        self.rate.add(len(vectors))
        failures = failures + broken
        await self._encoded.put(
            _Encoded(ready, known, vectors, failures, pixels, stretches, withdrawn)
        )

    def _noted(
        self, server: RemoteEncoder | None, vectors: Collection[int], pixels: Mapping[int, bytes]
    ) -> _Stretch:
        """Note that a server gave these, at once: it may be found wrong at any time."""
        if server is None:
            return _Stretch()
        stretch = self._stretches[server]
        if stretch.checks != server.checks:
            stretch = self._stretches[server] = _Stretch(server.checks)
        stretch.digests += [pixels[content_id] for content_id in vectors]
        return stretch

    def _withdraw(self, server: RemoteEncoder) -> None:
        """Have everything encoded again that a server gave since it was right the last time."""
        stretch, self._stretches[server] = self._stretches[server], _Stretch(server.checks)
        stretch.wrong = True
        self.busy = True
        task = asyncio.get_running_loop().create_task(
            self._encoded.put(_Withdrawn(stretch.digests))
        )
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawing.discard)

    async def _commit_batches(self) -> None:
        """Write one batch while the next one is encoded."""
        while True:
            self._committing = asyncio.create_task(self._commit(await self._encoded.get()))
            await asyncio.shield(self._committing)  # a stop lets it end: see `run`

    async def _known(self, pixels: dict[int, bytes]) -> dict[int, Float32Array]:
        """Return the vectors of contents whose very pixels were encoded before, by id.

        An edit that changes only the metadata in a file makes such contents.
        """
        found = await self._commits.call(
            BULK.run,
            self._vectors_of_pixels,
            self._model.fingerprint,
            list(pixels.values()),
        )
        return {
            content_id: found[digest] for content_id, digest in pixels.items() if digest in found
        }

    async def _doubted(
        self,
        pixels: dict[int, bytes],
        known: dict[int, Float32Array],
        vectors: dict[int, Float32Array],
    ) -> set[int]:
        """Return the contents whose known vectors cannot be believed, by those just made."""
        if self._elsewhere is None or not vectors:
            return set()
        refuted = await self._commits.call(
            BULK.run,
            self._elsewhere.refuted,
            self._model.fingerprint,
            {pixels[content_id] for content_id in known},
            {pixels[content_id]: vector for content_id, vector in vectors.items()},
        )
        return {content_id for content_id in known if pixels[content_id] in refuted}

    async def _commit(self, item: _Encoded | _Withdrawn) -> None:
        count = await self._commits.call(self._take_in, item)
        if isinstance(item, _Withdrawn):
            if count:
                logger.error("images to be encoded again, as a server did it wrongly: %d", count)
        else:
            self._working.difference_update(ready.content_id for ready in item.ready)
            self._working.difference_update(failure.content_id for failure in item.failures)
            for failure in item.failures:
                logger.warning("image %d: %s", failure.content_id, failure.message)
            logger.info("indexed %d images (%.1f/s encoded)", count, self.rate.per_s)
        self._on_committed()
        self._wake.set()

    async def _take_in(self, item: _Encoded | _Withdrawn) -> int:
        """Write to the catalog; return how many images have, or have lost, their embeddings."""
        if isinstance(item, _Encoded):
            return await self._write(item)
        count = await BULK.run(
            self._work.encode_again, self._model.fingerprint, sorted(set(item.digests))
        )
        self._withdrawals += 1  # now, since copies were there to be looked up until now
        return count

    async def _write(self, batch: _Encoded) -> int:
        """Write the batch to the catalog; return how many images it has embeddings of.

        What a server gave that was found wrong meanwhile is left out, and so encoded again; so is
        what may be a copy of that.
        """
        vectors: dict[int, Float32Array] = {}
        if batch.withdrawn == self._withdrawals:
            vectors |= batch.known
        if not any(stretch.wrong for stretch in batch.stretches):
            vectors |= batch.vectors
        encoded = [
            (item.content_id, item.image.info) for item in batch.ready if item.content_id in vectors
        ]
        matrix = np.zeros((len(encoded), self._model.dim), np.float32)
        for row, (content_id, _) in enumerate(encoded):
            matrix[row] = vectors[content_id]
        failed = [
            (failure.content_id, failure.reason, failure.message) for failure in batch.failures
        ]
        await BULK.run(
            self._work.commit_embeddings,
            self._model.fingerprint,
            encoded,
            matrix,
            failed,
            batch.pixels,
        )
        return len(encoded)


def _pixel_hashes(ready: Sequence[Ready]) -> dict[int, bytes]:
    return {item.content_id: hash_pixels(item.image.pixels) for item in ready}
