"""The index on disk: which generation lies there, which of its segments, the last checkpoint."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TypeAlias

from imgvecd.core.files.durable import StoredFile
from imgvecd.core.index import checkpoint
from imgvecd.core.index.segment_layer import Layer
from imgvecd.core.index.segments import Segment, SegmentFactory, SegmentKind
from imgvecd.core.index.snapshot import Snapshot
from imgvecd.errors import IndexDamagedError
from imgvecd.protocols import EmbeddingSource
from imgvecd.types import IndexChanges

logger = logging.getLogger(__name__)

_BASE_STEM = "index"

StoredSegment: TypeAlias = tuple[str, tuple[StoredFile, ...]]
"""A segment's stem and files."""


class Store:
    """One model's index in one folder. For one thread at a time, but for `build` and `verify`.

    Attributes:
        generation: number of the one that serves; 0 before the first.
        manifest: of the last checkpoint; None if there is none that can be believed.
    """

    def __init__(
        self, directory: str, fingerprint: str, dim: int, segments: SegmentFactory
    ) -> None:
        self._directory = directory
        self._fingerprint = fingerprint
        self._dim = dim
        self._segments = segments
        self._stored: dict[Segment, StoredSegment] = {}
        self._next_delta = 1
        self._made = False  # where there was no space to make the folder, it is made later
        self.generation = 0
        self.manifest: checkpoint.Manifest | None = None

    def load(self, source: EmbeddingSource) -> Snapshot | None:
        """Return the last checkpoint if it fits the catalog and is undamaged; clean the folder.

        Raises:
            OSError: the folder cannot be made.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._made = True
        last = self.generation = checkpoint.last_generation(self._directory)
        snapshot = None
        try:
            manifest = checkpoint.read_manifest(self._directory)
            if manifest is not None and manifest.fits(source, self._fingerprint, self._dim):
                layers = checkpoint.load_layers(self._directory, manifest, self._segments)
                snapshot = self._adopt(manifest, layers)
        except IndexDamagedError as error:
            logger.warning("%s; building the index anew from the catalog", error)
        checkpoint.remove_unnamed(self._directory, self.manifest, below=last + 1)
        return snapshot

    def _adopt(self, manifest: checkpoint.Manifest, layers: list[Layer]) -> Snapshot:
        self.manifest = manifest
        self.generation = manifest.generation
        self._next_delta = manifest.next_delta
        self._stored = {
            layer.segment: (stored.stem, stored.files)
            for layer, stored in zip(layers, manifest.layers, strict=True)
        }
        return checkpoint.snapshot_of(manifest, layers)

    @contextlib.contextmanager
    def new_generation(self) -> Iterator[int]:
        """Make the folder of the next generation, and delete it if the block fails."""
        self._make_folder()
        last = max(self.generation, checkpoint.last_generation(self._directory))
        folder = checkpoint.generation_path(self._directory, last + 1)
        os.mkdir(folder, mode=0o700)
        try:
            yield last + 1
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def build(
        self,
        generation: int,
        kind: SegmentKind,
        batches: Iterator[IndexChanges],
        between: Callable[[], None],
    ) -> tuple[Segment, StoredSegment]:
        """Write the base of a generation that does not serve yet, and map it."""
        folder = checkpoint.generation_path(self._directory, generation)
        stem = os.path.join(folder, _BASE_STEM)
        files = self._segments.build(kind, self._dim, batches, stem, between)
        return self._segments.load(kind, self._dim, stem), (_BASE_STEM, files)

    def begin(self, generation: int, stored: dict[Segment, StoredSegment]) -> None:
        """Take a generation as the one that serves."""
        self.generation = generation
        self._stored = stored

    def write(self, snapshot: Snapshot, instance: str) -> int:
        """Write a checkpoint; return the number of bytes.

        Raises:
            OSError: the disk is full or failing; the last checkpoint is still there.
        """
        written = self._write_delta(snapshot)
        manifest = self._manifest_of(snapshot, instance)
        written += checkpoint.write_manifest(self._directory, manifest)
        self.manifest = manifest
        checkpoint.remove_unnamed(self._directory, manifest, below=self.generation)
        return written

    def _write_delta(self, snapshot: Snapshot) -> int:
        self._make_folder()
        folder = checkpoint.generation_path(self._directory, self.generation)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, mode=0o700)
        written = 0
        for layer in snapshot.delta:
            if layer.segment not in self._stored:
                stem = f"delta-{self._next_delta:06d}"
                self._next_delta += 1
                files = self._segments.write(layer.segment, os.path.join(folder, stem))
                self._stored[layer.segment] = (stem, files)
                written += sum(file.size_bytes for file in files)
        in_use = {layer.segment for layer in snapshot.layers}
        self._stored = {key: value for key, value in self._stored.items() if key in in_use}
        return written

    def _make_folder(self) -> None:
        """Make the folder unless it was there: where it vanished, a disk was taken away."""
        if self._made:
            return
        for folder in (os.path.dirname(self._directory), self._directory):
            if not os.path.isdir(folder):
                os.mkdir(folder, mode=0o700)
        self._made = True

    def _manifest_of(self, snapshot: Snapshot, instance: str) -> checkpoint.Manifest:
        layers = tuple(
            checkpoint.store_layer(layer, *self._stored[layer.segment]) for layer in snapshot.layers
        )
        bases = 0 if snapshot.base is None else 1
        return checkpoint.Manifest(
            format=checkpoint.FORMAT,
            instance=instance,
            fingerprint=self._fingerprint,
            dim=self._dim,
            generation=self.generation,
            clock=snapshot.clock,
            written_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            next_delta=self._next_delta,
            base=layers[0] if bases else None,
            delta=layers[bases:],
        )

    def verify(self, proceed: Callable[[], bool]) -> bool:
        """Read the vectors that `load` only mapped; return whether they are undamaged.

        Args:
            proceed: asked after every block; False ends the reading.
        """
        manifest = self.manifest
        if manifest is None:
            return True

        def current() -> bool:
            return proceed() and self.generation == manifest.generation

        try:
            checkpoint.verify_unparsed(self._directory, manifest, current)
        except IndexDamagedError as error:
            if current():
                logger.warning("%s; the index must be built anew from the catalog", error)
                return False
        return True

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, as of the last checkpoint."""
        manifest = self.manifest
        layers = manifest.layers if manifest is not None else ()
        return sum(file.size_bytes for layer in layers for file in layer.files)

    def forget(self) -> None:
        """Hold no segment any more."""
        self._stored = {}
