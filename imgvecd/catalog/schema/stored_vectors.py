"""Vectors as rows keep them, believed only where they can be what a model gave.

A row has a packed vector (`core.index.packed_vectors`), or float16 if an imgvecd from before there
were these has written it. SQLite notices damage to the structure of its file, not to what lies in a
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.index.packed_vectors import packed, packed_type
from imgvecd.core.index.validation import can_be_embeddings
from imgvecd.types import Float32Array, PackedVectors


def row_types(dim: int) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes that a row's vector can have: their lengths in bytes tell them apart."""
    return packed_type(dim), np.dtype(("<f2", (dim,)))


def encoded(vectors: Float32Array) -> list[bytes]:
    """Return what rows keep of `vectors` (n, dim), in their order."""
    return [vector.tobytes() for vector in packed(vectors)]


def decoded(stored: Sequence[bytes], dim: int) -> tuple[PackedVectors, NDArray[np.bool_]]:
    """Return (vectors, sound): shape (n,), and which of the rows can be embeddings.

    The rows that cannot be are zero where they have another length.
    """
    vectors = np.zeros(len(stored), packed_type(dim))
    for dtype in row_types(dim):
        rows = [row for row, vector in enumerate(stored) if len(vector) == dtype.itemsize]
        if rows:
            joined = b"".join(stored[row] for row in rows)
            vectors[rows] = packed(np.frombuffer(joined, dtype))
    return vectors, can_be_embeddings(vectors)
