"""One segment of the index together with which of its rows still count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.index.packed_vectors import packed, products
from imgvecd.core.index.segments import Bitmap, Segment
from imgvecd.types import Float32Array, Int64Array, PackedVectors

# Rows scored at once: 512 rows × 512 floats are 1 MiB, which the second-level cache holds.
_BLOCK_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A segment and its visible rows. Immutable: hiding rows makes another layer.

    Attributes:
        visible: None while every row counts.
        hidden_rows: number of rows that do not.
    """

    segment: Segment
    visible: Bitmap | None = None
    hidden_rows: int = 0

    def __len__(self) -> int:
        """Return the number of visible rows."""
        return len(self.segment.ids) - self.hidden_rows

    def rows_of(self, ids: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        """Return (row, found) per id; a row means nothing where it was not found or is hidden."""
        own = self.segment.ids
        if len(own) == 0:
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        rows = np.minimum(np.searchsorted(own, ids), len(own) - 1)
        found = own[rows] == ids
        if self.visible is not None:
            found &= _bits_at(self.visible, rows)
        return rows, found

    def hide(self, ids: Int64Array) -> Layer:
        """Return the layer without `ids` (unique); itself if it shows none of them."""
        rows, found = self.rows_of(ids)
        rows = rows[found]
        if len(rows) == 0:
            return self
        visible = full_bitmap(len(self.segment.ids)) if self.visible is None else self.visible
        visible = visible.copy()
        np.bitwise_and.at(visible, rows >> 3, ~(np.uint8(1) << (rows & 7).astype(np.uint8)))
        return Layer(self.segment, visible, self.hidden_rows + len(rows))

    def restricted(self, allowed: Int64Array) -> Layer:
        """Return the layer with nothing visible but `allowed` (sorted, unique)."""
        mask = np.packbits(np.isin(self.segment.ids, allowed), bitorder="little")
        if self.visible is not None:
            mask &= self.visible
        return Layer(self.segment, mask, len(self.segment.ids) - int(count_bits(mask)))

    def visible_rows(self) -> Int64Array:
        """Return the visible rows, ascending."""
        count = len(self.segment.ids)
        if self.visible is None:
            return np.arange(count, dtype=np.int64)
        return np.flatnonzero(np.unpackbits(self.visible, count=count, bitorder="little"))

    def live(self) -> tuple[Int64Array, PackedVectors]:
        """Return (ids, vectors) of the visible rows, by ascending id."""
        rows = self.visible_rows()
        return self.segment.ids[rows], self.vectors(rows)

    def vectors(self, rows: Int64Array) -> PackedVectors:
        """Return the vectors of those rows, in their order."""
        return packed(self.segment.vectors[rows])

    def candidates(self, queries: Float32Array, k: int) -> Int64Array:
        """Return visible rows that hold the k best of each query; see `Segment.candidates`."""
        if k < len(self):
            return self.segment.candidates(queries, k, self.visible)
        rows = self.visible_rows()
        return np.broadcast_to(rows, (len(queries), len(rows)))

    def scores(self, query: Float32Array, rows: Int64Array) -> Float32Array:
        """Return the exact cosines of `rows` with one query; equal vectors score equally."""
        vectors = self.segment.vectors
        result = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = rows[start : start + _BLOCK_ROWS]
            result[start : start + len(block)] = products(vectors[block], query)
        return result


def full_bitmap(rows: int) -> Bitmap:
    """Return a bitmap that shows all of `rows`, the spare bits of the last byte unset."""
    return np.packbits(np.ones(rows, bool), bitorder="little")


def count_bits(bitmap: Bitmap) -> int:
    """Return the number of set bits."""
    return int(_BITS_IN_BYTE[bitmap].sum(dtype=np.int64))


_BITS_IN_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.uint8
)


def _bits_at(bitmap: Bitmap, rows: Int64Array) -> NDArray[np.bool_]:
    return np.asarray(bitmap[rows >> 3] >> (rows & 7).astype(np.uint8) & 1, bool)
