"""What lies in the index's folder: immutable segment files, and one manifest that names them.

    manifest.json                    a line of JSON and a line with its digest; the commit point
    generation-000003/index.*        the sealed base, written once per generation
    generation-000003/delta-000001.* small segments of what came since

`docs/index-format.md` describes the fields.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from imgvecd.core.files.durable import (
    TEMPORARY_SUFFIX,
    DurableFile,
    StoredFile,
    digest_of,
    read_whole,
    sync_directory,
    verify,
    verify_size,
)
from imgvecd.core.index.segment_layer import Layer, count_bits, full_bitmap
from imgvecd.core.index.segments import Bitmap, SegmentFactory, SegmentKind
from imgvecd.core.index.snapshot import Snapshot
from imgvecd.errors import IndexDamagedError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.protocols import EmbeddingSource

FORMAT = 2
_READ_FORMATS = (1, FORMAT)  # 1: vectors in float16
_MANIFEST = "manifest.json"
_GENERATION = re.compile(r"generation-(\d{6,})")


class StoredLayer(msgspec.Struct, frozen=True):
    """A layer on disk.

    Attributes:
        stem: common beginning of the files' names.
        visible: bitmap of the rows that count, lowest bit first; None for all.
    """

    kind: SegmentKind
    stem: str
    rows: int
    files: tuple[StoredFile, ...]
    visible: bytes | None = None


class Manifest(msgspec.Struct, frozen=True):
    """A checkpoint: what it was built from, how far it reaches, and its files.

    Attributes:
        instance, clock: of the catalog.
        written_at: UTC, "YYYY-MM-DDTHH:MM:SS+00:00".
        next_delta: number of the next small segment's files.
    """

    format: int
    instance: str
    fingerprint: str
    dim: int
    generation: int
    clock: int
    written_at: str
    next_delta: int
    base: StoredLayer | None
    delta: tuple[StoredLayer, ...]

    def fits(self, source: EmbeddingSource, fingerprint: str, dim: int) -> bool:
        """Return whether it was built from this catalog, as it is or was, for this model."""
        return (
            self.instance == source.instance()
            and self.clock <= source.clock()
            and (self.fingerprint, self.dim) == (fingerprint, dim)
        )

    @property
    def layers(self) -> tuple[StoredLayer, ...]:
        """Every layer, the base first."""
        return (self.base, *self.delta) if self.base is not None else self.delta


def generation_path(directory: str, generation: int) -> str:
    """Return the folder of one generation's files."""
    return os.path.join(directory, f"generation-{generation:06d}")


def write_manifest(directory: str, manifest: Manifest) -> int:
    """Commit a checkpoint whose segment files are written; return the manifest's length."""
    payload = msgspec.json.encode(manifest)
    # the names of the files must last before the manifest that names them
    for path in {generation_path(directory, manifest.generation), directory}:
        if os.path.isdir(path):
            sync_directory(path)
    with DurableFile(os.path.join(directory, _MANIFEST), parsed=True) as file:
        file.write(payload + b"\n" + digest_of(payload).encode() + b"\n")
    sync_directory(directory)
    return file.stored().size_bytes


