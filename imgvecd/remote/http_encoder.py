"""One model on one encode server: whether it can be reached, its pace, what it answers."""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import numpy as np

from imgvecd.api import EncodeServerStatus
from imgvecd.config.schema import EncodeServerConfig
from imgvecd.core.small_products import likeness
from imgvecd.core.timing.adaptive_batch import AdaptiveBatch
from imgvecd.core.timing.retrying import backoff_s
from imgvecd.core.timing.throughput import Rate
from imgvecd.errors import EncoderAwayError, WorkerError
from imgvecd.remote import messages, reference_vectors
from imgvecd.remote.reference_vectors import PICTURES, SAME, ReferenceVectors
from imgvecd.remote.server_connection import Encoded, ServerConnection, ServerTroubleError, Trouble
from imgvecd.remote.wanted_command import WantedCommand
from imgvecd.types import Float32Array, Lane, ModelInfo

logger = logging.getLogger(__name__)

_IN_FLIGHT = 3  # batches: one is encoded, one is there, one is on its way
_FIRST_S, _LONGEST_S = 2.0, 30.0  # pauses while it is off: it is used soon after it is on
_REFUSED_S = 300.0  # a person has to change something first
_REQUEST_S = 5.0  # longest that a batch shall take, the network included
_FEW_IMAGES = 16  # of a batch, until the server has told
_RECENT_S = 5.0  # a person is not kept waiting for what failed so shortly before
_NORM_TOLERANCE = 1e-3
_CHECKED_EVERY = 500  # images; what is wrong since the last check is encoded again
_CHECKED_FOR_S = 600.0  # a card may have been through a sleep since
_FITTING = "the same settings and version are needed on both sides"


