"""The encode server's application: who has the token gets pixels and texts encoded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Iterator

import msgspec
import numpy as np
from aiohttp import web

import imgvecd
from imgvecd.core.threads import BULK
from imgvecd.errors import (
    BadRequestError,
    BusyError,
    DeadlineError,
    NotFoundError,
    TooLargeError,
)
from imgvecd.protocols import Encoder
from imgvecd.remote import messages
from imgvecd.remote.bounded_listener import has_come, pass_over_the_rest
from imgvecd.remote.guard import answer_errors, guard
from imgvecd.types import Float32Array, Lane, ModelInfo

_MOST_REQUESTS = 8  # at once: three of each daemon; each holds up to 64 MB
_SILENCE_S = 30.0  # without a byte of a body that was begun
_BODY_S = 150.0  # of a whole body
_ENCODE_S = 600.0  # of a request, a model that is loaded for it included
_MOST_TEXT_BYTES = 1 << 20  # of a body with texts


class EncodeApp:
    """Answers from the encoders of one server. For one event loop.

    Args:
        token: that every request needs; empty where only this machine can connect.
    """

    def __init__(self, token: str) -> None:
        self._encoders: dict[str, tuple[ModelInfo, Encoder]] = {}
        self._text_towers: dict[str, str] = {}
        self._token = token
        self._under_way = 0

    def offer(self, info: ModelInfo, encoder: Encoder, text_tower: str = "") -> None:
        """Encode with this model, too, from now on.

        Args:
            text_tower: file that its text tower is kept in, once it is.
        """
        self._encoders[info.fingerprint] = info, encoder
        self._text_towers[info.fingerprint] = text_tower

    @property
    def models(self) -> list[ModelInfo]:
        """What is offered."""
        return [info for info, _ in self._encoders.values()]

    def application(self) -> web.Application:
        """Return the routes behind the guard."""
        app = web.Application(middlewares=[pass_over_the_rest(), answer_errors, guard(self._token)])
        app.router.add_get(messages.MODELS, self._models)
        app.router.add_post(messages.IMAGES, self._images)
        app.router.add_post(messages.TEXTS, self._texts)
        app.router.add_get(messages.TEXT_TOWER, self._text_tower)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        models = tuple(
            messages.OfferedModel(
                info=info,
                batch=encoder.batch,
                runs_on=encoder.speed.runs_on if encoder.speed else "",
            )
            for info, encoder in self._encoders.values()
        )
        offer = messages.Offer(
            protocol=messages.PROTOCOL, version=imgvecd.__version__, models=models
        )
        return web.Response(body=msgspec.json.encode(offer), content_type="application/json")

    async def _images(self, request: web.Request) -> web.Response:
        info, encoder = self._asked(request)
        lane = _lane(request)
        side = info.preprocess.size
        picture = side * side * 3
        count = _count(request)
        with self._place():
            body = await _body(request, messages.MOST_BODY_BYTES)
            if len(body) != count * picture:
                raise BadRequestError(
                    f"{len(body)} bytes are not {count} pictures of {side} x {side} pixels"
                )
            pixels = [bytes(body[at : at + picture]) for at in range(0, len(body), picture)]
            return await _answer(encoder, encoder.encode_images(pixels, lane))

    async def _texts(self, request: web.Request) -> web.Response:
        _, encoder = self._asked(request)
        lane = _lane(request)
        with self._place():
            body = await _body(request, _MOST_TEXT_BYTES)
            try:
                texts = msgspec.json.decode(body, type=messages.TextsToEncode).texts
            except msgspec.MsgspecError as error:
                raise BadRequestError(str(error)) from error
            if sum(map(len, texts)) > messages.MOST_TEXT_CHARACTERS:
                raise TooLargeError("the texts are too long together")
            return await _answer(encoder, encoder.encode_texts(texts, lane))

    async def _text_tower(self, request: web.Request) -> web.StreamResponse:
        info, _ = self._asked(request)
        path = self._text_towers[info.fingerprint]
        if not await BULK.run(os.path.isfile, path):
            raise NotFoundError(f"the text tower of {info.name} is not kept here")
        return web.FileResponse(path)

    def _asked(self, request: web.Request) -> tuple[ModelInfo, Encoder]:
        found = self._encoders.get(request.headers.get(messages.MODEL_HEADER, ""))
        if found is None:
            raise NotFoundError(f"{messages.MODEL_HEADER}: there is no such model here")
        return found

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Count a request that takes memory.

        Raises:
            BusyError: there are as many as may be.
        """
        if self._under_way >= _MOST_REQUESTS:
            raise BusyError("too many requests are under way")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


async def _answer(encoder: Encoder, encoding: Awaitable[Float32Array]) -> web.Response:
    began = time.monotonic()
    try:
        async with asyncio.timeout(_ENCODE_S):
            vectors = await encoding
    except TimeoutError:
        raise DeadlineError(f"encoding took longer than {_ENCODE_S:g} s") from None
    headers = {
        messages.SECONDS_HEADER: f"{time.monotonic() - began:.6f}",
        messages.BATCH_HEADER: str(encoder.batch),
    }
    rows = np.ascontiguousarray(vectors, "<f4").tobytes()
    return web.Response(body=rows, content_type=messages.VECTORS_TYPE, headers=headers)


async def _body(request: web.Request, most_bytes: int) -> bytearray:
    """Return the body, of the announced length.

    Raises:
        BadRequestError, TooLargeError: no length is announced, or too large a one.
        DeadlineError: it does not come.
    """
    length = request.content_length
    if length is None:
        raise BadRequestError("Content-Length is missing")
    if length > most_bytes:
        raise TooLargeError(f"{length} bytes are too many; {most_bytes} may be sent at once")
    body, at = bytearray(length), 0
    try:
        async with asyncio.timeout(_BODY_S):
            while at < length:
                async with asyncio.timeout(_SILENCE_S):
                    chunk = await request.content.readany()
                if not chunk:
                    raise BadRequestError("the body ends early")
                body[at : at + len(chunk)] = chunk
                at += len(chunk)
    except TimeoutError:
        raise DeadlineError(f"the body stopped coming: {at} of {length} bytes") from None
    has_come(request)
    return body


def _count(request: web.Request) -> int:
    text = request.headers.get(messages.COUNT_HEADER, "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= messages.MOST_IMAGES):
        raise BadRequestError(
            f"{messages.COUNT_HEADER}: expected 1 to {messages.MOST_IMAGES}, got {text!r}"
        )
    return int(text[:9])


def _lane(request: web.Request) -> Lane:
    lane = messages.LANES.get(request.headers.get(messages.LANE_HEADER, "bulk"))
    if lane is None:
        raise BadRequestError(f"{messages.LANE_HEADER}: expected {' or '.join(messages.LANES)}")
    return lane
