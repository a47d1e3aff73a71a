"""The index of one model's embeddings: searches, follows the catalog, keeps itself on disk."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from imgvecd.api import IndexStatus
from imgvecd.config.schema import IndexConfig
from imgvecd.core.files.disk_errors import describe
from imgvecd.core.index.index_store import Store, StoredSegment
from imgvecd.core.index.segment_layer import Layer
from imgvecd.core.index.segments import Segment, SegmentFactory, SegmentKind
from imgvecd.core.index.snapshot import Snapshot
from imgvecd.core.index.validation import checked_changes, checked_queries
from imgvecd.protocols import EmbeddingSource
from imgvecd.types import Float32Array, IndexChanges, Int64Array

logger = logging.getLogger(__name__)

# Exact search of 100,000 × 512 fp16 vectors takes 4 ms on one core; codes pay above that.
FLAT_LIMIT = 100_000
# A delta this small is never worth a rebuild, whatever its share of a small base.
_SMALL_DELTA = 64
# Vectors that catching up and rebuilding hold at once: 4 MiB at 512 dimensions.
_BATCH = 4096
# Nice value of a rebuild: a search that wants the same core gets three quarters of it. At 10 a
# rebuild beside five busy processes took 315 s instead of 84.
_REBUILD_NICE = 5


class _ClosedError(Exception):
    """The index was closed while a generation was being built."""


class LibraryIndex:
    """Implements `protocols.VectorIndex` over segments on disk and in memory.

    Searches take no lock: they read one immutable snapshot. Whatever changes the snapshot holds
    `_writing` for the length of a batch; whatever changes the folder holds `_disk`.

    Thread-safety: every method, from any thread. Only one process may open a directory.
    """

    def __init__(
        self,
        directory: str,
        fingerprint: str,
        dim: int,
        source: EmbeddingSource,
        config: IndexConfig,
        segments: SegmentFactory,
    ) -> None:
        self._fingerprint = fingerprint
        self._dim = dim
        self._source = source
        self._config = config
        self._segments = segments
        self._writing = threading.Lock()
        self._disk = threading.Lock()
        self._building = threading.Lock()
        self._snapshot = Snapshot(0)
        self._steps = self._written_steps = 0  # how often the snapshot was replaced
        self._store = Store(directory, fingerprint, dim, segments)
        self._changes = 0
        self._awaiting_rebuild = False
        self._damaged = False
        self._closed = False

    @classmethod
    def open(
        cls,
        directory: str,
        fingerprint: str,
        dim: int,
        source: EmbeddingSource,
        config: IndexConfig,
        segments: SegmentFactory,
    ) -> LibraryIndex:
        """Return the index of `fingerprint` kept in `directory`, up to date with the catalog.

        A checkpoint is loaded if it fits the catalog and its bytes are those written; else the
        index is built anew, in here for up to `FLAT_LIMIT` vectors. Above, it is empty and
        `needs_rebuild` until the caller has called `rebuild`.

        A folder that cannot be read or written is waited for: what a search needs is in memory.

        Raises:
            CatalogError: the catalog cannot be read.
        """
        index = cls(directory, fingerprint, dim, source, config, segments)
        index._load()
        index.catch_up()
        return index

    def _load(self) -> None:
        try:
            snapshot = self._store.load(self._source)
        except OSError as error:  # searches shall not wait until a person has seen to the disk
            logger.warning("%s; building the index anew from the catalog", describe(error))
            snapshot = None
        if snapshot is not None:
            self._snapshot = snapshot
            return
        count = self._source.live_count(self._fingerprint)
        self._awaiting_rebuild = count > 0
        if 0 < count <= FLAT_LIMIT:
            try:
                self.rebuild()
                self.checkpoint()
            except OSError as error:
                why = describe(error)
                logger.warning("the index stays in memory, since it cannot be written: %s", why)
                self._awaiting_rebuild = False

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._dim

    @property
    def clock(self) -> int:
        """Catalog clock up to which this index is complete."""
        return self._snapshot.clock

    def __len__(self) -> int:
        """Return the number of vectors that a search can find."""
        return len(self._snapshot)

    def ids(self) -> Int64Array:
        """Return the ids of all vectors that a search can find, ascending."""
        return self._snapshot.ids()

    def search(
        self, queries: Float32Array, k: int, *, allowed: Int64Array | None = None
    ) -> tuple[Float32Array, Int64Array]:
        """Return the k best per query; see `protocols.VectorIndex.search`."""
        return self._snapshot.search(checked_queries(queries, self._dim, k), k, allowed)

    def apply(self, changes: IndexChanges) -> None:
        """Take in one step of changes, whole; `clock` moves to `changes.clock`.

        A step that the index already covers is left out. A vector that is not finite or not of
        length 1 is left out too, with a warning.

        Raises:
            DimensionError: the vectors' length is not `dim`.
            BadRequestError: an id is negative or appears twice.
        """
        with self._writing:
            self._apply(changes)

    def _apply(self, changes: IndexChanges) -> None:
        if changes.clock > self._snapshot.clock and not self._awaiting_rebuild:
            checked = checked_changes(changes, self._dim)
            self._snapshot = self._snapshot.apply(checked, self._segments)
            self._steps += 1
            self._changes += len(changes.added) + len(changes.removed)

    def catch_up(self) -> None:
        """Take in what has changed in the catalog; nothing while a first rebuild is awaited.

        Raises:
            CatalogError: the catalog cannot be read.
        """
        with self._writing:
            while not self._awaiting_rebuild:
                before = self._snapshot
                self._apply(self._changes_since(before.clock))
                if self._snapshot is before:
                    return

    def _changes_since(self, clock: int) -> IndexChanges:
        _, changes = self._source.embedding_changes(self._fingerprint, clock, _BATCH)
        return changes

    @property
    def needs_rebuild(self) -> bool:
        """Whether a new generation would pay, or the bytes of this one are not to be trusted."""
        snapshot = self._snapshot
        if self._awaiting_rebuild or self._damaged:
            return True
        if snapshot.base is None:
            return bool(snapshot.delta)
        share = self._config.rebuild_ratio * len(snapshot.base.segment.ids)
        return (
            snapshot.added_rows > max(share, _SMALL_DELTA)
            or snapshot.hidden_rows > share
            or self._config.kind not in ("auto", snapshot.base.segment.kind)
        )

    def rebuild(self) -> None:
        """Build a new generation from the catalog on disk and put it in the old one's place.

        Blocks for as long as that takes, at low priority on one core; everything else goes on
        beside it. The next checkpoint makes the generation last. `close` ends it early.

        Raises:
            CatalogError: the catalog cannot be read.
            OSError: the disk is full or failing. The old generation stays in either case.
        """
        # a thread of its own, since a thread's priority cannot be raised again
        with ThreadPoolExecutor(1, "index-rebuild", _lower_priority) as builder:
            builder.submit(self._rebuild).result()

    def _rebuild(self) -> None:
        started = time.monotonic()
        with (
            self._building,
            contextlib.suppress(_ClosedError),
            self._store.new_generation() as generation,
        ):
            snapshot, stored = self._build(generation)
            self._swap(generation, snapshot, stored)
            seconds = time.monotonic() - started
            logger.info("generation %d: %d vectors in %.1f s", generation, len(snapshot), seconds)

    def _build(self, generation: int) -> tuple[Snapshot, dict[Segment, StoredSegment]]:
        count = self._source.live_count(self._fingerprint)
        clock, batches = self._source.stream_embeddings(self._fingerprint, _BATCH)
        # whether there are any, only the stream says: embeddings may have come since the count
        first = next(batches, None)
        if first is None:
            return Snapshot(clock), {}
        checked = (checked_changes(batch, self._dim) for batch in chain([first], batches))
        segment, stored = self._store.build(
            generation, self._kind_for(count), checked, self._raise_if_closed
        )
        return Snapshot(clock, Layer(segment)), {segment: stored}

    def _kind_for(self, count: int) -> SegmentKind:
        if self._config.kind != "auto":
            return self._config.kind
        return "flat" if count <= FLAT_LIMIT else "pq"

    def _swap(
        self, generation: int, snapshot: Snapshot, stored: dict[Segment, StoredSegment]
    ) -> None:
        # most of what came meanwhile is replayed before the locks are taken
        snapshot = self._replayed(snapshot)
        with self._disk, self._writing:
            self._raise_if_closed()
            self._snapshot = self._replayed(snapshot)
            self._steps += 1
            self._store.begin(generation, stored)
            self._awaiting_rebuild = self._damaged = False

    def _replayed(self, snapshot: Snapshot) -> Snapshot:
        while True:
            changes = self._changes_since(snapshot.clock)
            if changes.clock <= snapshot.clock:
                return snapshot
            snapshot = snapshot.apply(checked_changes(changes, self._dim), self._segments)

    @property
    def dirty(self) -> bool:
        """Whether anything has changed since the last checkpoint."""
        return self._steps != self._written_steps

    @property
    def needs_checkpoint(self) -> bool:
        """Whether enough has changed since the last checkpoint to write one at once."""
        return self._changes >= self._config.checkpoint_changes

    def checkpoint(self) -> int:
        """Write what changed since the last checkpoint; return the number of bytes.

        Raises:
            OSError: the disk is full or failing; the last checkpoint is still there.
        """
        with self._disk:
            with self._writing:
                snapshot, steps, changes = self._snapshot, self._steps, self._changes
            if steps == self._written_steps or self._awaiting_rebuild:
                return 0
            written = self._store.write(snapshot, self._source.instance())
            self._written_steps = steps
            with self._writing:
                self._changes -= changes
            return written

    def verify(self) -> bool:
        """Read the stored vectors that `open` only mapped; return whether they are undamaged.

        Meant for a background thread after `open`; a damaged base `needs_rebuild`.
        """
        undamaged = self._store.verify(lambda: not self._closed)
        if not undamaged:
            self._damaged = True
        return undamaged

    def status(self) -> IndexStatus:
        """Return what the API says of the index."""
        snapshot, manifest = self._snapshot, self._store.manifest
        base = snapshot.base
        return IndexStatus(
            kind=base.segment.kind if base is not None else self._kind_for(0),
            vectors=len(snapshot),
            delta=snapshot.added_rows,
            removed=snapshot.hidden_rows,
            generation=self._store.generation,
            clock=snapshot.clock,
            checkpoint_clock=manifest.clock if manifest is not None else None,
            checkpoint_at=manifest.written_at if manifest is not None else None,
            rebuilding=self._building.locked(),
        )

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, as of the last checkpoint."""
        return self._store.size_bytes

    def close(self) -> None:
        """Close files, free memory, and end a rebuild under way.

        What no checkpoint has written is replayed from the catalog at the next `open`.
        """
        self._closed = True
        with self._disk, self._writing:
            self._snapshot = Snapshot(self._snapshot.clock)
            self._store.forget()
            self._written_steps = self._steps

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise _ClosedError


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(nice, _REBUILD_NICE))
