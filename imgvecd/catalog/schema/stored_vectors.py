"""Vectors as rows keep them, believed only where they can be what a model gave.

SQLite notices damage to the structure of its file, not to what lies in a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.index.validation import can_be_embeddings
from imgvecd.types import Float16Array


def decoded(stored: Sequence[bytes], dim: int) -> tuple[Float16Array, NDArray[np.bool_]]:
    """Return (vectors, sound): shape (n, dim), and which of the rows can be embeddings.

    The rows that cannot be are zero where they have another length.
    """
    size_bytes = 2 * dim
    if any(len(vector) != size_bytes for vector in stored):
        stored = [v if len(v) == size_bytes else bytes(size_bytes) for v in stored]
    vectors = np.frombuffer(b"".join(stored), np.float16).reshape(len(stored), dim)
    return vectors, can_be_embeddings(vectors)
