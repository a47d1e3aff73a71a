"""Vectors from the engine are a favour: none is waited for, and none is believed that cannot be."""

import numpy as np

from imgvecd.core.sharing.known_vectors import KnownVectors
from imgvecd.errors import EngineError


class Catalog:
    def vectors_of_pixels(self, fingerprint, digests):
        return {d: np.ones(4, np.float32) / 2 for d in digests if d == b"here"}


class Engine:
    def __init__(self):
        self.asked = []
        self.broken = False

    def vectors_of_pixels(self, fingerprint, digests):
        self.asked.append(digests)
        if self.broken:
            raise EngineError("away")
        found = {b"there": np.ones(4, np.float16) / 2, b"wrong": np.ones(4, np.float16)}
        return {digest: found[digest] for digest in digests if digest in found}


def test_the_engine_is_asked_for_what_the_catalog_lacks():
    engine = Engine()
    known = KnownVectors(Catalog(), engine)
    found = known.of_pixels("model", [b"here", b"there", b"wrong", b"nowhere"])
    assert sorted(found) == [b"here", b"there"]
    assert found[b"there"].dtype == np.float32
    assert engine.asked == [[b"there", b"wrong", b"nowhere"]]
    assert known.taken == 1
    known.of_pixels("model", [b"here"])
    assert len(engine.asked) == 1


def test_an_engine_that_is_away_is_left_alone():
    engine = Engine()
    engine.broken = True
    known = KnownVectors(Catalog(), engine)
    for _ in range(5):
        assert list(known.of_pixels("model", [b"here", b"there"])) == [b"here"]
    assert len(engine.asked) == 1
