"""A product on one core is the product."""

import numpy as np

from imgvecd.core.small_products import matrix_times, weighted_sum


def test_it_is_the_product():
    rng = np.random.default_rng(1)
    matrix, vector = rng.normal(size=(300, 64)), rng.normal(size=64)
    for kind in (np.float32, np.float64):
        some, other = matrix.astype(kind), vector.astype(kind)
        np.testing.assert_allclose(matrix_times(some, other), some @ other, rtol=1e-4, atol=1e-4)
        assert matrix_times(some[:0], other).shape == (0,)


def test_a_weighted_sum_is_the_product_whatever_weighs_nothing():
    rng = np.random.default_rng(2)
    rows, weights = rng.normal(size=(500, 64)).astype(np.float32), rng.random(500)
    weights *= rng.random(500) < 0.1
    weights[:7] = 1e-40
    weights = (weights / weights.sum()).astype(np.float32)
    np.testing.assert_allclose(weighted_sum(rows, weights), weights @ rows, rtol=1e-4, atol=1e-6)
    assert not weighted_sum(rows, np.zeros(500, np.float32)).any()
