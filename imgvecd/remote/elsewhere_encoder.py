"""The model where it is never loaded: servers encode, and the text tower here if it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from imgvecd.errors import EncoderAwayError, ImgvecdError, ModelError, WorkerError
from imgvecd.remote.http_encoder import HttpEncoder
from imgvecd.types import EncoderSpeed, Float32Array, Lane, ModelInfo

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BATCH = 16


class TextsHere(Protocol):
    """Encodes texts here, without the rest of the model."""

    @property
    def loaded(self) -> bool: ...  # noqa: D102  # as `Encoder` says
    @property
    def sandbox(self) -> tuple[str, ...] | None: ...  # noqa: D102
    async def info(self) -> ModelInfo: ...  # noqa: D102
    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102


class ElsewhereEncoder:
    """A `protocols.Encoder` for `without_remote: wait`.

    Texts need the text tower alone, a small process without torch: it is asked first, so that
    searches work while every server is off. For one event loop.

    Args:
        tower: encodes texts, where the model's text tower is kept.
        has_tower: whether it is.
    """

    def __init__(
        self, servers: Sequence[HttpEncoder], tower: TextsHere, has_tower: Callable[[], bool]
    ) -> None:
        self._servers = tuple(servers)
        self._tower = tower
        self._has_tower = has_tower

    @property
    def loaded(self) -> bool:
        """Whether the text tower is in memory now."""
        return self._tower.loaded

    @property
    def progress(self) -> str:
        """Empty: nothing is fetched or loaded here."""
        return ""

    @property
    def error(self) -> str | None:
        """None: what servers lack, their own status says."""
        return None

    @property
    def batch(self) -> int:
        """See `protocols.Encoder.batch`."""
        return _BATCH

    @property
    def speed(self) -> EncoderSpeed | None:
        """None: each server has its own."""
        return None

    @property
    def runtime_note(self) -> str | None:
        """See `protocols.Encoder.runtime_note`."""
        return "images are encoded by other machines only: encode.without_remote is wait"

    @property
    def sandbox(self) -> tuple[str, ...]:
        """See `protocols.Encoder.sandbox`."""
        return self._tower.sandbox or ()

    async def info(self) -> ModelInfo:
        """See `protocols.Encoder.info`; while no server is there, that takes until one is."""
        if self._has_tower():
            with contextlib.suppress(ModelError, WorkerError):
                return await self._tower.info()
        while True:
            waits = [asyncio.create_task(server.ready()) for server in self._servers]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            with contextlib.suppress(ModelError):
                return await self._first(lambda server: server.reach())

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_images`."""
        return await self._reached(lambda server: server.encode_images(pixels, lane))

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_texts`."""
        if self._has_tower():
            try:
                return await self._tower.encode_texts(texts, lane)
            except (ModelError, WorkerError) as error:
                logger.warning("texts are encoded by a server: %s", error)
        return await self._reached(lambda server: server.encode_texts(texts, lane))

    async def close(self) -> None:
        """Stop the text tower; servers are closed by who has them."""
        await self._tower.close()

    async def _reached(
        self, encode: Callable[[HttpEncoder], Awaitable[Float32Array]]
    ) -> Float32Array:
        async def reach_and_encode(server: HttpEncoder) -> Float32Array:
            await server.reach()
            return await encode(server)

        return await self._first(reach_and_encode)

    async def _first(self, ask: Callable[[HttpEncoder], Awaitable[T]]) -> T:
        """Return the first answer of a server that has one.

        Raises:
            ModelError: none of them does; the message has all reasons.
        """
        reasons: list[ImgvecdError] = []
        for server in self._servers:
            try:
                return await ask(server)
            except (EncoderAwayError, WorkerError) as error:
                reasons.append(error)
        raise ModelError("no encode server can be asked: " + "; ".join(map(str, reasons)))
