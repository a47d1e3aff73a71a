"""An index for searching only, beside another process that keeps the one on disk."""

from __future__ import annotations

import logging
import threading

import numpy as np

from imgvecd.core.index import checkpoint as checkpoints
from imgvecd.core.index.segments import SegmentFactory
from imgvecd.core.index.snapshot import Snapshot
from imgvecd.core.index.validation import checked_changes, checked_queries
from imgvecd.errors import IndexDamagedError
from imgvecd.protocols import EmbeddingSource
from imgvecd.types import Float32Array, IndexChanges, Int64Array

logger = logging.getLogger(__name__)

# Vectors taken in at once: 4 MiB at 512 dimensions.
_BATCH = 4096


class ReadonlyIndex:
    """Implements `protocols.VectorIndex` without writing anything.

    Begins with the last checkpoint, if there is a sound one, and takes in what the catalog has
    since before every search. Thread-safe.
    """

    def __init__(
        self,
        directory: str,
        fingerprint: str,
        dim: int,
        source: EmbeddingSource,
        segments: SegmentFactory,
    ) -> None:
        self._fingerprint = fingerprint
        self._dim = dim
        self._source = source
        self._segments = segments
        self._writing = threading.Lock()
        self._snapshot = self._load(directory)

    def _load(self, directory: str) -> Snapshot:
        try:
            manifest = checkpoints.read_manifest(directory)
            if manifest is not None and manifest.fits(self._source, self._fingerprint, self._dim):
                layers = checkpoints.load_layers(directory, manifest, self._segments)
                return checkpoints.snapshot_of(manifest, layers)
        except (IndexDamagedError, OSError) as error:  # or its owner has just replaced it
            logger.info("%s; reading every vector from the catalog", error)
        return Snapshot(0)

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._dim

    @property
    def clock(self) -> int:
        """Catalog clock up to which this index is complete."""
        return self._snapshot.clock

    @property
    def size_bytes(self) -> int:
        """Bytes on disk that are its own: none."""
        return 0

    def __len__(self) -> int:
        """Return the number of vectors that a search can find."""
        return len(self._snapshot)

    def apply(self, changes: IndexChanges) -> None:
        """Take in one step of changes; `clock` moves to `changes.clock`."""
        with self._writing:
            if changes.clock > self._snapshot.clock:
                checked = checked_changes(changes, self._dim)
                self._snapshot = self._snapshot.apply(checked, self._segments)

    def catch_up(self) -> None:
        """Take in what has changed in the catalog."""
        while True:
            clock = self._snapshot.clock
            _, changes = self._source.embedding_changes(self._fingerprint, clock, _BATCH)
            if changes.clock <= clock:
                return
            self.apply(changes)

    def differences(self) -> int:
        """Return how many vectors are not those of the catalog, or in only one of the two."""
        self.catch_up()
        snapshot, different = self._snapshot, 0
        live = [np.empty(0, np.int64)]
        for batch in self._source.stream_embeddings(self._fingerprint, _BATCH)[1]:
            different += len(snapshot.new_rows(checked_changes(batch, self._dim))[0])
            live.append(batch.added)
        return different + len(np.setdiff1d(snapshot.ids(), np.concatenate(live)))

    def search(
        self, queries: Float32Array, k: int, *, allowed: Int64Array | None = None
    ) -> tuple[Float32Array, Int64Array]:
        """Return the k best per query; see `protocols.VectorIndex.search`."""
        self.catch_up()
        return self._snapshot.search(checked_queries(queries, self._dim, k), k, allowed)
