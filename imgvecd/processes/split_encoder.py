"""An encoder that answers texts without the image tower, which is most of a model's start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import ModelError, WorkerError
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Float32Array, Lane, ModelInfo, Priority

logger = logging.getLogger(__name__)

# A model in memory answers a text within a tenth of a second; one that hangs is ended after a
# minute, for which nobody who searches shall wait.
_PATIENCE_S = 5.0


class SplitEncoder:
    """A `protocols.Encoder` over two workers: the whole model, and its text tower alone.

    The whole model keeps its text tower in a file when it is first loaded. From then on texts need
    that file and no torch, which takes some tenths of a second instead of several; where the
    whole model is in memory anyway, it answers them too, unless it dies or hangs. Without the
    file, or with one that is damaged, the whole model does everything.
    Thread-safety: the event loop's thread only.

    Args:
        text_tower: the file.
        priority: of the whole model; a text has somebody waiting for it.
    """

    def __init__(
        self,
        choice: ModelChoice,
        config: EncodeConfig,
        text_tower: str,
        priority: Priority = Priority(),  # noqa: B008  # frozen
    ) -> None:
        self._path = text_tower
        self._whole = EncoderProcess(choice, config, priority, text_tower=text_tower)
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
        if self._whole.loaded:
            try:
                async with asyncio.timeout(_PATIENCE_S if lane is Lane.INTERACTIVE else None):
                    return await self._whole.encode_texts(texts, lane)
            except (TimeoutError, WorkerError) as error:
                reason = str(error) or f"nothing came within {_PATIENCE_S:g} s"
                logger.warning("texts are encoded by the text tower alone: %s", reason)
        try:
            return await self._texts.encode_texts(texts, lane)
        except (ModelError, WorkerError) as error:
            logger.warning("texts are encoded by the whole model: %s", error)
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # the whole model writes it anew
            return await self._whole.encode_texts(texts, lane)

    def _is_kept(self) -> bool:
        return os.path.exists(self._path)

    async def close(self) -> None:
        """Stop the workers now; a later request starts others."""
        await self._whole.close()
        await self._texts.close()
