"""Decoding at a distance: a few child processes, each of which may be killed at any time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

import msgspec

from imgvecd.config.schema import DecodeConfig
from imgvecd.core.duplicates import detail
from imgvecd.core.files.beneath import open_file
from imgvecd.errors import PASSING_ERRNOS, UnreadableImageError, WorkerError
from imgvecd.processes.framing import Buffer
from imgvecd.processes.opening import Opening
from imgvecd.processes.processor_limit import within
from imgvecd.processes.worker import Worker
from imgvecd.processes.worker_messages import (
    Answer,
    DecodeArguments,
    Decoded,
    DecodeReady,
    DecodeRequest,
    Examined,
    ExamineRequest,
    Failed,
    SidecarRead,
    SidecarRequest,
    Thumbnail,
    ThumbnailRequest,
)
from imgvecd.types import (
    DecodedImage,
    ExaminedImage,
    Facts,
    Lane,
    PreprocessSpec,
    Priority,
    Stamp,
)

logger = logging.getLogger(__name__)

_START_S = 60.0  # importing Pillow takes a tenth of a second; a drowning machine takes longer
# Workers beyond those that index, for whoever searches by a picture or looks at thumbnails: they do
# not wait for a folder of panoramas.
_MOST_INTERACTIVE = 2
_MOST_WORKERS = 16  # by default: a single disk feeds no more
_DECODES_PER_WORKER = 5_000  # then a fresh one, against whatever a C library leaks
_MOST_BYTES = 16 << 20  # of an answer: pixels for the largest models are 3 MB, thumbnails less
_ENVIRONMENT = {
    # address space is what is limited, and each thread's stack and arena take some
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}


_Request: TypeAlias = DecodeRequest | ExamineRequest | ThumbnailRequest | SidecarRequest


class _DiedError(Exception):
    """A worker died over a picture, having started well."""


class DecoderPool:
    """A `protocols.Decoder` over child processes that are started on demand and stopped when idle.

    Thread-safety: the event loop's thread only.

    Args:
        priority: of the workers.
        opener: opens a file of the library by its path; see `FileOpener.open`.
        module: of the worker, run with `python -m`.

    Attributes:
        sandbox: what keeps a worker from doing anything but decoding; empty before the first one.
    """

    def __init__(
        self,
        config: DecodeConfig,
        priority: Priority = Priority(),  # noqa: B008  # frozen
        *,
        opener: Callable[[bytes], int] = open_file,
        module: str = "imgvecd.workers.decode",
    ) -> None:
        self.sandbox: tuple[str, ...] = ()
        self._opening = Opening(opener)
        self._config = config
        self._arguments = DecodeArguments(config.memory_mb, priority)
        self._module = module
        self.size = config.workers or _default_size()
        self._slots = {
            Lane.BULK: asyncio.Semaphore(self.size),
            Lane.INTERACTIVE: asyncio.Semaphore(min(self.size, _MOST_INTERACTIVE)),
        }
        self._idle: list[Worker] = []
        self._decodes: dict[Worker, int] = {}  # of every worker that was started and not ended
        self._ending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        """How many worker processes there are."""
        return len(self._decodes)

    async def decode(self, path: bytes, stamp: Stamp | None, spec: PreprocessSpec) -> DecodedImage:
        """See `protocols.Decoder.decode`."""
        request = DecodeRequest(stamp, spec, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            return await self._decoded(request, file=file)

    async def decode_bytes(self, data: bytes, spec: PreprocessSpec) -> DecodedImage:
        """See `protocols.Decoder.decode_bytes`."""
        request = DecodeRequest(None, spec, self._config.max_pixels)
        return await self._decoded(request, (data,))

    async def examine(self, path: bytes, stamp: Stamp) -> ExaminedImage:
        """See `protocols.Decoder.examine`."""
        request = ExamineRequest(stamp, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            return await self._examined(request, file=file)

    async def examine_bytes(self, data: bytes) -> ExaminedImage:
        """See `protocols.Decoder.examine_bytes`."""
        return await self._examined(ExamineRequest(None, self._config.max_pixels), (data,))

    async def thumbnail(self, path: bytes, stamp: Stamp, size: int) -> bytes:
        """See `core.library.thumbnails.Thumbnailer.thumbnail`."""
        request = ThumbnailRequest(stamp, size, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            _, picture = await self._run(request, file=file)
        return picture

    async def read_sidecar(self, path: bytes, stamp: Stamp) -> Facts:
        """See `protocols.Decoder.read_sidecar`."""
        async with self._opened(path, stamp) as file:
            request = SidecarRequest(stamp, "json" if path.lower().endswith(b".json") else "xmp")
            answer, _ = await self._run(request, file=file)
        assert isinstance(answer, SidecarRead)  # noqa: S101  # it fits
        return answer.facts

    async def close(self) -> None:
        """Stop every worker; a later decode starts new ones."""
        for worker in list(self._decodes):
            if worker not in self._idle:
                worker.kill()
        self._stop_idle()
        while self._ending:
            await asyncio.wait(self._ending)

    @contextlib.asynccontextmanager
    async def _opened(self, path: bytes, stamp: Stamp | None) -> AsyncIterator[int]:
        """Open a file for a worker, which cannot itself.

        Raises:
            UnreadableImageError: it cannot be opened.
        """
        try:
            async with asyncio.timeout(self._config.timeout_s):
                file = await self._opening.descriptor(path)
        except TimeoutError:
            raise UnreadableImageError("changed", "its drive does not answer") from None
        except OSError as error:
            gone = stamp is not None and error.errno in PASSING_ERRNOS
            reason = "changed" if gone else "unreadable"
            raise UnreadableImageError(reason, error.strerror or str(error)) from error
        try:
            yield file
        finally:
            os.close(file)

    async def _decoded(
        self, request: DecodeRequest, body: Sequence[Buffer] = (), file: int | None = None
    ) -> DecodedImage:
        answer, pixels = await self._run(request, body, file)
        assert isinstance(answer, Decoded)  # noqa: S101  # it fits
        return DecodedImage(answer.info, pixels)

    async def _examined(
        self, request: ExamineRequest, body: Sequence[Buffer] = (), file: int | None = None
    ) -> ExaminedImage:
        answer, pixels = await self._run(request, body, file)
        assert isinstance(answer, Examined)  # noqa: S101  # it fits
        return ExaminedImage(answer.info, answer.facts, answer.side, pixels)

    async def _run(
        self, request: _Request, body: Sequence[Buffer] = (), file: int | None = None
    ) -> tuple[Answer, bytes]:
        async with self._slots[_lane(request)]:
            try:
                answer, pixels = await self._ask(await self._worker(), request, body, file)
            except _DiedError as died:
                # it may have been killed for another's sake: one more chance
                logger.info("%s; trying again", died)
                worker = await self._start()
                try:
                    answer, pixels = await self._ask(worker, request, body, file)
                except _DiedError as again:
                    raise UnreadableImageError("crash", f"decoding it fails: {again}") from again
        if isinstance(answer, Failed):
            raise UnreadableImageError(answer.reason, answer.message)
        return answer, pixels

    async def _ask(
        self,
        worker: Worker,
        request: _Request,
        body: Sequence[Buffer],
        file: int | None,
    ) -> tuple[Answer, bytes]:
        if file is not None:
            os.lseek(file, 0, os.SEEK_SET)  # a worker that died has read of it
        healthy = False
        try:
            work = worker.ask(request, body, file)
            answer, pixels = await within(self._config.timeout_s, worker.pid, work)
            if not _fits(request, answer, pixels):
                raise _DiedError("the decoder answered what was not asked")
            self._decodes[worker] += 1
            # after a lack of memory its heap is in pieces: the next picture deserves a fresh one
            healthy = not (isinstance(answer, Failed) and answer.reason == "memory")
        except TimeoutError as late:
            raise UnreadableImageError("timeout", f"decoding: {late}") from None
        except WorkerError as error:
            raise _DiedError(str(error)) from error
        finally:  # a worker that still owes an answer, since the caller went away, cannot be reused
            if healthy and self._decodes[worker] < _DECODES_PER_WORKER:
                self._keep_idle(worker)
            else:
                self._discard(worker)
        return answer, pixels

    async def _worker(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            self._discard(worker)
        return await self._start()

    async def _start(self) -> Worker:
        """Return a worker that is ready: what goes wrong from there on is the picture's fault."""
        worker = await Worker.start(
            "decoder",
            self._module,
            [msgspec.json.encode(self._arguments).decode()],
            environment=_ENVIRONMENT,
            on_line=lambda line: logger.debug("decoder: %s", line),
            most_bytes=_MOST_BYTES,
        )
        self._decodes[worker] = 0
        ready = False
        try:
            async with asyncio.timeout(_START_S):
                answer, _ = await worker.answer()
            ready = isinstance(answer, DecodeReady)
            self.sandbox = answer.sandbox if isinstance(answer, DecodeReady) else ()
        except TimeoutError:
            raise WorkerError("the decoder does not start") from None
        finally:
            if not ready:
                self._discard(worker)
        return worker

    def _keep_idle(self, worker: Worker) -> None:
        self._idle.append(worker)
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._config.idle_s, self._stop_idle)

    def _stop_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for worker in self._idle:
            self._end(worker)
        self._idle.clear()

    def _discard(self, worker: Worker) -> None:
        worker.kill()
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        """Have the worker stop in the background."""
        del self._decodes[worker]
        task = asyncio.create_task(worker.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _lane(request: _Request) -> Lane:
    """Return who waits: a person for thumbnails and for what is not in the library."""
    asked = isinstance(request, ThumbnailRequest) or request.stamp is None
    return Lane.INTERACTIVE if asked else Lane.BULK


def _fits(request: _Request, answer: Answer, body: bytes) -> bool:
    """Return whether it is an answer to the request: bad bytes may have taken over the worker."""
    match request, answer:
        case (DecodeRequest(), Decoded()):
            return len(body) == 3 * request.spec.size**2
        case (ExamineRequest(), Examined()):
            return 0 < answer.side <= detail.SIDE and len(body) == 3 * answer.side**2
        case (ThumbnailRequest(), Thumbnail()) | (SidecarRequest(), SidecarRead()) | (_, Failed()):
            return True
    return False


def _default_size() -> int:
    """Return one worker per core.

    With a small model decoding is most of the work; with a large one they mostly wait.
    """
    return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
