"""Keeps what a shared engine has of this library in step with the catalog, on its own thread.

Nothing waits for it: the catalog is the queue. Whatever goes wrong is tried again, with pauses.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from imgvecd.core.sharing.library_feeds import LibraryFeeds
from imgvecd.core.sharing.reconciliation import BATCH, clock_of, new_position, reconcile
from imgvecd.core.sharing.source_identity import SourceIdentity
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    FactStep,
    Member,
    Position,
    VectorEngine,
    VectorStep,
)
from imgvecd.core.timing.retrying import backoff_s
from imgvecd.errors import CatalogError, EngineError, ImgvecdError, SourceTakenError
from imgvecd.types import Float32Array, ModelInfo

logger = logging.getLogger(__name__)

_GATHER_S = 0.2  # what comes together goes together
_LOOK_S = 30.0  # an engine that has been restored says so by its positions
_FIRST_S, _LONGEST_S = 1.0, 30.0  # between tries
_STOP_S = 5.0
_MOST_WAITING = 1_000_000


class _StoppedError(Exception):
    """The publisher is to end."""


class Publisher:
    """Runs from `start` to `stop`.

    Args:
        publish: what of an image may leave the library: "paths", "metadata".
        model: returns the model whose vectors are published; None while there is none.
        questions: returns what people ask, shape (n, dim), for measuring the recall.

    Attributes:
        number: of this source; None until the engine was reached.
        error: why publishing does not go on; None when all is well.
        trouble: that, and what waits.
    """

    def __init__(
        self,
        engine: VectorEngine,
        feeds: LibraryFeeds,
        identity: SourceIdentity,
        name: str,
        publish: tuple[str, ...],
        model: Callable[[], ModelInfo | None],
        questions: Callable[[ModelInfo], Float32Array],
    ) -> None:
        self._engine = engine
        self._feeds = feeds
        self._identity = identity
        self._name = name
        self._publish = publish
        self._model = model
        self._questions = questions
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._held: dict[str, Position] = {}
        self._read: dict[str, int] = {}  # how far the catalog was looked at: at least as far
        self._joined = False
        self.number: int | None = None
        self._failure: tuple[str, str] | None = None  # one value: both are told or neither

    @property
    def error(self) -> str | None:
        """Why nothing can be published now."""
        return self._failure[0] if self._failure else None

    @property
    def trouble(self) -> str | None:
        """Why nothing can be published now, and how many images wait for it."""
        return self._failure[1] if self._failure else None

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def wake(self) -> None:
        """The catalog has changed; from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End; blocks for seconds at the most. What is not published yet is at the next start."""
        self._stopping.set()
        self._woken.set()
        self._engine.close()  # which ends a call under way
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def waiting(self) -> int:
        """Return how many images the engine does not have as they are here; blocks."""
        waiting = 0
        model = self._model()
        with contextlib.suppress(ImgvecdError):
            for feed in (FACTS, *([model.fingerprint] if model is not None else [])):
                if feed in self._held:
                    known = max(self._held[feed].clock, self._read.get(feed, 0))
                else:  # it has not answered since the start
                    known = clock_of(self._feeds.marks(feed))
                waiting = max(waiting, self._feeds.waiting(feed, known, _MOST_WAITING))
        return waiting

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._publish_all()
            except _StoppedError:
                return
            except (EngineError, CatalogError) as error:
                if self._stopping.is_set():
                    return
                failures += 1
                self._fail(str(error))
                self._stopping.wait(backoff_s(failures, _FIRST_S, _LONGEST_S))
            except Exception:  # whatever it is, watching and local searches go on
                logger.exception("publishing to the shared engine failed")
                self._fail("publishing to the shared engine failed: the log says how")
                self._stopping.wait(_LONGEST_S)
            else:
                failures = 0
                self._failure = None
                self._woken.wait(_LOOK_S if self._model() is not None else _FIRST_S)
                self._stopping.wait(_GATHER_S)

    def _fail(self, why: str) -> None:
        if why != self.error:
            logger.warning("%s; trying again", why)
        self._joined = False
        self._failure = why, f"{why}; images that wait to be published: {self.waiting():,}"

    def _publish_all(self) -> None:
        self._feeds.track()
        model = self._model()
        if not self._joined:
            self._join()
        feeds = [FACTS]
        if model is not None:
            if model.fingerprint not in self._held:
                self._engine.use_model(model)
            feeds.append(model.fingerprint)
        written = False
        for feed in feeds:
            if feed not in self._held:
                self._begin(feed)
            written |= self._follow(feed)
        if written:
            logger.info("published up to clock %d", self._feeds.clock())
        elif any(self._engine.position(feed) != self._held[feed] for feed in feeds):
            self._joined = False  # somebody has restored it
            self._woken.set()
            return
        if model is not None:
            self._engine.settle(model.fingerprint, lambda: self._questions(model))

    def _join(self) -> None:
        try:
            number, same = self._engine.join(self._member(self._identity.uuid()))
        except SourceTakenError:
            logger.warning(
                "another process publishes as this library: this state directory is a copy, and"
                " becomes a source of its own"
            )
            number, same = self._engine.join(self._member(self._identity.renew()))
        if not same:
            self._feeds.note_marks(FACTS, ())
        self._held.clear()
        self._read.clear()
        self.number, self._joined = number, True

    def _member(self, uuid: str) -> Member:
        return Member(uuid, self._name, self._identity.writer(), self._publish)

    def _begin(self, feed: str) -> None:
        """Find out how far a feed is in the engine; make it right if nobody knows."""
        held = self._engine.position(feed)
        known = self._feeds.marks(feed)
        if held is None:
            held = Position()
        elif held.mark not in known or held.clock > self._feeds.clock():
            assert self.number is not None  # noqa: S101  # it has joined
            held = reconcile(
                self._engine,
                self._feeds,
                self.number,
                feed,
                held,
                self._publish,
                self._raise_if_stopping,
            )
        self._held[feed] = held

    def _follow(self, feed: str) -> bool:
        """Publish what has changed; return whether anything had."""
        written = False
        while True:
            self._raise_if_stopping()
            held = self._held[feed]
            since = max(held.clock, self._read.get(feed, 0))
            step = self._step(feed, since)
            if step.clock <= since:
                return written
            if len(step):
                until = new_position(step.clock)
                # either may be there if we are killed now
                self._feeds.note_marks(feed, [held.mark, until.mark])
                self._engine.write(feed, held, until, step)
                self._held[feed] = until
                written = True
            self._read[feed] = step.clock

    def _step(self, feed: str, since: int) -> FactStep | VectorStep:
        if feed == FACTS:
            return self._feeds.fact_step(since, BATCH, self._publish)
        return self._feeds.vector_step(feed, since, BATCH)

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError
