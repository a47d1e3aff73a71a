"""An encoder that answers texts without the image tower, which is most of a model's start."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import ModelError, WorkerError
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import EncoderSpeed, Float32Array, Lane, ModelInfo, Priority

logger = logging.getLogger(__name__)


class SplitEncoder:
    """A `protocols.Encoder` over two workers: the whole model, and its text tower alone.

    The whole model keeps its text tower in a file when it is first loaded. From then on texts need
    that file and no torch, which takes some tenths of a second instead of several, and they never
    wait for images. Without the file, or with one that is damaged, the whole model does everything.
    Thread-safety: the event loop's thread only.

    Args:
        text_tower: the file.
        speed_file: keeps how fast images are encoded; or empty.
        priority: of the whole model; a text has somebody waiting for it.
    """

    def __init__(
        self,
        choice: ModelChoice,
        config: EncodeConfig,
        text_tower: str,
        priority: Priority = Priority(),  # noqa: B008  # frozen
        *,
        speed_file: str = "",
    ) -> None:
        self._path = text_tower
        self._whole = EncoderProcess(
            choice, config, priority, text_tower=text_tower, speed_file=speed_file
        )
        self._texts = EncoderProcess(choice, config, text_tower=text_tower, texts_only=True)

    @property
    def loaded(self) -> bool:
        """Whether any of the model is in memory now."""
        return self._whole.loaded or self._texts.loaded

    @property
    def error(self) -> str | None:
        """See `protocols.Encoder.error`."""
        return self._whole.error

    @property
    def progress(self) -> str:
        """See `protocols.Encoder.progress`."""
        return self._whole.progress

    @property
    def batch(self) -> int:
        """See `protocols.Encoder.batch`."""
        return self._whole.batch

    @property
    def speed(self) -> EncoderSpeed | None:
        """See `protocols.Encoder.speed`."""
        return self._whole.speed

    async def info(self) -> ModelInfo:
        """See `protocols.Encoder.info`."""
        return await self._whole.info()

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_images`."""
        return await self._whole.encode_images(pixels, lane)

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_texts`."""
        if not self._is_kept():
            return await self._whole.encode_texts(texts, lane)
        try:
            return await self._texts.encode_texts(texts, lane)
        except ModelError as error:
            logger.warning("the text tower is made anew: %s", error)
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # the whole model writes it
        except WorkerError as error:  # of the machine or its memory: the file is not at fault
            logger.warning("texts are encoded by the whole model: %s", error)
        return await self._whole.encode_texts(texts, lane)

    def _is_kept(self) -> bool:
        return os.path.exists(self._path)

    async def close(self) -> None:
        """Stop the workers now; a later request starts others."""
        await self._whole.close()
        await self._texts.close()
