"""What is taken over from pairs that were known before."""

import numpy as np

from imgvecd.core.duplicates.known_pairs import NEAR, SUBJECTS, UNKNOWN, KnownPairs
from imgvecd.core.duplicates.pair_records import take_crops


def known(ids, pairs):
    subjects = np.zeros(len(ids), SUBJECTS)
    subjects["id"] = ids
    near = np.zeros(len(pairs), NEAR)
    for place, (first, second, crop) in enumerate(pairs):
        near[place]["first"], near[place]["second"], near[place]["crop"] = first, second, crop
    return KnownPairs("", "", 0, 0, subjects, np.zeros((len(ids), 0), np.float16), near=near)


def test_what_is_known_of_crops_is_taken_over_by_pair():
    before = known([1, 2, 3, 4, 9], [(1, 2, 1), (3, 2, 0), (2, 4, UNKNOWN), (1, 9, 1)])
    pairs = [(1, 4, 1), (2, 3, UNKNOWN), (2, 4, 0), (1, 2, UNKNOWN), (3, 4, UNKNOWN)]
    anew = known([1, 2, 3, 4], pairs)
    take_crops(anew, before)
    assert anew.near["crop"].tolist() == [1, 0, 0, 1, UNKNOWN]


def test_of_what_was_not_known_nothing_is_taken_over():
    for before in (known([], []), known([1, 2], [(1, 2, UNKNOWN)]), known([8, 9], [(8, 9, 1)])):
        anew = known([1, 2], [(1, 2, 0)])
        take_crops(anew, before)
        assert anew.near["crop"].tolist() == [0]
