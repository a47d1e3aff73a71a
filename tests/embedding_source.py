"""An `EmbeddingSource` in memory: the catalog as the index sees it, without files or SQLite."""

import threading

import numpy as np

from imgvecd.core.index.packed_vectors import packed, unpacked
from imgvecd.types import IndexChanges


def unit_vectors(rng, count, dim):
    """Return `count` random unit vectors with the values that are kept once they are stored."""
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return unpacked(packed(vectors))


def brute_force(vectors, query, k, allowed=None):
    """Return (scores, ids) of the k best in {id: vector}, ties by ascending id."""
    ids = np.array(sorted(vectors.keys() if allowed is None else vectors.keys() & set(allowed)))
    if len(ids) == 0:
        return np.empty(0, np.float32), np.empty(0, np.int64)
    scores = np.array([np.einsum("i,i", vectors[i], query) for i in ids])
    np.clip(scores, -1, 1, out=scores)
    order = np.lexsort((ids, -scores))[:k]
    return scores[order], ids[order]


class MemorySource:
    """Vectors by id under one fingerprint, and the clock at which each last changed."""

    def __init__(self, dim, instance="memory"):
        self.dim = dim
        self.name = instance
        self.now = 0
        self.vectors = {}
        self._changed = {}
        self._lock = threading.Lock()

    def put(self, ids, vectors):
        """Commit vectors under `ids`, new or replaced."""
        with self._lock:
            self.now += 1
            for identity, vector in zip(ids, vectors, strict=True):
                self.vectors[int(identity)] = vector
                self._changed[int(identity)] = self.now

    def drop(self, ids):
        """Remove `ids`."""
        with self._lock:
            self.now += 1
            for identity in ids:
                self.vectors.pop(int(identity), None)
                self._changed[int(identity)] = self.now

    def clock(self):
        return self.now

    def instance(self):
        return self.name

    def live_count(self, fingerprint):
        return len(self.vectors)

    def stream_embeddings(self, fingerprint, batch_size):
        with self._lock:
            clock, frozen = self.now, dict(sorted(self.vectors.items()))
        ids = list(frozen)
        return clock, (
            self._changes(clock, {i: frozen[i] for i in ids[start : start + batch_size]}, [])
            for start in range(0, len(ids), batch_size)
        )

    def embedding_changes(self, fingerprint, since, limit):
        with self._lock:
            later = sorted((at, i) for i, at in self._changed.items() if at > since)
            clock = later[limit - 1][0] if len(later) > limit else self.now
            ids = sorted(i for at, i in later if at <= clock)
            added = {i: self.vectors[i] for i in ids if i in self.vectors}
            removed = [i for i in ids if i not in self.vectors]
            return len(ids), self._changes(clock, added, removed)

    def embeddings(self, fingerprint, ids):
        return {i: self.vectors[i] for i in ids if i in self.vectors}

    def _changes(self, clock, added, removed):
        vectors = np.array(list(added.values()), np.float32).reshape(len(added), self.dim)
        ids = np.array(list(added), np.int64)
        return IndexChanges(clock, ids, packed(vectors), np.array(removed, np.int64))
