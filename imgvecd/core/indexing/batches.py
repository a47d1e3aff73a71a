"""Batches of decoded images: filling them, and finding the image that breaks one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from imgvecd.errors import WorkerError
from imgvecd.protocols import Encoder, RemoteEncoder
from imgvecd.types import DecodedImage, Float32Array, Lane

logger = logging.getLogger(__name__)

_GATHER_S = 0.25  # longest wait for a batch to fill while images are being decoded


@dataclass(frozen=True, slots=True)
class Ready:
    """A decoded image, and the content it shows."""

    content_id: int
    image: DecodedImage


@dataclass(frozen=True, slots=True)
class EncodeFailure:
    """A content that cannot become an embedding, why, and the sentence for a person."""

    content_id: int
    reason: str
    message: str


async def gather(
    decoded: asyncio.Queue[Ready | EncodeFailure], size: int, more_coming: Callable[[], bool]
) -> tuple[list[Ready], list[EncodeFailure]]:
    """Return at least one item, and up to `size` images if they come soon enough."""
    items = [await decoded.get()]
    deadline = time.monotonic() + _GATHER_S
    while len(items) < size:
        if decoded.empty() and not more_coming():
            break
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                items.append(await decoded.get())
        except TimeoutError:
            break
    ready = [item for item in items if isinstance(item, Ready)]
    return ready, [item for item in items if isinstance(item, EncodeFailure)]


async def encode_or_blame(
    encoder: Encoder | RemoteEncoder, ready: list[Ready]
) -> tuple[dict[int, Float32Array], list[EncodeFailure]]:
    """Return vectors by content id; an image on which the encoder dies twice is a failure.

    Raises:
        ModelError: the model cannot be loaded or run at all.
        EncoderAwayError: an encoder elsewhere went away.
    """
    if not ready:
        return {}, []
    try:
        vectors = await _encode_twice(encoder, [item.image.pixels for item in ready])
    except WorkerError as error:
        if len(ready) == 1:
            return {}, [EncodeFailure(ready[0].content_id, "encoder", str(error))]
        logger.warning("the encoder died on a batch of %d; trying its halves", len(ready))
        half = len(ready) // 2
        first, bad_first = await encode_or_blame(encoder, ready[:half])
        second, bad_second = await encode_or_blame(encoder, ready[half:])
        return first | second, bad_first + bad_second
    return {item.content_id: vector for item, vector in zip(ready, vectors, strict=True)}, []


async def _encode_twice(encoder: Encoder | RemoteEncoder, pixels: list[bytes]) -> Float32Array:
    try:
        return await encoder.encode_images(pixels, Lane.BULK)
    except WorkerError:  # it may have been killed for another's sake: memory, an impatient user
        return await encoder.encode_images(pixels, Lane.BULK)
