"""What an index is asked to find out how much of the best it finds: as hard as people ask."""

from __future__ import annotations

import numpy as np

from imgvecd.core.sharing.vector_engine import LEAST_RECALL
from imgvecd.types import Float32Array

K = 10
"""The best that are counted."""

DRAWN = 32
"""Images that are drawn from a table to make pictures of: two for each."""

ENOUGH = LEAST_RECALL + 0.02
"""Recall that settles on a setting: it is measured on a few, and a text that finds nothing weighs
much."""

TIE = 1e-6
"""Scores that differ by less are equal: a search may find either."""

_MOST = 48  # an exact search of a million takes a second


def questions(texts: Float32Array, drawn: Float32Array) -> list[Float32Array]:
    """Return unit vectors to ask for, by kind: of texts and of pictures, without kinds of none.

    What lies between two images of a table stands for a picture that is not in it. Images of the
    table themselves find their own bursts, whatever an index misses.

    Args:
        texts: shape (n, dim); the first ones are taken.
        drawn: shape (m, dim), images by chance; at most `DRAWN` are of use.
    """
    half = min(len(drawn), DRAWN) // 2
    pictures = drawn[:half] + drawn[half : 2 * half]
    kinds = (texts[: _MOST - half], pictures)
    return [_unit(kind) for kind in kinds if len(kind)]


def _unit(rows: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, np.float32)
