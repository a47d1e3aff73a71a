"""Short forms of vectors, which an index reads in place of whole ones.

A short form is the coordinates of x - mean on the axes of the largest variance, and one more that
makes all of them equally long: so the nearest short forms are those of the largest inner product,
and a graph of neighbours leads to what a text asks for, although texts lie outside of the cone that
the vectors of a model lie in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgvecd.types import Float16Array, Float32Array

_VARIANCE = 0.7  # that the axes carry: what they leave out, ranking by whole vectors makes good
_STEP, _LEAST, _MOST = 32, 64, 512  # axes
_ROOM = 1.1  # for vectors longer than those of the sample


@dataclass(frozen=True, slots=True)
class ShortForm:
    """How vectors of one model are made short; see `imgvecd.shortened` in the schema.

    Attributes:
        mean: shape (dim,).
        axes: shape (short, dim), orthonormal, that of the largest variance first.
        reach: squared length of every short form.
    """

    mean: Float32Array
    axes: Float32Array
    reach: float

    def of_query(self, query: Float32Array) -> Float16Array:
        """Return a query (dim,) as short forms are compared with it: (short + 1,)."""
        return np.append(self.axes @ query, np.float32(0)).astype(np.float16)


def learn(sample: Float16Array) -> ShortForm:
    """Return the short form for vectors that lie as those of a sample, shape (n, dim)."""
    rows = sample.astype(np.float32)
    mean = rows.mean(axis=0)
    centred = rows - mean
    variances, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    shares = np.cumsum(variances[::-1]) / max(float(variances.sum()), 1e-12)
    enough = int(np.searchsorted(shares, _VARIANCE)) + 1
    dim = rows.shape[1]
    length = min(max(_LEAST, -(-enough // _STEP) * _STEP), _MOST, dim)
    kept = np.ascontiguousarray(axes[:, ::-1][:, :length].T, np.float32)
    reach = _ROOM * float(np.square(centred @ kept.T).sum(axis=1).max())
    return ShortForm(mean, kept, reach)
