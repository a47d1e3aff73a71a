"""What a model gives two drawn pictures: what encode servers' vectors are held against."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from imgvecd.core.files.remembered_table import RememberedTable
from imgvecd.core.threads import BULK
from imgvecd.errors import ModelError, WorkerError
from imgvecd.protocols import Encoder
from imgvecd.types import Float32Array, Lane, ModelInfo

logger = logging.getLogger(__name__)

PICTURES: Final = 2
"""So many, so that rows that are mixed up are noticed as well."""

SAME = 0.99
"""Least cosine of vectors of one model: in bf16 a picture is at 0.9995 to fp32 or nearer, or the
encoder does not use bf16 by itself."""

HERE = "here"

_MOST_MODELS = 8  # that are remembered: a library has one or two
_RINGS = 9.0  # in a picture


class _Kept(msgspec.Struct, frozen=True):
    """The vectors of one model, and where they were made: here, or the URL of a server."""

    made: Annotated[str, Meta(max_length=2048)]
    vectors: list[list[float]]


class ReferenceVectors:
    """The vectors of one model, kept over restarts. For one event loop.

    They are made here where that may be. Elsewhere what the first server says is believed, so that
    a server which differs from it, or goes wrong later, is noticed, and one which is wrong from the
    beginning is not.

    Args:
        path: of the file that all models' are kept in; empty keeps nothing.
        encoder: makes them here; None where no images are encoded here.
    """

    def __init__(self, path: str, encoder: Encoder | None) -> None:
        self.path = path
        self._encoder = encoder
        self._table = RememberedTable(path, _Kept, _MOST_MODELS)
        self._making = asyncio.Lock()
        self._known: tuple[str, Float32Array] | None = None
        self._tried = False

    async def known(self, info: ModelInfo) -> tuple[str, Float32Array] | None:
        """Return where they were made, and vectors of shape (PICTURES, dim); None if unknown.

        May load the model, once in the life of a library.
        """
        async with self._making:
            if self._known is None:
                self._known = await BULK.run(self._read, info)
            if self._encoder is not None and not self._tried and not self._is_from_here():
                self._tried = True
                await self._make(self._encoder, info)
            return self._known

    async def believe(self, url: str, info: ModelInfo, vectors: Float32Array) -> None:
        """Take what a server gave, if nothing is known.

        Args:
            vectors: shape (PICTURES, dim), unit.
        """
        async with self._making:
            if self._known is None:
                await self._keep(url, info, vectors)

    def _is_from_here(self) -> bool:
        return self._known is not None and self._known[0] == HERE

    async def _make(self, encoder: Encoder, info: ModelInfo) -> None:
        try:
            vectors = await encoder.encode_images(pictures(info.preprocess.size), Lane.BULK)
        except (ModelError, WorkerError) as error:
            logger.warning("vectors of encode servers are not compared with ours: %s", error)
        else:
            await self._keep(HERE, info, vectors)

    async def _keep(self, made: str, info: ModelInfo, vectors: Float32Array) -> None:
        self._known = made, vectors
        await BULK.run(self._table.put, info.fingerprint, _Kept(made, vectors.tolist()))

    def _read(self, info: ModelInfo) -> tuple[str, Float32Array] | None:
        kept = self._table.get(info.fingerprint)
        if kept is None or [len(row) for row in kept.vectors] != [info.dim] * PICTURES:
            return None
        return kept.made, np.array(kept.vectors, np.float32)


def pictures(size: int) -> list[bytes]:
    """Return the pictures as a model sees them: RGB, size × size."""
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    crossing = np.stack([across, down, across ^ down], axis=-1)
    from_middle = np.hypot(across / 255 - 0.5, down / 255 - 0.5)
    ring = (127.5 + 127.5 * np.cos(2 * np.pi * _RINGS * from_middle)).astype(np.uint8)
    rings = np.stack([ring, 255 - ring, down], axis=-1)
    return [crossing.tobytes(), rings.tobytes()]
