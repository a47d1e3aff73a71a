"""The model where it is never loaded: servers encode, and the text tower here if it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from imgvecd.errors import EncoderAwayError, ImgvecdError, ModelError, WorkerError
from imgvecd.types import EncoderSpeed, Float32Array, Lane, ModelInfo

if TYPE_CHECKING:
    from imgvecd.remote.http_encoder import HttpEncoder

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BATCH = 16
_FETCH_AGAIN_S = 300.0  # after a text tower was not to be had


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

    Texts need the text tower alone, a small process without torch. It is asked first, so that
    searches work while every server is off; where it is not kept, a server that has encoded texts
    is asked for it. For one event loop.

    Args:
        tower: encodes texts, where the model's text tower is kept.
        tower_path: the file that it is kept in.
    """

    may_fetch = True  # by the servers, if at all

    def __init__(self, servers: Sequence[HttpEncoder], tower: TextsHere, tower_path: str) -> None:
        self._servers = tuple(servers)
        self._tower = tower
        self._tower_path = tower_path
        self._fetching: asyncio.Task[None] | None = None
        self._not_before = 0.0

    @property
    def loaded(self) -> bool:
        """Whether the text tower is in memory now."""
        return self._tower.loaded

    @property
    def loaded_for_images(self) -> bool:
        """False: servers do that."""
        return False

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

    def expect_images(self) -> None:
        """Do nothing: servers are asked by who has images for them."""

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_images`."""
        return await self._reached(lambda server: server.encode_images(pixels, lane))

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """See `protocols.Encoder.encode_texts`."""
        if self._has_tower():
            try:
                return await self._tower.encode_texts(texts, lane)
            except ModelError as error:
                logger.warning("the text tower is fetched anew: %s", error)
                with contextlib.suppress(OSError):
                    os.unlink(self._tower_path)
            except WorkerError as error:  # of the machine or its memory: the file is not at fault
                logger.warning("texts are encoded by a server: %s", error)
        vectors = await self._reached(lambda server: server.encode_texts(texts, lane))
        self._plan_fetching()
        return vectors

    async def close(self) -> None:
        """Stop the text tower; servers are closed by who has them."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._tower.close()

    def _has_tower(self) -> bool:
        return os.path.exists(self._tower_path)

    def _plan_fetching(self) -> None:
        if self._has_tower() or time.monotonic() < self._not_before:
            return
        self._not_before = time.monotonic() + _FETCH_AGAIN_S
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch_tower())

    async def _fetch_tower(self) -> None:
        for server in self._servers:
            if server.status().state == "ready" and await server.fetch_text_tower(self._tower_path):
                return

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
