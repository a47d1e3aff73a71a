"""What pictures look like: signatures of many take bounded memory."""

import tracemalloc

import numpy as np

from imgvecd.core.duplicates import perceptual_hash


def test_signatures_are_made_in_bounded_memory():
    looks = [bytes([number % 251] * 512 + [number % 7] * 512) for number in range(8192)]
    tracemalloc.start()
    try:
        found = perceptual_hash.signatures_of(looks)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24_000_000  # all at once take 110 MB
    some = slice(500, 530)  # on both sides of a block's end
    alone = perceptual_hash.signatures(perceptual_hash.greys(looks[some]))
    assert np.allclose(found[some], alone, atol=1e-6)
    assert len(perceptual_hash.signatures_of([])) == 0
