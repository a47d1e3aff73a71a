"""What the index believes of vectors and ids before it computes with them."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.index.packed_vectors import packed_type, unpacked
from imgvecd.errors import BadRequestError, DimensionError
from imgvecd.types import Float32Array, IndexChanges, StoredVectors

logger = logging.getLogger(__name__)

_QUERY_NORM_TOLERANCE = 1e-3
# fp16 keeps 11 bits: rounding alone can move a norm by 5e-4.
_STORED_NORM_TOLERANCE = 2e-3


def checked_queries(queries: Float32Array, dim: int, k: int) -> Float32Array:
    """Return the queries as contiguous float32.

    Raises:
        DimensionError: they are not of shape (n, dim).
        BadRequestError: k < 1, or a query is not finite, or not of length 1.
    """
    if queries.shape[1:] != (dim,):
        raise DimensionError(f"queries have shape {queries.shape}, the index needs (n, {dim})")
    if k < 1:
        raise BadRequestError(f"k is {k}, it must be at least 1")
    queries = np.ascontiguousarray(queries, np.float32)
    if not _unit_rows(queries, _QUERY_NORM_TOLERANCE).all():
        raise BadRequestError("a query vector is not finite or not of length 1")
    return queries


def checked_changes(changes: IndexChanges, dim: int) -> IndexChanges:
    """Return the changes without the vectors that are not finite and of length 1.

    Raises:
        DimensionError: the vectors are not one of `dim` numbers for each added id.
        BadRequestError: an id is negative or appears twice.
    """
    ids = np.concatenate([changes.added, changes.removed])
    if len(np.unique(ids)) != len(ids) or (ids < 0).any():
        raise BadRequestError("an id is negative or appears twice in one step of changes")
    if len(changes.added) == 0:
        nothing = np.empty(0, packed_type(dim))
        return IndexChanges(changes.clock, changes.added, nothing, changes.removed)
    vectors = changes.vectors
    if vectors.dtype != packed_type(dim) or vectors.shape != (len(changes.added),):
        raise DimensionError(
            f"{len(vectors)} vectors are {vectors.dtype}, the index needs"
            f" {len(changes.added)} of {dim} numbers"
        )
    good = can_be_embeddings(vectors)
    if good.all():
        return changes
    logger.warning(
        "%d stored vectors are not of length 1 and cannot be searched: contents %s",
        len(good) - int(good.sum()),
        changes.added[~good][:10].tolist(),
    )
    # what is not searchable must not be found by its older vector either
    removed = np.concatenate([changes.removed, changes.added[~good]])
    return IndexChanges(changes.clock, changes.added[good], vectors[good], removed)


def can_be_embeddings(vectors: StoredVectors) -> NDArray[np.bool_]:
    """Return which of `vectors`, as they are stored, are finite and of length 1."""
    return _unit_rows(unpacked(vectors), _STORED_NORM_TOLERANCE)


def _unit_rows(vectors: Float32Array, tolerance: float) -> NDArray[np.bool_]:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(np.abs(norms - 1) <= tolerance)
