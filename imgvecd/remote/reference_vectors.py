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


_Place = Annotated[str, Meta(max_length=2048)]
_MOST_AGREEING = 8


class _Kept(msgspec.Struct, frozen=True):
    """The vectors of one model, and where they were made: here, or the URL of a server.

    Attributes:
        agreeing: URLs of other servers that gave the same.
    """

    made: _Place
    vectors: list[list[float]]
    agreeing: Annotated[tuple[_Place, ...], Meta(max_length=_MOST_AGREEING)] = ()


class ReferenceVectors:
    """The vectors of one model, kept over restarts. For one event loop.

    They are made here where that may be. Elsewhere what the first server says is believed, so that
    a server which differs from it, or goes wrong later, is noticed. That the first one is not wrong
    from the beginning, only a second one that agrees can show: see `compared_with`.

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
        self._agreeing: tuple[str, ...] = ()
        self._tried = False

    async def known(self, info: ModelInfo) -> tuple[str, Float32Array] | None:
        """Return where they were made, and vectors of shape (PICTURES, dim); None if unknown.

        May load the model, once in the life of a library.
        """
        async with self._making:
            if self._known is None:
                self._known, self._agreeing = await BULK.run(self._read, info)
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

    async def agree(self, url: str, info: ModelInfo) -> None:
        """Note that a server gave what is known."""
        async with self._making:
            if self._known is None or self._is_from_here():
                return
            made, vectors = self._known
            if url not in (made, *self._agreeing):
                await self._keep(made, info, vectors, (*self._agreeing, url)[-_MOST_AGREEING:])

    def compared_with(self, url: str) -> str:
        """Return who gave the vectors that those of a server were like; empty if nobody else did.

        Returns: `HERE`, or the URL of another server.
        """
        if self._known is None:
            return ""
        made, _ = self._known
        if made != url:
            return made
        return self._agreeing[0] if self._agreeing else ""

    def _is_from_here(self) -> bool:
        return self._known is not None and self._known[0] == HERE

    async def _make(self, encoder: Encoder, info: ModelInfo) -> None:
        try:
            vectors = await encoder.encode_images(pictures(info.preprocess.size), Lane.BULK)
        except (ModelError, WorkerError) as error:
            logger.warning("vectors of encode servers are not compared with ours: %s", error)
        else:
            await self._keep(HERE, info, vectors)

    async def _keep(
        self, made: str, info: ModelInfo, vectors: Float32Array, agreeing: tuple[str, ...] = ()
    ) -> None:
        self._known, self._agreeing = (made, vectors), agreeing
        kept = _Kept(made, vectors.tolist(), agreeing)
        await BULK.run(self._table.put, info.fingerprint, kept)

    def _read(self, info: ModelInfo) -> tuple[tuple[str, Float32Array] | None, tuple[str, ...]]:
        kept = self._table.get(info.fingerprint)
        if kept is None or [len(row) for row in kept.vectors] != [info.dim] * PICTURES:
            return None, ()
        return (kept.made, np.array(kept.vectors, np.float32)), kept.agreeing


def pictures(size: int) -> list[bytes]:
    """Return the pictures as a model sees them: RGB, size × size."""
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    crossing = np.stack([across, down, across ^ down], axis=-1)
    from_middle = np.hypot(across / 255 - 0.5, down / 255 - 0.5)
    ring = (127.5 + 127.5 * np.cos(2 * np.pi * _RINGS * from_middle)).astype(np.uint8)
    rings = np.stack([ring, 255 - ring, down], axis=-1)
    return [crossing.tobytes(), rings.tobytes()]
