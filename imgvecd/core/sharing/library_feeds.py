"""The seam to the catalog: what a library publishes, in the order of its clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imgvecd.core.sharing.vector_engine import FactStep, VectorStep
from imgvecd.types import Int64Array


class LibraryFeeds(Protocol):
    """What publishing needs of the catalog. Thread-safe; a feed is "facts" or a fingerprint."""

    def track(self) -> None:
        """Have changes of facts noted from now on; what was not noted is reconciled."""
        ...

    def stop_tracking(self) -> None:
        """Note changes of facts no more."""
        ...

    def clock(self) -> int:
        """Return the catalog's change counter."""
        ...

    def fact_step(self, since: int, limit: int, publish: Sequence[str]) -> FactStep:
        """Return what changed after a clock, about `limit` images; `clock` is how far it reaches.

        Args:
            publish: "paths", "metadata": what of an image may leave the library.
        """
        ...

    def vector_step(self, fingerprint: str, since: int, limit: int) -> VectorStep:
        """Return the vectors that changed after a clock; see `fact_step`."""
        ...

    def keys(self, feed: str) -> tuple[Int64Array, list[bytes]]:
        """Return (ascending ids, digests of contents) of all that the engine should have."""
        ...

    def facts_of(self, ids: Sequence[int], publish: Sequence[str]) -> FactStep:
        """Return what is to be published of those ids; those that are none are removed."""
        ...

    def vectors_of(self, fingerprint: str, ids: Sequence[int]) -> VectorStep:
        """Return the vectors of those of `ids` that a file bears and that have one."""
        ...

    def marks(self, feed: str) -> tuple[str, ...]:
        """Return the marks of positions that this library may have written last."""
        ...

    def note_marks(self, feed: str, marks: Sequence[str]) -> None:
        """Keep these instead."""
        ...

    def waiting(self, feed: str, since: int, most: int) -> int:
        """Return how many images changed after a clock; `most` stands for that or more."""
        ...

    def ids_of(self, fingerprint: str, contents: Sequence[bytes]) -> dict[bytes, int]:
        """Return the images that a file bears and that have a vector, by digest of content."""
        ...
