"""Index segments in Faiss: fp16 or short codes that find candidates, beside packed vectors.

    STEM.faiss   IDMap around the searchable codes
    STEM.i16     the vectors, packed, row after row

What an older imgvecd has written has no STEM.i16: a flat segment's fp16 codes are its vectors then,
and others have STEM.f16, little-endian fp16, row after row.

The only importer of Faiss. Every other thread-safety rule of Faiss is met by never changing an
index that can be searched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from imgvecd.core.files.durable import DurableFile, StoredFile
from imgvecd.core.index.packed_vectors import packed, packed_type, unpacked
from imgvecd.core.index.segments import Bitmap, Segment, SegmentKind
from imgvecd.errors import IndexDamagedError
from imgvecd.types import (
    Float32Array,
    IndexChanges,
    Int64Array,
    PackedVectors,
    StoredVectors,
)

# Fewer queries than this run on one core each: Faiss splits work by query, and waking OpenMP's
# other threads has cost up to 16 ms where they had to wait for a core.
_PARALLEL_QUERIES = 16
# Scores nearer than this are ties until they are computed exactly: of 100,000 with vectors of 512
# dimensions fp16 moves one by 5.5e-6 (standard deviation), and none by more than 4.3e-5.
_TIE = 1e-4
# Extra results asked for, so that the first try usually shows whether the k-th is tied.
_TIE_MARGIN = 8
# (least number of candidates, more of them per result). Of 1,000,000 clustered vectors the 10 best
# for a text were among the 200 best by 2-bit codes in 99.6 of 100 cases, among 1,000 in all; 1-bit
# codes need ten times as many.
_CANDIDATES: dict[SegmentKind, tuple[int, int]] = {"pq": (950, 5), "rabitq": (3500, 15)}
# A filter's survivors are spread unevenly; a quarter more than the mean saves most second scans.
_SIFTING_MARGIN = 1.25
# Fetching more than this share of all rows costs as much as scoring every visible one exactly.
_MAX_FETCHED_SHARE = 0.25
# Enough for the 16 centroids of each pair of dimensions; training takes 10 s.
_TRAINING_VECTORS = 20_000
# Below 39 for each of 16 centroids Faiss warns on the terminal.
_LEAST_TRAINING_VECTORS = 39 * 16
# Vectors converted to float32 at once: 8 MiB at 512 dimensions.
_ENCODED_AT_ONCE = 4096
_VECTORS_SUFFIX = ".i16"
_HALVES_SUFFIX = ".f16"
# Faiss hands its bytes over in blocks of this size.
_WRITE_BLOCK_BYTES = 1 << 20
_told = threading.local()  # OpenMP counts for each thread that calls it


class FlatSegment:
    """Inner products by fp16 scalar quantizer find candidates; vectors in memory or mapped."""

    kind: SegmentKind = "flat"

    def __init__(self, mapped: faiss.IndexIDMap, vectors: StoredVectors | None) -> None:
        """Take an index and its vectors, or None for those of an older imgvecd: its codes."""
        self._owner = mapped  # the arrays below are views of its memory
        self._index = faiss.downcast_index(mapped.index)
        count, dim = mapped.ntotal, mapped.d
        self.ids: Int64Array = faiss.rev_swig_ptr(mapped.id_map.data(), count)
        if vectors is None:
            codes = faiss.rev_swig_ptr(self._index.codes.data(), count * dim * 2)
            vectors = codes.view(np.float16).reshape(count, dim)
        self.vectors = vectors

    def candidates(self, queries: Float32Array, k: int, visible: Bitmap | None) -> Int64Array:
        """Return the rows of the k best, and of whatever ties with the last of them."""
        _use_threads_for(len(queries))
        count = len(self.ids)
        fetch = min(k + _TIE_MARGIN, count)
        while True:
            scores, rows = self._index.search(queries, fetch, params=_only(visible))
            k_th = scores[:, min(k, fetch) - 1]
            if fetch == count or not ((scores[:, -1] >= k_th - _TIE) & (rows[:, -1] >= 0)).any():
                return np.asarray(rows, np.int64)
            fetch = min(fetch * 4, count)


class CodedSegment:
    """Short codes in memory find candidates; their vectors are mapped from disk."""

    def __init__(self, kind: SegmentKind, mapped: faiss.IndexIDMap, vectors: StoredVectors) -> None:
        self.kind = kind
        self._owner = mapped  # `ids` is a view of its memory
        self._index = faiss.downcast_index(mapped.index)
        self.ids: Int64Array = faiss.rev_swig_ptr(mapped.id_map.data(), mapped.ntotal)
        self.vectors = vectors

    def candidates(self, queries: Float32Array, k: int, visible: Bitmap | None) -> Int64Array:
        """Return the rows that look best by their codes, or all visible ones where too few do."""
        # Faiss's fast scan takes no selector: more are fetched than needed and then sifted
        _use_threads_for(len(queries))
        count = len(self.ids)
        shown = None if visible is None else np.unpackbits(visible, count=count, bitorder="little")
        left = count if shown is None else int(shown.sum(dtype=np.int64))
        least, per_result = _CANDIDATES[self.kind]
        wanted = min(least + per_result * k, left)
        fetch = wanted if shown is None else int(wanted * _SIFTING_MARGIN * count / left)
        while fetch <= count * _MAX_FETCHED_SHARE:
            rows = np.asarray(self._index.search(queries, fetch)[1], np.int64)
            if shown is None:
                return rows
            rows[(rows < 0) | (shown[rows] == 0)] = -1
            if ((rows >= 0).sum(axis=1) >= wanted).all():
                return rows
            fetch *= 2
        every = np.arange(count, dtype=np.int64) if shown is None else np.flatnonzero(shown)
        return np.broadcast_to(every, (len(queries), len(every)))


class FaissSegments:
    """Implements `SegmentFactory`."""

    def flat(self, ids: Int64Array, vectors: PackedVectors) -> Segment:
        """Return an exact segment in memory."""
        return FlatSegment(_flat_of(ids, vectors), vectors)

    def write(self, segment: Segment, stem: str) -> tuple[StoredFile, ...]:
        """Store a flat segment durably."""
        vectors = packed(segment.vectors)
        with DurableFile(stem + _VECTORS_SUFFIX, parsed=True) as file:
            file.write(vectors.tobytes())
        return _write_index(_flat_of(segment.ids, vectors), stem), file.stored()

    def build(
        self,
        kind: SegmentKind,
        dim: int,
        batches: Iterator[IndexChanges],
        stem: str,
        between: Callable[[], None],
    ) -> tuple[StoredFile, ...]:
        """Store a segment of all vectors in `batches` durably, on one core."""
        _use_threads(1)
        ids = []
        with DurableFile(stem + _VECTORS_SUFFIX, parsed=kind == "flat") as file:
            for batch in batches:
                between()
                file.write(batch.vectors.tobytes())
                ids.append(batch.added)
        all_ids = np.concatenate([np.empty(0, np.int64), *ids])
        vectors = _map_vectors(stem + _VECTORS_SUFFIX, packed_type(dim), len(all_ids))
        mapped = _empty_flat(dim) if kind == "flat" else _empty_coded(kind, dim, vectors)
        for start in range(0, len(all_ids), _ENCODED_AT_ONCE):
            between()
            end = start + _ENCODED_AT_ONCE
            mapped.add_with_ids(unpacked(vectors[start:end]), all_ids[start:end])
        return _write_index(mapped, stem), file.stored()

    def load(self, kind: SegmentKind, dim: int, stem: str) -> Segment:
        """Map a stored segment whose parsed files have been verified."""
        try:
            mapped = faiss.read_index(stem + ".faiss", faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            name = os.path.basename(stem)
            raise IndexDamagedError(f"index file {name} cannot be loaded: {error}") from error
        path, row = stem + _VECTORS_SUFFIX, packed_type(dim)
        if not os.path.exists(path):
            if kind == "flat":
                return FlatSegment(mapped, None)
            path, row = stem + _HALVES_SUFFIX, np.dtype(("<f2", (dim,)))
        vectors = _map_vectors(path, row, mapped.ntotal)
        if kind == "flat":
            return FlatSegment(mapped, vectors)
        return CodedSegment(kind, mapped, vectors)


def _empty_flat(dim: int) -> faiss.IndexIDMap:
    flat = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    return faiss.IndexIDMap(flat)


def _flat_of(ids: Int64Array, vectors: PackedVectors) -> faiss.IndexIDMap:
    rows = unpacked(vectors)
    mapped = _empty_flat(rows.shape[1])
    mapped.add_with_ids(rows, ids)
    return mapped


def _empty_coded(kind: SegmentKind, dim: int, vectors: PackedVectors) -> faiss.IndexIDMap:
    """Return an index whose codes are chosen for `vectors`."""
    index = faiss.index_factory(dim, _factory_string(kind, dim), faiss.METRIC_INNER_PRODUCT)
    sample = unpacked(vectors[:: max(1, len(vectors) // _TRAINING_VECTORS)])
    # repeated where there are few, since k-means refuses fewer points than centroids
    index.train(np.resize(sample, (max(len(sample), _LEAST_TRAINING_VECTORS), dim)))
    return faiss.IndexIDMap(index)


def _factory_string(kind: SegmentKind, dim: int) -> str:
    # every coordinate gets as many bits: a rotation makes every coordinate matter alike
    even = dim + dim % 2
    return f"RR{even},RaBitQfs" if kind == "rabitq" else f"RR{even},PQ{even // 2}x4fs"


def _map_vectors(path: str, row: np.dtype[Any], count: int) -> NDArray[Any]:
    if count == 0:  # an empty file cannot be mapped
        return np.empty(0, row)
    try:
        # a plain array: of a memmap each part has to find out whether it is one, too
        return np.memmap(path, row, "r", shape=(count,)).view(np.ndarray)
    except (OSError, ValueError) as error:
        name = os.path.basename(path)
        raise IndexDamagedError(f"the vectors of index file {name} cannot be mapped") from error


def _write_index(index: faiss.Index, stem: str) -> StoredFile:
    with DurableFile(stem + ".faiss", parsed=True) as file:
        writer = faiss.PyCallbackIOWriter(file.write, _WRITE_BLOCK_BYTES)
        faiss.write_index(index, writer)
    return file.stored()


def _only(visible: Bitmap | None) -> faiss.SearchParameters | None:
    if visible is None:
        return None
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(visible))


def _use_threads_for(queries: int) -> None:
    _use_threads(1 if queries < _PARALLEL_QUERIES else os.cpu_count() or 1)


def _use_threads(count: int) -> None:
    """Have this thread's calls of Faiss use so many; what it does already is not said again."""
    if getattr(_told, "count", None) != count:
        faiss.omp_set_num_threads(count)
        _told.count = count
