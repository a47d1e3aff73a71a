"""One moment of the index, immutable: a search that holds it sees whole batches only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgvecd.core.index.segment_layer import Layer
from imgvecd.core.index.segments import SegmentFactory
from imgvecd.types import Float32Array, IndexChanges, Int64Array, PackedVectors

# Below so many allowed ids their exact scores are computed one by one, which takes 1 ms per 1,000;
# a search of a million images under a filter takes as long as 20,000 of them.
_BRUTE_FORCE_IDS = 20_000
# Small delta segments are merged up to so many rows: 4 MiB at 512 dimensions, which bounds both
# what a checkpoint rewrites and what one `apply` copies.
_MERGED_ROWS = 4096
# Queries searched at once: bounds the memory of their candidates.
_BLOCK_QUERIES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The layers of the index and the catalog clock that they cover.

    Attributes:
        base: the sealed segment of this generation; None if it was built from nothing.
        delta: what came since, oldest first. No id is visible in two layers.
    """

    clock: int
    base: Layer | None = None
    delta: tuple[Layer, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, the base first."""
        return (self.base, *self.delta) if self.base is not None else self.delta

    def __len__(self) -> int:
        """Return the number of vectors that can be found."""
        return sum(map(len, self.layers))

    def ids(self) -> Int64Array:
        """Return the ids of all vectors that can be found, ascending."""
        visible = [layer.segment.ids[layer.visible_rows()] for layer in self.layers]
        return np.sort(np.concatenate([np.empty(0, np.int64), *visible]))

    @property
    def added_rows(self) -> int:
        """Number of vectors in the delta."""
        return sum(map(len, self.delta))

    @property
    def hidden_rows(self) -> int:
        """Number of rows that searches skip."""
        return sum(layer.hidden_rows for layer in self.layers)

    def apply(self, changes: IndexChanges, segments: SegmentFactory) -> Snapshot:
        """Return the snapshot after `changes`, whose ids are unique."""
        ids, vectors = self.new_rows(changes)
        gone = np.concatenate([ids, changes.removed])
        base = self.base.hide(gone) if self.base is not None else None
        delta = [layer for layer in (old.hide(gone) for old in self.delta) if len(layer)]
        if len(ids):
            delta.append(Layer(segments.flat(ids, vectors)))
        while len(delta) > 1 and _worth_merging(delta[-2], delta[-1]):
            delta[-2:] = [_merged(delta[-2], delta[-1], segments)]
        return Snapshot(changes.clock, base, tuple(delta))

    def new_rows(self, changes: IndexChanges) -> tuple[Int64Array, PackedVectors]:
        """Return (ids, vectors), ascending, of what `changes` adds and is not here just so."""
        # a content can be reported again for a new name only: its vector is then here already
        order = np.argsort(changes.added)
        ids, vectors = changes.added[order], changes.vectors[order]
        known = np.zeros(len(ids), bool)
        for layer in self.layers:
            rows, found = layer.rows_of(ids)
            known[found] = layer.vectors(rows[found]) == vectors[found]
        return ids[~known], vectors[~known]

    def search(
        self, queries: Float32Array, k: int, allowed: Int64Array | None
    ) -> tuple[Float32Array, Int64Array]:
        """Return (scores, ids) of the k best per query; see `protocols.VectorIndex.search`."""
        if allowed is not None and len(allowed) <= _BRUTE_FORCE_IDS:
            return self._search_each(queries, k, allowed)
        layers = self.layers
        if allowed is not None:
            layers = tuple(layer.restricted(allowed) for layer in layers)
        layers = tuple(layer for layer in layers if len(layer))
        k = min(k, sum(map(len, layers)))
        scores = np.empty((len(queries), k), np.float32)
        ids = np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries) if k else 0, _BLOCK_QUERIES):
            block = queries[start : start + _BLOCK_QUERIES]
            rows = [layer.candidates(block, k) for layer in layers]
            for i, query in enumerate(block):
                scores[start + i], ids[start + i] = _best(query, k, layers, [r[i] for r in rows])
        return scores, ids

    def _search_each(
        self, queries: Float32Array, k: int, allowed: Int64Array
    ) -> tuple[Float32Array, Int64Array]:
        """Return (scores, ids) of the k best of few ids, by scoring every one."""
        rows = [rows[found] for rows, found in (layer.rows_of(allowed) for layer in self.layers)]
        k = min(k, sum(map(len, rows)))
        scores = np.empty((len(queries), k), np.float32)
        ids = np.empty((len(queries), k), np.int64)
        for i, query in enumerate(queries if k else ()):
            scores[i], ids[i] = _best(query, k, self.layers, rows)
        return scores, ids


def _best(
    query: Float32Array, k: int, layers: tuple[Layer, ...], rows: list[Int64Array]
) -> tuple[Float32Array, Int64Array]:
    rows = [some[some >= 0] for some in rows]
    pairs = list(zip(layers, rows, strict=True))
    scores = np.concatenate([layer.scores(query, some) for layer, some in pairs])
    ids = np.concatenate([layer.segment.ids[some] for layer, some in pairs])
    # rounding can take a cosine past 1 by some 1e-4 (float16)
    np.clip(scores, -1.0, 1.0, out=scores)
    order = np.lexsort((ids, -scores))[:k]
    return scores[order], ids[order]


def _worth_merging(older: Layer, newer: Layer) -> bool:
    # each row is copied some log2(_MERGED_ROWS) times, as in a binary counter
    return len(older) < 2 * len(newer) and len(older) + len(newer) <= _MERGED_ROWS


def _merged(older: Layer, newer: Layer, segments: SegmentFactory) -> Layer:
    older_ids, older_vectors = older.live()
    newer_ids, newer_vectors = newer.live()
    ids = np.concatenate([older_ids, newer_ids])
    vectors = np.concatenate([older_vectors, newer_vectors])
    order = np.argsort(ids)
    return Layer(segments.flat(ids[order], vectors[order]))