class HttpEncoder:
    """A `protocols.RemoteEncoder` over HTTPS.

    What fails on the way says nothing of the images: it changes the state, and the server is tried
    again with growing pauses, for as long as images wait. For one event loop.

    Args:
        fingerprint: of the model that is wanted.
        name: of it, for messages.
        reference: what its vectors are held against.
        clock: monotonic, in seconds.
        sleep: pauses for so many of them.
    """

    def __init__(
        self,
        config: EncodeServerConfig,
        fingerprint: str,
        name: str,
        reference: ReferenceVectors,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connection = ServerConnection(config)
        self._wanted = WantedCommand(config.command(), self._connection.url, clock)
        self._fingerprint = fingerprint
        self._name = name
        self._reference = reference
        self._clock = clock
        self._sleep = sleep
        self._state: Literal["untried", "ready"] | Trouble = "untried"
        self._reason: str | None = None
        self._since_ns = time.time_ns()
        self._next_try = 0.0
        self._failed_at = float("-inf")
        self._failures = 0
        self._waiting = asyncio.Lock()
        self._trying = asyncio.Lock()
        self._again = asyncio.Event()
        self._expected: ModelInfo | None = None
        self._offered: messages.OfferedModel | None = None
        self._pace = AdaptiveBatch(_REQUEST_S, _FEW_IMAGES)
        self._under_way = 0
        self._rate = Rate()
        self._checks = 0
        self._checked_at = float("-inf")
        self._unchecked = 0
        self._wrong = 0  # how often it was found wrong
        self._on_wrong: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Of the server."""
        return self._connection.url

    @property
    def reason(self) -> str:
        """Why it is not ready, for a person."""
        return self._reason or f"{self.url} was not asked yet"

    @property
    def batch(self) -> int:
        """See `protocols.RemoteEncoder.batch`."""
        return self._pace.step()

    @property
    def in_flight(self) -> int:
        """See `protocols.RemoteEncoder.in_flight`."""
        return _IN_FLIGHT

    @property
    def undecided(self) -> bool:
        """See `protocols.RemoteEncoder.undecided`."""
        return self._state == "untried"

    @property
    def checks(self) -> int:
        """See `protocols.RemoteEncoder.checks`."""
        return self._checks

    def when_wrong(self, told: Callable[[], None]) -> None:
        """See `protocols.RemoteEncoder.when_wrong`."""
        self._on_wrong = told

    def status(self) -> EncodeServerStatus:
        """See `protocols.RemoteEncoder.status`."""
        trouble = self._state not in {"untried", "ready"}
        since = datetime.datetime.fromtimestamp(self._since_ns / 1e9, datetime.UTC)
        return EncodeServerStatus(
            url=self.url,
            model=self._name,
            state=self._state,
            reason=self._reason,
            since=since.isoformat(timespec="seconds"),
            next_try_s=max(0.0, round(self._next_try - self._clock(), 1)) if trouble else None,
            encoded=self._rate.total,
            rate_per_s=round(self._rate.per_s, 1),
            ms_per_image=round(1000 * self._pace.seconds_each, 1),
            images_per_request=self.batch if self._rate.total else 0,
            runs_on=self._offered.runs_on if self._offered else "",
            checks=self._checks,
            compared_with=self._reference.compared_with(self.url) if self._checks else "",
        )

    def expect(self, model: ModelInfo) -> None:
        """See `protocols.RemoteEncoder.expect`."""
        self._expected = model

    async def ready(self) -> None:
        """See `protocols.RemoteEncoder.ready`."""
        if self._is_ready():
            return
        async with self._waiting:
            while not self._is_ready():
                await self._pause()
                await self._try()
                if self._state == "unreachable":
                    self._wanted.want()

    def _is_ready(self) -> bool:
        return self._state == "ready"

    def retry_now(self) -> None:
        """Try again at once what was to be tried later."""
        self._next_try = 0.0
        self._again.set()

    async def reach(self) -> ModelInfo:
        """Return what the model is, tried now unless a try has just failed.

        Raises:
            EncoderAwayError: it is not to be had.
        """
        if self._state != "ready" and self._clock() >= self._failed_at + _RECENT_S:
            await self._try()
        if self._state != "ready" or self._offered is None:
            raise EncoderAwayError(self.reason)
        return self._offered.info

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """See `protocols.RemoteEncoder.encode_images`."""
        wrong, rows, done = self._wrong, [], 0
        most = self._most(pixels[0])
        while done < len(pixels):
            part = pixels[done : done + most]
            rows.append(await self._encode_part(part, lane))
            if self._wrong != wrong:  # others have shown that meanwhile
                raise EncoderAwayError(self.reason)
            self._rate.add(len(part))
            done += len(part)
        return np.concatenate(rows)

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """Return embeddings, shape (n, dim); errors as for `encode_images`."""
        rows, done = [], 0
        while done < len(texts):
            part = texts[done : done + messages.MOST_TEXTS]
            encoded = await self._asked(
                self._connection.encode_texts(self._fingerprint, part, lane)
            )
            rows.append(self._vectors(encoded, len(part)))
            done += len(part)
        return np.concatenate(rows)

    async def fetch_text_tower(self, path: str) -> bool:
        """Write the model's text tower to a file; return whether the server had one to give."""
        try:
            await self._connection.fetch_text_tower(self._fingerprint, path)
        except (ServerTroubleError, OSError) as error:
            logger.info("the text tower of %s is not fetched: %s", self._name, error)
            return False
        logger.info("the text tower of %s was fetched from %s", self._name, self.url)
        return True

    async def close(self) -> None:
        """See `protocols.RemoteEncoder.close`."""
        await self._wanted.close()
        await self._connection.close()
        if self._state == "ready":
            self._set("untried", None)

    async def _pause(self) -> None:
        """Wait for the next try, or for somebody who has had a better one meanwhile."""
        pause_s = self._next_try - self._clock()
        if pause_s <= 0:
            return
        self._again.clear()
        paused = asyncio.ensure_future(self._sleep(pause_s))
        again = asyncio.ensure_future(self._again.wait())
        try:
            await asyncio.wait({paused, again}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            paused.cancel()
            again.cancel()

    async def _try(self) -> None:
        """Find out whether the model can be had."""
        async with self._trying:
            if self._state == "ready":
                return
            failing = self._state == "failing"
            await self._connection.close()  # token and certificate may be others now
            try:
                offer = await self._connection.offer()
                self._offered = self._fitting(offer)
                if failing:
                    await self._prove_sound(self._offered.info)
            except ServerTroubleError as error:
                self._note(error)
                return
            self._checked_at = float("-inf")
            self._set("ready", None)
            self._again.set()
            self._pace.most = min(self._offered.batch, messages.MOST_IMAGES - PICTURES)

    def _fitting(self, offer: messages.Offer) -> messages.OfferedModel:
        """Return the model that is wanted.

        Raises:
            ServerTroubleError: the server has another one.
        """
        found = [model for model in offer.models if model.info.fingerprint == self._fingerprint]
        if not found:
            names = [f"{model.info.name} {model.info.pretrained}".strip() for model in offer.models]
            same = any(model.info.name == self._name for model in offer.models)
            what = "other weights of it" if same else ", ".join(names) or "no model"
            raise self._refusal(f"it does not have {self._name}, but {what}: {_FITTING}")
        expected, info = self._expected, found[0].info
        if expected is not None and (expected.dim, expected.preprocess) != (
            info.dim,
            info.preprocess,
        ):
            raise self._refusal(f"{self._name} wants other pixels there: {_FITTING}")
        return found[0]

    async def _prove_sound(self, info: ModelInfo) -> None:
        """Return if the model encodes a picture that surely is none to fail on.

        Raises:
            ServerTroubleError: it does not.
        """
        side = info.preprocess.size
        plain = bytes(value % 251 for value in range(side)) * (side * 3)
        try:
            await self._connection.encode_images(self._fingerprint, [plain], Lane.BULK)
        except WorkerError as error:
            raise ServerTroubleError("failing", f"{error}, whatever the picture") from error

    async def _encode_part(self, part: Sequence[bytes], lane: Lane) -> Float32Array:
        """Return the vectors of images that fit into a request, with a check if that is due."""
        if self._unchecked < _CHECKED_EVERY and self._clock() < self._checked_at + _CHECKED_FOR_S:
            self._unchecked += len(part)
            return await self._encode_request(part, lane, lone=len(part) == 1)
        model = self._model
        if model is None:
            raise EncoderAwayError(self.reason)
        known = await self._reference.known(model)
        self._unchecked = 0
        # anywhere among the others, since memory that is broken spoils some rows
        at = random.randint(0, len(part))  # noqa: S311  # no secret
        pictures = reference_vectors.pictures(model.preprocess.size)
        sent = [*part[:at], *pictures, *part[at:]]
        vectors = await self._encode_request(sent, lane, lone=len(part) == 1)
        given = vectors[at : at + PICTURES]
        if known is None:
            await self._reference.believe(self.url, model, given)
        else:
            self._compare(given, *known)
            await self._reference.agree(self.url, model)
        self._checks += 1
        self._checked_at = self._clock()
        return np.delete(vectors, range(at, at + PICTURES), axis=0)

    def _compare(self, given: Float32Array, made: str, expected: Float32Array) -> None:
        """Return if two pictures got the vectors that they should.

        Raises:
            ServerTroubleError: they did not, and whatever it gave since the last check is in doubt.
        """
        cosine = likeness(given, expected)
        if cosine >= SAME:
            return
        if made == reference_vectors.HERE:
            what = f"what this machine gives them: a cosine of {cosine:.2f} instead of 1"
        else:
            what = (
                f"what {made} gave them first: a cosine of {cosine:.2f} instead of 1. If that one"
                f" was wrong, delete {self._reference.path}, and start again"
            )
        self._checked_at = float("-inf")
        self._wrong += 1
        error = self._refusal(
            f"it encodes wrongly: two pictures that every imgvecd knows are not {what}"
        )
        self._note(error)
        self._on_wrong()
        raise error

    async def _encode_request(
        self, pixels: Sequence[bytes], lane: Lane, *, lone: bool
    ) -> Float32Array:
        self._under_way += 1
        at_once, began = self._under_way, time.monotonic()
        try:
            encoded = await self._asked(
                self._connection.encode_images(self._fingerprint, pixels, lane), lone=lone
            )
        finally:
            self._under_way -= 1
        vectors = self._vectors(encoded, len(pixels))
        self._pace.most = max(1, min(encoded.batch, self._most(pixels[0])))
        self._pace.learn(len(pixels), (time.monotonic() - began) / at_once)
        self._failures = 0
        return vectors

    async def _asked(self, request: Awaitable[Encoded], *, lone: bool = False) -> Encoded:
        """Return the answer to a request; what fails changes the state.

        Args:
            lone: one picture is all that is asked for, and gets blamed if its worker dies.
        """
        try:
            try:
                return await request
            except WorkerError:
                if lone and self._offered is not None:
                    await self._prove_sound(self._offered.info)
                raise
        except ServerTroubleError as error:
            self._note(error)
            raise

    def _vectors(self, encoded: Encoded, count: int) -> Float32Array:
        """Return the rows, which go into catalog and index: each a unit vector, or none is taken.

        Raises:
            ServerTroubleError: they are not.
        """
        model = self._model
        if model is None or len(encoded.rows) != count * model.dim * messages.FLOAT_BYTES:
            error = self._refusal("its answer has another size than was asked for")
        else:
            rows = np.frombuffer(encoded.rows, "<f4").reshape(count, model.dim)
            norms = np.linalg.norm(rows, axis=1)
            if np.isfinite(rows).all() and (abs(norms - 1) <= _NORM_TOLERANCE).all():
                return rows.astype(np.float32)
            error = self._refusal("its answer is not embeddings of length 1")
        self._note(error)
        raise error

    @property
    def _model(self) -> ModelInfo | None:
        return self._expected or (self._offered.info if self._offered else None)

    def _most(self, picture: bytes) -> int:
        """Return how many pictures of that size fit into a request, those of a check aside."""
        fitting = min(messages.MOST_BODY_BYTES // max(1, len(picture)), messages.MOST_IMAGES)
        return max(1, fitting - PICTURES)

    def _refusal(self, reason: str) -> ServerTroubleError:
        return ServerTroubleError("refused", f"{self.url}: {reason}")

    def _note(self, error: ServerTroubleError) -> None:
        """Take note of a failed try, or of all requests that fail for the same cause, once."""
        self._failed_at = now = self._clock()
        if self._next_try <= now:
            self._failures += 1
            longest_s = _LONGEST_S if error.state == "unreachable" else _REFUSED_S
            first_s = _REFUSED_S if error.state == "refused" else _FIRST_S
            self._next_try = now + backoff_s(self._failures, first_s, longest_s)
        self._set(error.state, str(error))

    def _set(self, state: Literal["untried", "ready"] | Trouble, reason: str | None) -> None:
        if state != self._state or reason != self._reason:
            level = logging.INFO if reason is None else logging.WARNING
            logger.log(level, "encode server %s", reason or f"{self.url}: {state}")
        if state != self._state:
            self._since_ns = time.time_ns()
        self._state, self._reason = state, reason
