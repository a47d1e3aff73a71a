"""Child processes that work on pictures at a distance, each of which may be killed at any time."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from imgvecd.core.slots import Slots
from imgvecd.core.threads import asker
from imgvecd.errors import UnreadableImageError, WorkerError
from imgvecd.processes.framing import Buffer
from imgvecd.processes.processor_limit import within
from imgvecd.processes.worker import Worker
from imgvecd.processes.worker_messages import Answer, Failed, PictureWorkerReady, Request
from imgvecd.types import Lane

logger = logging.getLogger(__name__)

_START_S = 60.0  # importing Pillow takes a tenth of a second; a drowning machine takes longer
_ENVIRONMENT = {
    # address space is what is limited, and each thread's stack and arena take some
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

RequestT = TypeVar("RequestT", bound=Request)


class _DiedError(Exception):
    """A worker died over a picture, having started well."""


@dataclass(frozen=True, slots=True)
class WorkerKind(Generic[RequestT]):
    """What the workers of a pool are, and how far they are trusted.

    Attributes:
        name: for a person: "decoder".
        doing: what one does, for the reason of a failure: "decoding".
        module: run with `python -m`.
        arguments: of its command line.
        timeout_s: see `processor_limit.within`.
        idle_s: workers with nothing to do stop after so long.
        most_asked: requests that one answers; then a fresh one, against whatever a C library leaks.
        most_bytes: of an answer's body.
        fits: whether it is an answer to the request: bad bytes may have taken over the worker.
    """

    name: str
    doing: str
    module: str
    arguments: str
    timeout_s: float
    idle_s: float
    most_asked: int
    most_bytes: int
    fits: Callable[[RequestT, Answer, bytes], bool]


class WorkerPool(Generic[RequestT]):
    """Workers that are started on demand and stopped when idle.

    Thread-safety: the event loop's thread only.

    Args:
        slots: how many requests of each lane are worked on at the same time, and of one client.

    Attributes:
        sandbox: what confines a worker; empty before the first one.
    """

    def __init__(self, kind: WorkerKind[RequestT], slots: Mapping[Lane, Slots]) -> None:
        self.sandbox: tuple[str, ...] = ()
        self._kind = kind
        self._slots = slots
        self._idle: list[Worker] = []
        self._asked: dict[Worker, int] = {}  # of every worker that was started and not ended
        self._ending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        """How many worker processes there are."""
        return len(self._asked)

    async def run(
        self,
        request: RequestT,
        body: Sequence[Buffer] = (),
        file: int | None = None,
        lane: Lane = Lane.BULK,
    ) -> tuple[Answer, bytes]:
        """Return a worker's answer, and its body.

        Raises:
            UnreadableImageError: it failed, took too long, or died twice.
            WorkerError: no worker could be started.
        """
        who = asker.get()
        client, is_owner = (None, True) if who is None else (who.client, who.is_owner)
        async with self._slots[lane].slot(client, owner=is_owner):
            try:
                answer, found = await self._ask(await self._worker(), request, body, file)
            except _DiedError as died:
                # it may have been killed for another's sake: one more chance
                logger.info("%s; trying again", died)
                worker = await self._start()
                try:
                    answer, found = await self._ask(worker, request, body, file)
                except _DiedError as again:
                    message = f"{self._kind.doing} it fails: {again}"
                    raise UnreadableImageError("crash", message) from again
        if isinstance(answer, Failed):
            raise UnreadableImageError(answer.reason, answer.message)
        return answer, found

    async def close(self) -> None:
        """Stop every worker; a later request starts new ones."""
        for worker in list(self._asked):
            if worker not in self._idle:
                worker.kill()
        self._stop_idle()
        while self._ending:
            await asyncio.wait(self._ending)

    async def _ask(
        self, worker: Worker, request: RequestT, body: Sequence[Buffer], file: int | None
    ) -> tuple[Answer, bytes]:
        if file is not None:
            os.lseek(file, 0, os.SEEK_SET)  # a worker that died has read of it
        healthy = False
        kind = self._kind
        try:
            work = worker.ask(request, body, file)
            answer, found = await within(kind.timeout_s, worker.pid, work)
            if not kind.fits(request, answer, found):
                raise _DiedError(f"the {kind.name}'s answer does not fit the request")
            self._asked[worker] += 1
            # after a lack of memory its heap is in pieces: the next picture deserves a fresh one
            healthy = not (isinstance(answer, Failed) and answer.reason == "memory")
        except TimeoutError as late:
            raise UnreadableImageError("timeout", f"{kind.doing}: {late}") from None
        except WorkerError as error:
            raise _DiedError(str(error)) from error
        finally:  # a worker that still owes an answer, since the caller went away, cannot be reused
            if healthy and self._asked[worker] < kind.most_asked:
                self._keep_idle(worker)
            else:
                self._discard(worker)
        return answer, found

    async def _worker(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            self._discard(worker)
        return await self._start()

    async def _start(self) -> Worker:
        """Return a worker that is ready: what goes wrong from there on is the picture's fault."""
        kind = self._kind
        worker = await Worker.start(
            kind.name,
            kind.module,
            [kind.arguments],
            environment=_ENVIRONMENT,
            on_line=lambda line: logger.debug("%s: %s", kind.name, line),
            most_bytes=kind.most_bytes,
        )
        self._asked[worker] = 0
        ready = False
        try:
            async with asyncio.timeout(_START_S):
                answer, _ = await worker.answer()
            ready = isinstance(answer, PictureWorkerReady)
            self.sandbox = answer.sandbox if isinstance(answer, PictureWorkerReady) else ()
        except TimeoutError:
            raise WorkerError(f"the {kind.name} does not start") from None
        finally:
            if not ready:
                self._discard(worker)
        return worker

    def _keep_idle(self, worker: Worker) -> None:
        self._idle.append(worker)
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._kind.idle_s, self._stop_idle)

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
        del self._asked[worker]
        task = asyncio.create_task(worker.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
