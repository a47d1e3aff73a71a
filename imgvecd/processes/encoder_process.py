"""The encoder at a distance: one child process that holds the model while there is work."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import FETCHING, ModelChoice
from imgvecd.core.library.runtime_choice import RuntimeChoice
from imgvecd.core.threads import BULK
from imgvecd.core.timing.adaptive_batch import AdaptiveBatch
from imgvecd.errors import ModelError, NotBuiltError, NotFetchedError, WorkerError
from imgvecd.processes.backoff import Backoff
from imgvecd.processes.framing import Buffer
from imgvecd.processes.malloc import give_back_free_memory
from imgvecd.processes.priority_lock import PriorityLock
from imgvecd.processes.speed_file import SpeedFile
from imgvecd.processes.worker import Worker
from imgvecd.processes.worker_messages import (
    Answer,
    EncodeArguments,
    EncodeReady,
    Failed,
    ImagesRequest,
    KeepRequest,
    Kept,
    ModelKnown,
    Part,
    TextsRequest,
    Vectors,
)
from imgvecd.types import EncoderSpeed, Float32Array, Lane, ModelInfo, Priority

logger = logging.getLogger(__name__)

_SILENCE_S = 300.0  # of loading: reading 10 GB from a slow disk takes so long; downloads print
_LOG_S = 5.0  # between two lines about a download in the log
_KILL_AGAIN_S = 0.2
_MOST_BYTES = 256 << 20  # of an answer: 4,096 vectors of the largest models are 64 MB
_FLOAT_BYTES = 4
_ANSWER_S = 60.0  # of one step, which should take a second at most, on a drowning machine
_KEEP_S = 600.0  # of converting a tower, which takes some seconds, likewise
_IMAGES_STEP_S = 0.8  # who searches by an image waits a second at most for the step under way
_TEXTS_STEP_S = 0.08  # a waiting text is answered within about 100 ms
# A model that is asked for again is back within a second or two. Who has just made a library tries
# it, thinks, and tries again.
_IDLE_S, _YOUNG_IDLE_S = 300.0, 3600.0
_HURRIED_S = 10.0  # after a search by text, for which this process has to leave off encoding images
# Larger steps gain nothing on a processor and take memory; on a graphics card they do up to here.
_CPU_IMAGES, _GPU_IMAGES = 16, 256
_LEAST_IMAGES = 4  # OpenVINO computes one image as two, and keeps two cores at work with four
_MOST_TEXTS = 256

_Asked: TypeAlias = ImagesRequest | TextsRequest | KeepRequest


class EncoderProcess:
    """A `protocols.Encoder` over a child that is started on demand and stopped when idle.

    Work goes to the child in steps, one at a time: what has somebody waiting for it waits for the
    step under way and no longer. Steps of images are long, since texts are another process's
    business; where this one has to answer them, steps are short while somebody searches. A caller
    that goes away leaves its step running, so that a query's deadline never costs the loaded model.
    Thread-safety: the event loop's thread only.

    Args:
        priority: of the worker.
        young_until_s: the library is young until then, in seconds since 1970: see `idle_s`.
        text_tower: file that the model's text tower is kept in once it was loaded; or empty.
        part: of the model that the worker loads; the towers need no torch.
        image_tower: folder of the image tower, for a worker with that alone.
        build: a tower that is not kept is built from the checkpoint, if that can be done.
        speed_file: keeps how fast images are encoded; or empty.
        module: of the worker, run with `python -m`.

    Attributes:
        may_fetch: see `protocols.Encoder`.
        sandbox: what keeps the worker from doing anything but encoding; None before the first one.
    """

    def __init__(
        self,
        choice: ModelChoice,
        config: EncodeConfig,
        priority: Priority = Priority(),  # noqa: B008  # frozen
        *,
        young_until_s: float = 0.0,
        text_tower: str = "",
        part: Part = "whole",
        image_tower: str = "",
        build: bool = False,
        speed_file: str = "",
        module: str = "imgvecd.workers.encode",
    ) -> None:
        self._choice = choice
        self._config = config
        own = msgspec.structs.replace(config, remote=(), without_remote="local")  # not its business
        self._arguments = EncodeArguments(
            choice, own, priority, part, text_tower, image_tower, build=build
        )
        self._module = module
        self._young_until_s = young_until_s
        self._lock = PriorityLock()
        self._images = AdaptiveBatch(
            _IMAGES_STEP_S, config.batch_size or _CPU_IMAGES, least=_LEAST_IMAGES
        )
        self._texts = AdaptiveBatch(_TEXTS_STEP_S, _MOST_TEXTS)
        self._speed_file = SpeedFile(speed_file)
        self._speed: EncoderSpeed | None = None
        self._hurried_until = 0.0
        self._backoff = Backoff()
        self._worker: Worker | None = None
        self._loaded: EncodeReady | None = None
        self._info: ModelInfo | None = None
        self._known = asyncio.Event()  # set once there is one
        self._loading: asyncio.Task[tuple[Answer, bytes]] | None = None
        self._steps: set[asyncio.Task[tuple[Answer, bytes]]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._silence: asyncio.Timeout | None = None
        self._logged_at = 0.0
        self._progress = ""
        self.may_fetch = True
        self.sandbox: tuple[str, ...] | None = None

    @property
    def progress(self) -> str:
        """What a worker that is still loading printed last, such as a download's bar."""
        return self._progress

    @property
    def error(self) -> str | None:
        """See `protocols.Encoder.error`."""
        return self._backoff.trouble

    @property
    def running(self) -> bool:
        """Whether there is a worker process, be it still loading."""
        return self._worker is not None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory now."""
        return self._loaded is not None

    @property
    def runs_on(self) -> str:
        """Runtime, device and number format of the loaded model: "torch, cpu, bfloat16"."""
        ready = self._loaded
        return f"{ready.runtime}, {ready.device}, {ready.precision}" if ready else ""

    @property
    def batch(self) -> int:
        """See `protocols.Encoder.batch`."""
        return self._config.batch_size or max(_CPU_IMAGES, self._images.step())

    @property
    def speed(self) -> EncoderSpeed | None:
        """See `protocols.Encoder.speed`."""
        if self._loaded is not None and self._images.seconds_each:
            each = self._images.seconds_each
            self._speed = EncoderSpeed(self.runs_on, self._images.step(), each)
        return self._speed

    async def info(self) -> ModelInfo:
        """See `protocols.Encoder.info`; a worker may tell long before the model is loaded."""
        if self._info is None:
            if self._loading is None or self._loading.done():
                self._loading = asyncio.create_task(self._step(None, (), Lane.INTERACTIVE))
                self._loading.add_done_callback(_retrieve)
            known = asyncio.create_task(self._known.wait())
            try:
                await asyncio.wait({self._loading, known}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                known.cancel()
            if self._info is None:
                await self._loading  # it has failed
        assert self._info is not None  # noqa: S101  # what is loaded is known
        return self._info

    async def load(self) -> None:
        """Have the model loaded, so that a later request does not wait for that.

        Raises:
            ModelError: it cannot be.
        """
        await self._step(None, (), Lane.BULK)

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_images`."""
        rows, done = [], 0
        while done < len(pixels):
            part = pixels[done : done + self._images.step(self._limit_s())]
            rows.append(await self._vectors(ImagesRequest(len(part)), part, lane, self._images))
            done += len(part)
        return await self._joined(rows)

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_texts`."""
        if lane is Lane.INTERACTIVE:
            self._hurried_until = time.monotonic() + _HURRIED_S
        rows, done = [], 0
        while done < len(texts):
            part = list(texts[done : done + self._texts.step()])
            rows.append(await self._vectors(TextsRequest(part), (), lane, self._texts))
            done += len(part)
        return await self._joined(rows)

    async def keep_image_tower(self, directory: str) -> RuntimeChoice:
        """Have the whole model find out which runtime is to encode images, and keep the tower.

        Raises:
            ModelError, WorkerError: it cannot; the worker may have died of it.
        """
        answer, _ = await self._step(KeepRequest(directory), (), Lane.BULK)
        assert isinstance(answer, Kept)  # noqa: S101  # `_serve` raises for anything else
        return answer.choice

    async def unload(self) -> None:
        """Have the model leave memory once what is under way is done; a later request loads it."""
        await self._stop_after_requests()

    def _idle_s(self) -> float:
        if self._config.idle_s != "auto":
            return self._config.idle_s
        return _YOUNG_IDLE_S if time.time() < self._young_until_s else _IDLE_S

    def _limit_s(self) -> float | None:
        return _TEXTS_STEP_S if time.monotonic() < self._hurried_until else None

    async def close(self) -> None:
        """Stop the worker now; a later request starts another."""
        if self._loading is not None:
            self._loading.cancel()
        while self._steps:  # a worker may only now be starting
            self._kill()
            await asyncio.wait(self._steps, timeout=_KILL_AGAIN_S)
        self._stop_timer()
        if self._stopping is not None:
            await self._stopping
        self._kill()  # it has nothing to lose, and ending by itself takes torch seconds
        await self._stop()

    def _kill(self) -> None:
        if self._worker is not None:
            self._worker.kill()

    async def _joined(self, rows: list[Float32Array]) -> Float32Array:
        if rows:
            return np.concatenate(rows)
        return np.empty((0, (await self.info()).dim), np.float32)

    async def _vectors(
        self,
        request: ImagesRequest | TextsRequest,
        body: Sequence[Buffer],
        lane: Lane,
        batch_size: AdaptiveBatch,
    ) -> Float32Array:
        answer, rows = await self._step(request, body, lane)
        assert isinstance(answer, Vectors)  # noqa: S101  # `_serve` raises for anything else
        batch_size.learn(answer.count, answer.seconds)
        return np.frombuffer(rows, np.float32).reshape(answer.count, -1)

    async def _step(
        self, request: _Asked | None, body: Sequence[Buffer], lane: Lane
    ) -> tuple[Answer, bytes]:
        while True:
            await self._lock.acquire(lane)
            pause_s = 0.0 if self.loaded else self._backoff.pause_s()
            if not pause_s:
                break
            self._lock.release()
            if lane is Lane.INTERACTIVE:
                raise self._backoff.error(pause_s)
            await asyncio.sleep(pause_s)
        step = asyncio.create_task(self._serve(request, body))
        self._steps.add(step)
        step.add_done_callback(self._finished)
        return await asyncio.shield(step)

    def _finished(self, step: asyncio.Task[tuple[Answer, bytes]]) -> None:
        self._steps.discard(step)
        self._lock.release()
        _retrieve(step)
        if not self._lock.locked:
            self._stop_timer()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._idle_s(), self._stop_when_idle)

    async def _serve(self, request: _Asked | None, body: Sequence[Buffer]) -> tuple[Answer, bytes]:
        self._stop_timer()
        worker = self._worker or await self._start()
        if request is None:
            assert self._loaded is not None  # noqa: S101  # what has a worker is loaded
            return self._loaded, b""
        limit_s = _KEEP_S if isinstance(request, KeepRequest) else _ANSWER_S
        try:
            async with asyncio.timeout(limit_s):
                answer, rows = await worker.ask(request, body)
            if not self._fits(request, answer, rows):
                raise WorkerError("the encoder's answer does not fit the request")  # noqa: TRY301  # as if it had died
        except (WorkerError, TimeoutError) as error:
            await self._discard(worker)
            self._backoff.failed()
            reason = str(error) or f"the encoder did not answer within {limit_s:g} s"
            raise self._backoff.blame(reason) from error
        if isinstance(answer, Failed):
            raise WorkerError(answer.message)
        self._backoff.succeeded()
        return answer, rows

    def _fits(self, request: _Asked, answer: Answer, rows: bytes) -> bool:
        """Return whether it is an answer to the request."""
        if isinstance(answer, Failed):
            return True
        if isinstance(request, KeepRequest):
            return isinstance(answer, Kept)
        count = request.count if isinstance(request, ImagesRequest) else len(request.texts)
        return (
            isinstance(answer, Vectors)
            and self._info is not None
            and answer.count == count
            and len(rows) == count * self._info.dim * _FLOAT_BYTES
        )

    async def _start(self) -> Worker:
        arguments = msgspec.structs.replace(self._arguments, may_fetch=self.may_fetch)
        try:
            worker = await Worker.start(
                "encoder",
                self._module,
                [msgspec.json.encode(arguments).decode()],
                environment=_environment(self._arguments.part),
                on_line=self._note_output,
                most_bytes=_MOST_BYTES,
            )
        except WorkerError as error:
            self._backoff.failed()
            raise ModelError(str(error)) from error
        self._worker = worker
        try:
            self._loaded = await self._wait_until_loaded(worker)
        except (NotFetchedError, NotBuiltError):  # nothing is wrong
            await self._discard(worker)
            raise
        except BaseException:
            await self._discard(worker)
            self._backoff.failed()
            raise
        finally:
            self._progress = ""
        self.sandbox = self._loaded.sandbox
        await self._prepare_steps(self._loaded)
        self._note_info(self._loaded.info)
        logger.info("%s is loaded on %s", self._choice.name, self.runs_on)
        return worker

    async def _prepare_steps(self, ready: EncodeReady) -> None:
        most = _CPU_IMAGES if ready.device == "cpu" else _GPU_IMAGES
        self._images.streams = ready.streams
        self._images.most = self._config.batch_size or most
        known = await BULK.run(self._speed_file.read, self.runs_on)
        if known is not None:
            self._images.begin_with(known.images, known.seconds_each)

    async def _wait_until_loaded(self, worker: Worker) -> EncodeReady:
        try:
            async with asyncio.timeout(_SILENCE_S) as self._silence:
                answer, _ = await worker.answer()
                if isinstance(answer, ModelKnown):
                    self._note_info(answer.info)
                    answer, _ = await worker.answer()
        except WorkerError as error:
            raise ModelError(f"{self._choice.name} cannot be loaded: {error}") from error
        except TimeoutError:
            raise ModelError(f"{self._choice.name} was not loaded: the encoder hangs") from None
        finally:
            self._silence = None
        if isinstance(answer, EncodeReady):
            return answer
        if isinstance(answer, Failed) and answer.kind == "not_fetched":
            raise NotFetchedError(answer.message)
        if isinstance(answer, Failed) and answer.kind == "not_built":
            raise NotBuiltError(answer.message)
        raise ModelError(answer.message if isinstance(answer, Failed) else "unexpected answer")

    def _note_info(self, info: ModelInfo) -> None:
        self._info = info
        self._known.set()

    def _note_output(self, line: str) -> None:
        """Take note of what the worker prints: while it loads, that is how a download goes on."""
        logger.debug("encoder: %s", line)
        if self._silence is None:
            return
        now = asyncio.get_running_loop().time()
        self._silence.reschedule(now + _SILENCE_S)
        self._progress = line
        fetching = line.startswith(FETCHING)  # what takes somebody's network is never hushed up
        if fetching or now >= self._logged_at + _LOG_S:
            self._logged_at = now
            level = logging.WARNING if fetching else logging.INFO
            logger.log(level, "loading %s: %s", self._choice.name, line)

    def _stop_when_idle(self) -> None:
        """Stop in the turn of the bulk lane, so that a request that comes now starts a new one."""
        if not self._lock.locked:
            self._stopping = asyncio.create_task(self._stop_after_requests())

    async def _stop_after_requests(self) -> None:
        await self._lock.acquire(Lane.BULK)
        try:
            await self._stop()
            give_back_free_memory()  # what searching and indexing have left
        finally:
            self._lock.release()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _discard(self, worker: Worker) -> None:
        worker.kill()
        await self._stop()

    async def _stop(self) -> None:
        speed = self.speed
        worker, self._worker, self._loaded = self._worker, None, None
        if worker is not None and speed is not None:
            await BULK.run(self._speed_file.write, speed)
        if worker is not None:
            await worker.stop()


def _retrieve(task: asyncio.Task[tuple[Answer, bytes]]) -> None:
    """Have it that nobody may ask what became of a task, since who wanted it went away."""
    if not task.cancelled():
        task.exception()


def _environment(part: Part) -> dict[str, str]:
    """Return the child's settings, where the user has made none."""
    wanted = {
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait shall not take the decoders' cores
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DOWNLOAD_TIMEOUT": "15",  # s without a byte
    }
    if part in {"texts", "images"}:
        # numpy's products are small: where others want the cores, a second thread quadruples them
        wanted["OPENBLAS_NUM_THREADS"] = "1"
    return {name: value for name, value in wanted.items() if name not in os.environ}
