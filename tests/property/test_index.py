"""Whatever happens to the index, its answers are those of a numpy brute force over the catalog."""

import tempfile

import numpy as np
import pytest
from embedding_source import MemorySource, brute_force, unit_vectors
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from memory import room_in_memory

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex

DIM = 16
IDS = st.sets(st.integers(0, 80), min_size=1, max_size=40)


class IndexMachine(RuleBasedStateMachine):
    """The catalog changes, the index follows or not, is rebuilt, written, closed or killed."""

    @initialize(kind=st.sampled_from(["flat", "pq", "rabitq"]), seed=st.integers(0, 2**32))
    def begin(self, kind, seed):
        self.rng = np.random.default_rng(seed)
        self.source = MemorySource(DIM)
        self.config = IndexConfig(kind=kind)
        self.folder = tempfile.TemporaryDirectory(dir=room_in_memory())
        self.open()

    def open(self):
        self.index = LibraryIndex.open(
            self.folder.name, "model", DIM, self.source, self.config, FaissSegments()
        )

    @rule(ids=IDS)
    def add_or_update(self, ids):
        self.source.put(ids, unit_vectors(self.rng, len(ids), DIM))

    @rule(ids=IDS)
    def add_twins(self, ids):
        self.source.put(ids, np.repeat(unit_vectors(self.rng, 1, DIM), len(ids), axis=0))

    @rule(ids=IDS)
    def remove(self, ids):
        self.source.drop(ids)

    @rule()
    def rebuild(self):
        self.index.rebuild()

    @rule()
    def checkpoint(self):
        self.index.checkpoint()
        assert not self.index.dirty

    @rule()
    def reopen(self):
        """Without a checkpoint first: what a kill leaves."""
        self.index.close()
        self.open()

    @invariant()
    def equals_brute_force(self):
        self.index.catch_up()
        vectors = self.source.vectors
        assert self.index.clock == self.source.clock()
        assert len(self.index) == len(vectors)
        queries = unit_vectors(self.rng, 3, DIM)
        allowed = np.arange(0, 80, int(self.rng.integers(1, 5)))
        for wanted in (None, allowed):
            scores, ids = self.index.search(queries, 7, allowed=wanted)
            for row, query in enumerate(queries):
                expected_scores, expected_ids = brute_force(vectors, query, 7, wanted)
                assert ids[row].tolist() == expected_ids.tolist()
                np.testing.assert_allclose(scores[row], expected_scores, atol=1e-6)

    def teardown(self):
        if hasattr(self, "index"):
            self.index.close()
            self.folder.cleanup()


TestIndex = IndexMachine.TestCase
TestIndex.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@pytest.mark.nightly
class TestIndexAtLength(IndexMachine.TestCase):
    settings = settings(max_examples=1000, stateful_step_count=60, deadline=None)
