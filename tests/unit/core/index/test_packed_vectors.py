import numpy as np
import pytest
from embedding_source import unit_vectors

from imgvecd.core.index.packed_vectors import packed, packed_type, products, unpacked


def narrow_vectors(count, dim):
    """Return unit vectors that lie near each other, as those of many models do."""
    vectors = unit_vectors(np.random.default_rng(3), count, dim) + np.float32(2 / dim**0.5)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_vector_takes_two_bytes_a_number_and_four():
    assert packed(narrow_vectors(1, 512)).nbytes == packed_type(512).itemsize == 2 * 512 + 4


def test_the_ten_nearest_are_those_of_float32_where_float16_changes_some():
    vectors = narrow_vectors(3000, 128)
    asked = vectors[:400]
    nearest = np.argsort(-(asked @ vectors.T), axis=1)[:, :10]

    def same(stored):
        scores = np.stack([products(stored, query) for query in asked])
        found = np.argsort(-scores, axis=1)[:, :10]
        return np.mean([set(a) == set(b) for a, b in zip(found, nearest, strict=True)])

    assert same(packed(vectors)) >= 0.99 > same(vectors.astype(np.float16))


def test_packing_again_gives_the_same_bytes():
    for dim in (1, 7, 128):
        rows = packed(narrow_vectors(2000, dim))
        assert packed(unpacked(rows)).tobytes() == rows.tobytes()
        assert packed(rows) is rows


def test_products_are_those_of_the_numbers():
    rows = packed(narrow_vectors(50, 32))
    query = narrow_vectors(1, 32)[0]
    np.testing.assert_allclose(products(rows, query), unpacked(rows) @ query, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_and_nothing_warns(value, recwarn):
    vectors = narrow_vectors(3, 8)
    vectors[1, 4] = value
    vectors[2] = 0
    back = unpacked(packed(vectors))
    assert np.isfinite(back).all(axis=1).tolist() == [True, False, True]
    assert not back[2].any()
    assert not len(recwarn)
