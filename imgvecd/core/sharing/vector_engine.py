"""The seam to a database that several hosts share: `VectorEngine`, and the values it speaks in.

Content and pixel digests are 16 bytes. A key is source number · 2^40 + content id, so that each
row has one writer, and no key is an image id of a library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imgvecd.api import Filters
from imgvecd.types import Float16Array, Float32Array, Int64Array, ModelInfo

KEY_BITS = 40
"""As in the catalog: content ids are below 2^40."""

MOST_SOURCES = 8192
"""So that every key is below 2^53, which JavaScript counts exactly."""

LEAST_RECALL = 0.95
"""Promised of the ten best, unfiltered and with one image in ten allowed."""

PROMPT_S = 2.0
"""How long `vectors_of_pixels` takes at the most: encoding waits for it."""

DIGEST_BYTES = 16
FACTS = "facts"
"""The feed of what is known of images; the others are named by a model's fingerprint."""


_ALL = Filters()


def key_of_image(source: int, content_id: int) -> int:
    """Return the key of a source's image."""
    return (source << KEY_BITS) + content_id


@dataclass(frozen=True, slots=True)
class Member:
    """A library that publishes.

    Attributes:
        uuid: names it for good.
        name: for people; several may have the same.
        writer: names the state directory on its machine: a copy of it has another one.
        publishes: "paths", "metadata".
    """

    uuid: str
    name: str
    writer: str
    publishes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a feed of a source is in the engine.

    Attributes:
        clock: of the source's catalog.
        mark: random, made for each step: who does not know it has not written that step.
    """

    clock: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is published of an image; what its source does not publish is None or empty.

    Attributes:
        content: digest of its bytes.
        tags: folded.
        paths: absolute, as text.
        folders: every folder that a file lies in or below, absolute and relative to its root.
    """

    content_id: int
    content: bytes
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    rating: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactStep:
    """Facts that came or changed, and ids of images that are gone, with their vectors."""

    clock: int
    facts: Sequence[ImageFacts]
    removed: Sequence[int] = ()

    def __len__(self) -> int:
        """Return how many images it is about."""
        return len(self.facts) + len(self.removed)


@dataclass(frozen=True, slots=True)
class VectorStep:
    """Vectors that came or changed, and ids of those that are gone.

    Attributes:
        contents: digests, a row of `vectors` (n, dim) each.
        pixels: digests of what the model saw, or None.
    """

    clock: int
    ids: Int64Array
    contents: Sequence[bytes]
    pixels: Sequence[bytes | None]
    vectors: Float16Array
    removed: Int64Array

    def __len__(self) -> int:
        """Return how many images it is about."""
        return len(self.ids) + len(self.removed)


@dataclass(frozen=True, slots=True)
class Where:
    """Which images of the engine a search may find.

    Attributes:
        filters: whose dates are resolved (`filter_ids.with_dates`).
        without: number of a source that is left out.
        names: of the only sources wanted; empty for all.
    """

    filters: Filters = _ALL
    without: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedImage:
    """An image found; `score` is the exact cosine of the fp16 vector."""

    key: int
    score: float
    source: str
    facts: ImageFacts


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the engine has of a source.

    Attributes:
        seen_at: when it last began to publish, or wrote; ISO 8601.
        images: with facts.
        vectors: by fingerprint.
    """

    number: int
    uuid: str
    name: str
    role: str
    publishes: tuple[str, ...]
    seen_at: str
    images: int
    vectors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of the ten best a search finds, 0 to 1, measured against an exact one.

    Attributes:
        filtered: where one image in ten passes.
        how: index and parameters.
        queries: how many were measured.
    """

    unfiltered: float
    filtered: float
    how: str
    queries: int

    @property
    def is_enough(self) -> bool:
        """Whether it is what is promised."""
        return min(self.unfiltered, self.filtered) >= LEAST_RECALL


class VectorEngine(Protocol):
    """A database with the vectors of several sources. Thread-safe; connects when it is needed.

    Every method blocks, for seconds at the most unless it says otherwise, and raises `EngineError`
    for what a later try may find mended.
    """

    @property
    def name(self) -> str:
        """What kind of engine it is, for people."""
        ...

    def join(self, member: Member) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time).

        Until `close`, or the end of the connection, no other process publishes as this source.

        Raises:
            SourceTakenError: a process with another state directory does.
        """
        ...

    def use_model(self, model: ModelInfo) -> None:
        """Make room for the vectors of a model, if there is none yet."""
        ...

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        ...

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source and move its position, both or neither.

        Raises:
            PositionError: the position is not `since`; nothing was written.
        """
        ...

    def keys(self, number: int, feed: str) -> Iterator[tuple[Int64Array, list[bytes]]]:
        """Yield (content ids, digests of contents) of a source, by ascending id."""
        ...

    def settle(self, fingerprint: str, questions: Callable[[], Float32Array]) -> None:
        """Build or tune the index of a model if that is due: takes as long as it takes.

        Args:
            questions: returns what people would ask, shape (n, dim), for measuring the recall.
        """
        ...

    def search(
        self, fingerprint: str, query: Float32Array, k: int, where: Where
    ) -> list[SharedImage]:
        """Return the k best images, best first, ties by ascending key.

        Args:
            query: shape (dim,), unit.

        Raises:
            BadRequestError: a filter that no engine knows; it names the field.
        """
        ...

    def count(self, fingerprint: str, where: Where) -> int:
        """Return how many images with a vector a search may find, at least about."""
        ...

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, dict[str, Float16Array]]:
        """Return what sources say that the model gave these very pixels.

        Returns: vectors (shape (dim,)) by the UUID of the source, by digest.

        Raises:
            EngineError: also where it takes longer than `PROMPT_S`.
        """
        ...

    def prepare(self) -> None:
        """Make the tables, or bring them up to date; for who may."""
        ...

    def sources(self) -> list[SourceState]:
        """Return all sources, by number."""
        ...

    def measure(self, fingerprint: str, queries: Float32Array) -> Recall:
        """Measure the recall as searches are now; takes as long as it takes."""
        ...

    def forget(self, number: int) -> int:
        """Delete everything of a source; return how many images. Takes as long as it takes."""
        ...

    def close(self) -> None:
        """Close connections; a call under way ends with an error."""
        ...


def no_ids() -> Int64Array:
    """Return an empty array of ids."""
    return np.empty(0, np.int64)
