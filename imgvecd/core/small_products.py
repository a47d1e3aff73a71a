"""Products of vectors that are small, or wanted on one core."""

from __future__ import annotations

import numpy as np

from imgvecd.types import Float32Array

_NOTHING = 1e-10  # thousands of them are less than what is rounded


def matrix_times(matrix: Float32Array, vector: Float32Array) -> Float32Array:
    """Return `matrix @ vector`.

    BLAS divides a product of half a million numbers among threads, and where others want the cores
    waiting for those takes fifty times as long as the product, which is a tenth of a millisecond.
    """
    product: Float32Array = np.einsum("ij,j->i", matrix, vector)
    return product


def weighted_sum(rows: Float32Array, weights: Float32Array) -> Float32Array:
    """Return the sum of rows, shape (n, m), each times its weight of 0 or more.

    Weights that add nothing to a sum of about 1 are left out: most often they are nearly all, and
    those next to zero take many times as long to multiply with.
    """
    counting = np.flatnonzero(weights > _NOTHING)
    total: Float32Array = np.einsum("i,ij->j", weights[counting], rows[counting])
    return total


def likeness(rows: Float32Array, expected: Float32Array) -> float:
    """Return the smallest cosine of unit vectors, row by row; NaN if a row holds one."""
    return float((rows * expected).sum(axis=1).min())
