"""A product on one core is the product."""

import numpy as np

from imgvecd.core.small_products import matrix_times


def test_it_is_the_product():
    rng = np.random.default_rng(1)
    matrix, vector = rng.normal(size=(300, 64)), rng.normal(size=64)
    for kind in (np.float32, np.float64):
        some, other = matrix.astype(kind), vector.astype(kind)
        np.testing.assert_allclose(matrix_times(some, other), some @ other, rtol=1e-4, atol=1e-4)
        assert matrix_times(some[:0], other).shape == (0,)
