"""The seam to the vector library: immutable segments, and what makes, stores and maps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.files.durable import StoredFile
from imgvecd.types import (
    Float32Array,
    IndexChanges,
    Int64Array,
    PackedVectors,
    StoredVectors,
)

Bitmap: TypeAlias = NDArray[np.uint8]
"""One bit per row, lowest bit first; a set bit is a row that a search may find."""

SegmentKind: TypeAlias = Literal["flat", "pq", "rabitq"]


class Segment(Protocol):
    """Vectors that never change, found by position ("row"). Thread-safe."""

    @property
    def kind(self) -> SegmentKind:
        """How it is searched."""
        ...

    @property
    def ids(self) -> Int64Array:
        """Content ids, shape (n,), strictly ascending."""
        ...

    @property
    def vectors(self) -> StoredVectors:
        """The vectors that scores are computed from, n of them; may lie on disk.

        What an older imgvecd has written has float16, of shape (n, dim).
        """
        ...

    def candidates(self, queries: Float32Array, k: int, visible: Bitmap | None) -> Int64Array:
        """Return rows that should hold the k best of each query, in any order.

        Args:
            queries: shape (n, dim).
            visible: which rows may be found; None allows all.

        Returns:
            Shape (n, c) with at least min(k, visible rows) distinct rows each; -1 is padding.
        """
        ...


class SegmentFactory(Protocol):
    """Makes segments, stores them and maps them back. Thread-safe.

    A stem is a path without suffix, from which the names of a segment's files are made.
    """

    def flat(self, ids: Int64Array, vectors: PackedVectors) -> Segment:
        """Return an exact segment in memory; `ids` strictly ascending."""
        ...

    def write(self, segment: Segment, stem: str) -> tuple[StoredFile, ...]:
        """Store a flat segment durably.

        Raises:
            OSError: the disk is full or failing.
        """
        ...

    def build(
        self,
        kind: SegmentKind,
        dim: int,
        batches: Iterator[IndexChanges],
        stem: str,
        between: Callable[[], None],
    ) -> tuple[StoredFile, ...]:
        """Store a segment of all vectors in `batches` (ascending ids) durably, on one core.

        The memory needed does not grow with the vectors, other than by their search codes.

        Args:
            between: called every few thousand vectors; what it raises ends the building.

        Raises:
            OSError: the disk is full or failing.
        """
        ...

    def load(self, kind: SegmentKind, dim: int, stem: str) -> Segment:
        """Map a stored segment whose parsed files have been verified.

        Raises:
            IndexDamagedError: the files do not fit together.
        """
        ...