def read_manifest(directory: str) -> Manifest | None:
    """Return the last checkpoint's manifest, or None if there never was one.

    Raises:
        IndexDamagedError: it cannot be read, is damaged, or of another format.
    """
    try:
        data = read_whole(os.path.join(directory, _MANIFEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IndexDamagedError(f"the index's manifest cannot be read: {error}") from error
    payload, _, digest = data.rpartition(b"\n")[0].rpartition(b"\n")
    if digest_of(payload).encode() != digest:
        raise IndexDamagedError("the index's manifest is damaged")
    try:
        manifest = msgspec.json.decode(payload, type=Manifest)
    except UNDECODABLE as error:
        raise IndexDamagedError(f"the index's manifest is of another format: {error}") from error
    if manifest.format not in _READ_FORMATS:
        raise IndexDamagedError(f"the index's manifest has format {manifest.format}, not {FORMAT}")
    return manifest


def manifests(folder: str) -> Iterator[Manifest]:
    """Yield what can be read of the manifests of all models' indexes below `folder`."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        with contextlib.suppress(IndexDamagedError):
            manifest = read_manifest(os.path.join(folder, name))
            if manifest is not None:
                yield manifest


def load_layers(directory: str, manifest: Manifest, segments: SegmentFactory) -> list[Layer]:
    """Return the layers of a checkpoint; files that nobody parses are checked for length only.

    Raises:
        IndexDamagedError: a file is missing, or not what was written.
    """
    folder = generation_path(directory, manifest.generation)
    return [_load_layer(folder, stored, manifest.dim, segments) for stored in manifest.layers]


def _load_layer(folder: str, stored: StoredLayer, dim: int, segments: SegmentFactory) -> Layer:
    for file in stored.files:
        if file.parsed:
            verify(folder, file)
        else:
            verify_size(folder, file)
    segment = segments.load(stored.kind, dim, os.path.join(folder, stored.stem))
    rows = len(segment.ids)
    if rows != stored.rows or len(segment.vectors) != rows:
        raise IndexDamagedError(f"index file {stored.stem} holds another number of vectors")
    if (np.diff(segment.ids) <= 0).any():
        raise IndexDamagedError(f"index file {stored.stem} is not sorted by id")
    if stored.visible is None:
        return Layer(segment)
    visible: Bitmap = np.frombuffer(stored.visible, np.uint8)
    spare = full_bitmap(rows)
    if len(visible) != len(spare) or (visible & ~spare).any():
        raise IndexDamagedError(f"the bitmap of index file {stored.stem} has another length")
    return Layer(segment, visible, rows - count_bits(visible))


def verify_unparsed(directory: str, manifest: Manifest, proceed: Callable[[], bool]) -> None:
    """Read the files that loading did not, and compare them with what was written.

    Raises:
        IndexDamagedError: one is damaged.
    """
    folder = generation_path(directory, manifest.generation)
    for layer in manifest.layers:
        for file in layer.files:
            if not file.parsed and proceed():
                verify(folder, file, proceed)


def store_layer(layer: Layer, stem: str, files: tuple[StoredFile, ...]) -> StoredLayer:
    """Return how the manifest names a layer."""
    visible = None if layer.visible is None else layer.visible.tobytes()
    return StoredLayer(layer.segment.kind, stem, len(layer.segment.ids), files, visible)


def snapshot_of(manifest: Manifest, layers: list[Layer]) -> Snapshot:
    """Return the snapshot that a checkpoint holds."""
    if manifest.base is None:
        return Snapshot(manifest.clock, None, tuple(layers))
    return Snapshot(manifest.clock, layers[0], tuple(layers[1:]))


def last_generation(directory: str) -> int:
    """Return the highest generation that ever left a folder here; 0 if none did."""
    matches = (_GENERATION.fullmatch(name) for name in os.listdir(directory))
    return max((int(match[1]) for match in matches if match), default=0)


def remove_unnamed(directory: str, manifest: Manifest | None, *, below: int) -> None:
    """Delete what no checkpoint needs: generations numbered under `below`, and stray files.

    A failure to delete is left for the next time.
    """
    kept = manifest.generation if manifest is not None else None
    for name in os.listdir(directory):
        match = _GENERATION.fullmatch(name)
        if match and int(match[1]) < below and int(match[1]) != kept:
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
        elif name.endswith(TEMPORARY_SUFFIX):
            _remove(os.path.join(directory, name))
    if manifest is not None:
        folder = generation_path(directory, manifest.generation)
        named = {file.name for layer in manifest.layers for file in layer.files}
        for name in set(os.listdir(folder) if os.path.isdir(folder) else ()) - named:
            _remove(os.path.join(folder, name))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
