"""An encoder whose towers run without the whole model, and so without torch, once they are kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import (
    RuntimeChoice,
    circumstances,
    read_choice,
    runs_on_processor,
    write_choice,
)
from imgvecd.core.threads import BULK
from imgvecd.errors import ModelError, NotBuiltError, WorkerError
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import EncoderSpeed, Float32Array, Lane, ModelInfo, Priority

logger = logging.getLogger(__name__)

# Converting an image tower takes some seconds: it waits until nothing is to be encoded, or until
# there is so much that it will pay.
_IDLE_S = 2.0
_BUSY_S = 30.0
# Comparing a tower that was built with torch loads that: it waits for a machine at rest.
_REST_S = 60.0
_NO_INT8 = "encode.precision: int8 cannot be had here"
_HUMBLE = Priority(niceness=19, disk="idle")


class SplitEncoder:
    """A `protocols.Encoder` over workers: the whole model, and either of its towers alone.

    Texts and images need the towers alone, which start within a second instead of several, take
    half the memory, and do not wait for each other. A tower that is not kept is built from the
    checkpoint, where that is on this machine and of a usual kind. Else the whole model does the
    work: it keeps its text tower in a file when it is first loaded, and its image tower a little
    later, if another runtime than torch gives the same vectors and is as fast. An image tower that
    was built is compared with torch once, when images have not come for a minute.
    Thread-safety: the event loop's thread only.

    Args:
        text_tower: file.
        image_tower: folder.
        priority: of the encoders of images; a text has somebody waiting for it.
        young_until_s: see `EncoderProcess`.
        speed_file: keeps how fast images are encoded; or empty.
    """

    def __init__(
        self,
        choice: ModelChoice,
        config: EncodeConfig,
        text_tower: str,
        image_tower: str,
        priority: Priority = Priority(),  # noqa: B008  # frozen
        *,
        young_until_s: float = 0.0,
        speed_file: str = "",
    ) -> None:
        self._config = config
        self._text_tower, self._image_tower = text_tower, image_tower
        process = partial(EncoderProcess, choice, config, young_until_s=young_until_s)
        self._whole = process(priority, text_tower=text_tower, speed_file=speed_file)
        self._texts = process(part="texts", text_tower=text_tower, build=True)
        self._images = process(
            priority,
            part="images",
            image_tower=image_tower,
            build=True,
            speed_file=speed_file,
        )
        self._comparison = EncoderProcess(
            choice, config, _HUMBLE, part="comparison", image_tower=image_tower
        )
        # where a graphics card may be, the whole model is loaded for it, and keeps its text tower
        self._may_build_texts = runs_on_processor(config)
        self._may_build_images = self._may_build_texts and config.runtime != "torch"
        # other vectors than the whole model's, which therefore never stands in for the image tower
        self._int8 = config.precision == "int8"
        self._no_int8: ModelError | None = None
        self._choice: RuntimeChoice | None = None
        self._looked = False
        self._first_image_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loading: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._cannot_compare = False

    @property
    def may_fetch(self) -> bool:
        """See `protocols.Encoder`."""
        return self._whole.may_fetch

    @may_fetch.setter
    def may_fetch(self, allowed: bool) -> None:
        self._whole.may_fetch = allowed

    @property
    def loaded(self) -> bool:
        """Whether any of the model is in memory now."""
        return any(part.loaded for part in (self._whole, self._texts, self._images))

    @property
    def loaded_for_images(self) -> bool:
        """See `protocols.Encoder.loaded_for_images`."""
        return self._for_images.loaded

    @property
    def error(self) -> str | None:
        """See `protocols.Encoder.error`."""
        return self._whole.error or self._images.error

    @property
    def progress(self) -> str:
        """See `protocols.Encoder.progress`."""
        return self._whole.progress

    @property
    def batch(self) -> int:
        """See `protocols.Encoder.batch`."""
        return self._for_images.batch

    @property
    def speed(self) -> EncoderSpeed | None:
        """See `protocols.Encoder.speed`."""
        return self._for_images.speed

    @property
    def runtime_note(self) -> str | None:
        """See `protocols.Encoder.runtime_note`."""
        return self._choice.note if self._choice else None

    @property
    def sandbox(self) -> tuple[str, ...]:
        """See `protocols.Encoder.sandbox`."""
        parts = (self._whole, self._texts, self._images)
        told = [part.sandbox for part in parts if part.sandbox is not None]
        first = told[0] if told else ()
        return tuple(each for each in first if all(each in other for other in told))

    @property
    def _for_images(self) -> EncoderProcess:
        if self._int8:
            return self._images
        if self._choice is None:
            return self._images if self._may_build_images else self._whole
        return self._images if self._choice.runtime == "openvino" else self._whole

    async def info(self) -> ModelInfo:
        """See `protocols.Encoder.info`.

        Who asks is about to have images encoded by a model that is new here: the image tower is
        loaded meanwhile.
        """
        self.expect_images()
        if self._may_use_text_tower():
            try:
                return await self._texts.info()
            except NotBuiltError as error:
                self._leave_texts(error)
            except (ModelError, WorkerError):
                pass  # who encodes texts is told
        return await self._whole.info()

    def expect_images(self) -> None:
        """See `protocols.Encoder.expect_images`; the whole model is loaded for images alone."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load_images())

    async def _load_images(self) -> None:
        await self._look()
        if self._for_images is self._whole or self._images.loaded:
            return
        try:
            await self._images.load()
        except NotBuiltError as error:
            if not self._int8:
                self._leave_images(error)
        except (ModelError, WorkerError):
            pass  # who has images encoded is told

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_images`."""
        await self._look()
        while self._for_images is self._images:
            if self._no_int8 is not None:
                raise self._no_int8
            try:
                vectors = await self._images.encode_images(pixels, lane)
            except NotBuiltError as error:
                await self._have_it_here(error) if self._int8 else self._leave_images(error)
            except ModelError as error:
                if self._int8 and self._choice is None:
                    raise
                logger.warning("the image tower is made anew: %s", error)
                self._may_build_images = self._may_build_images and self._choice is not None
                await self._forget_image_tower()
            else:
                if self._choice is None:  # it was built
                    self._looked = False
                    await self._look()
                self._plan_comparing()
                return vectors
        vectors = await self._whole.encode_images(pixels, lane)
        self._plan_keeping()
        return vectors

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_texts`."""
        while self._may_use_text_tower():
            try:
                return await self._texts.encode_texts(texts, lane)
            except NotBuiltError as error:
                self._leave_texts(error)
            except ModelError as error:
                logger.warning("the text tower is made anew: %s", error)
                self._may_build_texts = self._may_build_texts and self._has_text_tower()
                with contextlib.suppress(OSError):
                    os.unlink(self._text_tower)
            except WorkerError as error:  # of the machine or its memory: the file is not at fault
                logger.warning("texts are encoded by the whole model: %s", error)
                break
        return await self._whole.encode_texts(texts, lane)

    async def close(self) -> None:
        """Stop the workers now; a later request starts others."""
        self._stop_timer()
        for task in (self._loading, self._keeping):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        parts = (self._whole, self._texts, self._images, self._comparison)
        await asyncio.gather(*(part.close() for part in parts))

    def _may_use_text_tower(self) -> bool:
        return self._may_build_texts or self._has_text_tower()

    def _leave_texts(self, error: NotBuiltError) -> None:
        logger.debug("texts are encoded by the whole model: %s", error)
        self._may_build_texts = False

    def _leave_images(self, error: NotBuiltError) -> None:
        logger.debug("images are encoded by the whole model: %s", error)
        self._may_build_images = False

    async def _have_it_here(self, error: NotBuiltError) -> None:
        """Have the whole model fetched, if it was not, so that its image tower may be built."""
        if self._whole.loaded or not self._whole.may_fetch:
            self._no_int8 = ModelError(f"{_NO_INT8}: {error}")
            logger.warning("%s", self._no_int8)
            return
        await self._whole.load()

    def _has_text_tower(self) -> bool:
        return os.path.exists(self._text_tower)

    async def _look(self) -> None:
        """Find what was chosen, in an earlier process or where the tower was built."""
        if not self._looked and self._config.runtime != "torch":
            self._choice = await BULK.run(read_choice, self._image_tower, self._config)
            self._refuse_torch()
        self._looked = True

    def _refuse_torch(self) -> None:
        """Take note that the tower in int8 has turned out to be wrong, if it has."""
        if self._int8 and self._choice is not None and self._choice.runtime == "torch":
            self._no_int8 = ModelError(f"{_NO_INT8}: {self._choice.note}")

    async def _forget_image_tower(self) -> None:
        self._choice = None
        await BULK.run(shutil.rmtree, self._image_tower, ignore_errors=True)

    def _plan_keeping(self) -> None:
        """Have the image tower kept once images stop coming, or do not stop."""
        if self._choice is not None or self._config.runtime == "torch":
            return
        now = time.monotonic()
        self._first_image_at = self._first_image_at or now
        pause_s = 0.0 if now - self._first_image_at > _BUSY_S else _IDLE_S
        self._plan(pause_s, self._keep_image_tower)

    def _plan_comparing(self) -> None:
        """Have the image tower compared with torch once images have not come for a while."""
        if self._choice is not None and not (self._choice.compared or self._cannot_compare):
            self._plan(_REST_S, self._compare_image_tower)

    def _plan(self, pause_s: float, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Have the work done after a pause, unless it is planned anew before or under way."""
        if self._keeping is not None and not self._keeping.done():
            return
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(pause_s, self._begin, work)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._keeping = asyncio.create_task(work())

    async def _keep_image_tower(self) -> None:
        try:
            self._choice = await self._whole.keep_image_tower(self._image_tower)
        except (ModelError, WorkerError) as error:
            self._choice = RuntimeChoice(
                runtime="torch",
                note=f"torch: converting the image tower failed: {error}",
                circumstances=await BULK.run(circumstances, self._config),
            )
            with contextlib.suppress(OSError):  # else the next start tries again
                await BULK.run(write_choice, self._image_tower, self._choice)
        logger.info("images are encoded with %s: %s", self._choice.runtime, self._choice.note)
        if self._for_images is self._images and self._has_text_tower():
            await self._whole.unload()

    async def _compare_image_tower(self) -> None:
        try:
            self._choice = await self._comparison.keep_image_tower(self._image_tower)
        except (ModelError, WorkerError) as error:  # the next daemon may be able to
            logger.info("the image tower is not compared with torch: %s", error)
            self._cannot_compare = True
            return
        finally:
            await self._comparison.close()
        if self._choice.runtime == "torch":
            self._refuse_torch()
            logger.warning("images are no longer encoded with OpenVINO: %s", self._choice.note)
            await self._images.unload()
