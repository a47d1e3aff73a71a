"""What every engine behind `protocols.VectorIndex` must do; one body over each kind of base."""

import numpy as np
import pytest
from embedding_source import MemorySource, brute_force, unit_vectors

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex
from imgvecd.core.index.packed_vectors import packed
from imgvecd.errors import BadRequestError, DimensionError
from imgvecd.types import IndexChanges

DIM = 32


def open_index(tmp_path, source, kind="flat", **config):
    return LibraryIndex.open(
        str(tmp_path / "index"),
        "model",
        DIM,
        source,
        IndexConfig(kind=kind, **config),
        FaissSegments(),
    )


@pytest.fixture
def source():
    return MemorySource(DIM)


@pytest.fixture(params=["flat", "pq", "rabitq", "delta only"])
def index(request, tmp_path, source):
    """An index of 300 vectors with ids 0, 3, 6, …"""
    rng = np.random.default_rng(1)
    if request.param == "delta only":
        index = open_index(tmp_path, source)
        source.put(range(0, 900, 3), unit_vectors(rng, 300, DIM))
        index.catch_up()
    else:
        source.put(range(0, 900, 3), unit_vectors(rng, 300, DIM))
        index = open_index(tmp_path, source, request.param)
    yield index
    index.close()


def queries(count, seed=5):
    vectors = unit_vectors(np.random.default_rng(seed), count, DIM)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def changes(clock, added=(), vectors=None, removed=()):
    if vectors is None:
        vectors = unit_vectors(np.random.default_rng(9), len(added), DIM)
    ids, gone = np.array(added, np.int64), np.array(removed, np.int64)
    return IndexChanges(clock, ids, packed(vectors), gone)


def assert_matches(index, vectors, some_queries, k, allowed=None):
    wanted = None if allowed is None else np.array(sorted(allowed), np.int64)
    scores, ids = index.search(some_queries, k, allowed=wanted)
    for row, query in enumerate(some_queries):
        expected_scores, expected_ids = brute_force(vectors, query, k, allowed)
        assert ids[row].tolist() == expected_ids.tolist()
        np.testing.assert_allclose(scores[row], expected_scores, atol=1e-6)


def test_best_first_with_exact_scores(index, source):
    assert len(index) == 300
    assert index.clock == source.clock()
    assert_matches(index, source.vectors, queries(40), 10)


def test_more_wanted_than_there_are(index, source):
    scores, ids = index.search(queries(2), 1000)
    assert scores.shape == ids.shape == (2, 300)
    assert_matches(index, source.vectors, queries(2), 1000)


def test_no_queries(index):
    scores, ids = index.search(np.empty((0, DIM), np.float32), 3)
    assert scores.shape == ids.shape == (0, 3)


@pytest.mark.parametrize("allowed", [[], [3], [1, 2], range(0, 900, 6), range(10_000)])
def test_only_allowed_ids_are_found(index, source, allowed):
    assert_matches(index, source.vectors, queries(5), 10, set(allowed))


def test_ties_by_ascending_id(index, source):
    twin = unit_vectors(np.random.default_rng(3), 1, DIM)
    twins = [*range(1, 60, 3), *range(601, 660, 3)]
    source.put(twins, np.repeat(twin, len(twins), axis=0))
    index.catch_up()
    query = queries(1)
    query[0] = twin[0]
    query /= np.linalg.norm(query)
    for k in (1, 5, 39, 45):
        assert_matches(index, source.vectors, query, k)


def test_update_replaces_and_removal_hides(index, source):
    rng = np.random.default_rng(8)
    source.put(range(0, 90, 3), unit_vectors(rng, 30, DIM))
    source.put([1000, 1001], unit_vectors(rng, 2, DIM))
    source.drop(range(90, 180, 3))
    index.catch_up()
    assert len(index) == 300 - 30 + 2
    assert_matches(index, source.vectors, queries(20), 20)


def test_apply_is_seen_whole_and_moves_the_clock(index):
    clock = index.clock
    index.apply(changes(clock + 4, added=[5000, 5001], removed=[0, 3]))
    assert index.clock == clock + 4
    assert len(index) == 300
    found = index.search(queries(1), 1000)[1][0]
    assert {5000, 5001} <= set(found.tolist())
    assert not {0, 3} & set(found.tolist())


def test_a_step_that_is_covered_already_changes_nothing(index):
    index.apply(changes(index.clock, added=[5000]))
    assert len(index) == 300


def test_removing_what_is_not_there(index, source):
    index.apply(changes(index.clock + 1, removed=[1, 2, 10_000]))
    assert_matches(index, source.vectors, queries(3), 10)


def test_everything_removed(index):
    index.apply(changes(index.clock + 1, removed=list(range(0, 900, 3))))
    scores, ids = index.search(queries(2), 10)
    assert len(index) == 0
    assert scores.shape == ids.shape == (2, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0])
def test_vectors_that_are_not_unit_are_left_out(index, source, value, caplog):
    bad = unit_vectors(np.random.default_rng(2), 2, DIM)
    bad[0, 0] = value
    index.apply(changes(index.clock + 1, added=[0, 5000], vectors=bad))
    found = index.search(queries(1), 1000)[1][0].tolist()
    assert 5000 in found
    assert 0 not in found
    assert "contents [0]" in caplog.text


def test_wrong_dimensions_are_refused(index):
    with pytest.raises(DimensionError, match=r"\(1, 33\).*\(n, 32\)"):
        index.search(np.ones((1, DIM + 1), np.float32), 1)
    with pytest.raises(DimensionError):
        index.search(np.ones(DIM, np.float32), 1)
    with pytest.raises(DimensionError):
        index.apply(changes(99, added=[1], vectors=np.ones((1, DIM + 1), np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_queries_that_are_not_unit_are_refused(index, value):
    query = queries(1)
    query[0, 0] = value
    with pytest.raises(BadRequestError, match="not finite or not of length 1"):
        index.search(query, 1)


def test_nothing_wanted_is_refused(index):
    with pytest.raises(BadRequestError, match="at least 1"):
        index.search(queries(1), 0)


@pytest.mark.parametrize(
    "bad", [changes(99, added=[1, 1]), changes(99, added=[-1]), changes(99, [1], None, [1])]
)
def test_ids_that_make_no_sense_are_refused(index, bad):
    with pytest.raises(BadRequestError, match="negative or appears twice"):
        index.apply(bad)
    assert len(index) == 300


@pytest.mark.parametrize("kind", ["flat", "pq", "rabitq"])
def test_a_library_without_one_good_vector(tmp_path, source, kind):
    source.put([1, 2], np.zeros((2, DIM), np.float32))
    index = open_index(tmp_path, source, kind)
    assert index.search(queries(1), 3)[1].shape == (1, 0)
    source.put([3], unit_vectors(np.random.default_rng(1), 1, DIM))
    index.catch_up()
    assert index.search(queries(1), 3)[1].tolist() == [[3]]
    index.rebuild()
    index.checkpoint()
    assert open_index(tmp_path, source, kind).search(queries(1), 3)[1].tolist() == [[3]]
