"""Near pairs: exact among few, nearly complete among many."""

import numpy as np
import pytest

from imgvecd.core.duplicates import near_pairs as near_pairs_module
from imgvecd.core.duplicates.near_pairs import near_pairs


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def clustered(count, dim, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((count // 20, dim))
    return unit(
        centres[generator.integers(0, len(centres), count)]
        + generator.standard_normal((count, dim))
    )


def test_few_are_compared_exactly():
    vectors = clustered(600, 16)
    vectors[17] = 0
    first, second, cosines = near_pairs(vectors, 0.8, per_row=600)
    table = vectors @ vectors.T
    expected = np.argwhere(np.triu(table >= 0.8, 1))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == sorted(
        map(tuple, expected.tolist())
    )
    np.testing.assert_allclose(cosines, table[first, second], atol=1e-6)
    assert 17 not in {*first.tolist(), *second.tolist()}


def test_each_row_keeps_its_nearest():
    vectors = clustered(400, 16)
    first, second, _ = near_pairs(vectors, -1, per_row=3)
    told = set(zip(first.tolist(), second.tolist(), strict=True))
    table = vectors @ vectors.T
    np.fill_diagonal(table, -2)
    for row, nearest in enumerate(np.argsort(-table, axis=1)[:, :3].tolist()):
        for other in nearest:
            assert (min(row, other), max(row, other)) in told


def test_many_are_compared_within_cells(monkeypatch):
    monkeypatch.setattr(near_pairs_module, "_ALL_PAIRS_ROWS", 1000)
    vectors = clustered(5000, 64)
    generator = np.random.default_rng(1)
    noise = unit(generator.standard_normal((500, 64)))
    vectors[4500:] = unit(vectors[:500] + 0.45 * noise)
    planted = [float(vectors[row] @ vectors[4500 + row]) for row in range(500)]
    first, second, _ = near_pairs(vectors, min(planted), per_row=8)
    told = set(zip(first.tolist(), second.tolist(), strict=True))
    assert sum((row, 4500 + row) in told for row in range(500)) >= 490
    assert len(set(told)) == len(first)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any(count):
    first, _, _ = near_pairs(np.ones((count, 4), np.float32) / 2, 0.9, per_row=8)
    assert len(first) == (count == 2)
