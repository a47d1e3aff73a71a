import threading

import numpy as np
import pytest
from embedding_source import MemorySource, unit_vectors
from running import DEADLINE_S

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex, model_index
from imgvecd.core.index.packed_vectors import packed
from imgvecd.types import IndexChanges

DIM = 16


def vectors(count, seed=1):
    return unit_vectors(np.random.default_rng(seed), count, DIM)


@pytest.fixture
def source():
    return MemorySource(DIM)


@pytest.fixture
def open_index(tmp_path, source):
    opened = []

    def open_one(**config):
        index = LibraryIndex.open(
            str(tmp_path / "index"), "model", DIM, source, IndexConfig(**config), FaissSegments()
        )
        opened.append(index)
        return index

    yield open_one
    for index in opened:
        index.close()


def test_a_step_of_known_vectors_moves_only_the_clock(open_index, source):
    source.put(range(100), vectors(100))
    index = open_index()
    source.put(range(100), vectors(100))
    index.catch_up()
    status = index.status()
    assert (status.clock, status.delta, status.removed) == (2, 0, 0)


def test_a_checkpoint_costs_what_changed(open_index, source):
    source.put(range(5000), vectors(5000))
    index = open_index()
    source.put([6000], vectors(1, seed=2))
    source.drop([5])
    index.catch_up()
    assert index.dirty
    assert index.checkpoint() < 5000
    assert index.checkpoint() == 0
    assert not index.dirty


def test_many_small_steps_stay_few_segments(open_index, source):
    index = open_index()
    everything = vectors(700)
    nothing = np.empty(0, np.int64)
    for number, vector in enumerate(everything):
        index.apply(IndexChanges(number + 1, np.array([number]), packed(vector[None]), nothing))
    assert len(index) == 700
    assert len(index._snapshot.layers) <= 10


def test_a_rebuild_pays_after_enough_additions_or_removals(open_index, source):
    index = open_index()
    assert not index.needs_rebuild
    source.put(range(1000), vectors(1000))
    index.catch_up()
    assert index.needs_rebuild
    index.rebuild()
    assert not index.needs_rebuild
    source.drop(range(200))
    index.catch_up()
    assert not index.needs_rebuild
    source.drop([200])
    index.catch_up()
    assert index.needs_rebuild
    index.rebuild()
    status = index.status()
    assert (status.generation, status.vectors, status.delta, status.removed) == (2, 799, 0, 0)


def test_another_kind_in_the_configuration_asks_for_a_rebuild(open_index, source):
    source.put(range(50), vectors(50))
    open_index(kind="flat").close()
    index = open_index(kind="pq")
    assert index.needs_rebuild
    index.rebuild()
    assert not index.needs_rebuild
    assert index.status().kind == "pq"


def test_a_checkpoint_is_due_after_enough_changes(open_index, source):
    index = open_index(checkpoint_changes=10)
    source.put(range(9), vectors(9))
    index.catch_up()
    assert not index.needs_checkpoint
    source.drop([3])
    index.catch_up()
    assert index.needs_checkpoint
    index.checkpoint()
    assert not index.needs_checkpoint


def test_changes_during_a_rebuild_are_in_the_new_generation(open_index, source, monkeypatch):
    source.put(range(300), vectors(300))
    index = open_index()
    streamed, go_on = threading.Event(), threading.Event()
    real = source.stream_embeddings

    def slow(*arguments):
        clock, batches = real(*arguments)
        streamed.set()
        assert go_on.wait(DEADLINE_S)
        return clock, batches

    monkeypatch.setattr(source, "stream_embeddings", slow)
    thread = threading.Thread(target=index.rebuild)
    thread.start()
    assert streamed.wait(DEADLINE_S)
    assert index.status().rebuilding
    source.put([1000], vectors(1, seed=3))
    source.drop([0])
    index.catch_up()
    assert index.checkpoint() > 0
    go_on.set()
    thread.join()
    found = index.search(vectors(1).astype(np.float32), 400)[1][0].tolist()
    assert sorted(found) == [*range(1, 300), 1000]
    assert index.status().generation == 2


@pytest.mark.parametrize(("before", "after"), [(range(0), range(5)), (range(5), range(0))])
def test_a_rebuild_has_what_comes_or_goes_after_it_has_counted(
    open_index, source, monkeypatch, before, after
):
    source.put(before, vectors(len(before)))
    index = open_index()
    counted = source.live_count

    def count_and_change(fingerprint):
        count = counted(fingerprint)
        source.drop(before)
        source.put(after, vectors(len(after)))
        return count

    monkeypatch.setattr(source, "live_count", count_and_change)
    index.rebuild()
    index.catch_up()
    assert index.ids().tolist() == list(after)


def test_closing_ends_a_rebuild(open_index, source, tmp_path, monkeypatch):
    source.put(range(300), vectors(300))
    index = open_index()
    monkeypatch.setattr(model_index, "_BATCH", 10)
    real = source.stream_embeddings

    def closing(*arguments):
        clock, batches = real(*arguments)
        index.close()
        return clock, batches

    monkeypatch.setattr(source, "stream_embeddings", closing)
    index.rebuild()
    assert [path.name for path in (tmp_path / "index").glob("generation-*")] == [
        "generation-000001"
    ]


def test_a_large_library_without_checkpoint_waits_for_its_rebuild(open_index, source, monkeypatch):
    monkeypatch.setattr(model_index, "FLAT_LIMIT", 100)
    source.put(range(200), vectors(200))
    index = open_index()
    index.catch_up()
    assert len(index) == 0
    assert index.checkpoint() == 0
    assert index.needs_rebuild
    index.rebuild()
    assert len(index) == 200
    assert index.status().kind == "pq"
    assert not index.needs_rebuild


def test_searches_beside_writers_see_whole_steps(open_index, source):
    """Each step replaces ten vectors by ten; a search must never count 9, 11 or 20 of them."""
    source.put(range(10), vectors(10))
    index = open_index()
    counts, failures, stop = [], [], threading.Event()
    query = vectors(1, seed=5).astype(np.float32)

    def look():
        try:
            while not stop.is_set():
                counts.append(index.search(query, 50)[1].shape[1])
        except BaseException as error:  # noqa: BLE001  # shown by the main thread
            failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for step in range(1, 60):
        ids = range(step * 10, step * 10 + 10)
        clock = source.clock()
        source.put(ids, vectors(10, seed=step))
        added = np.array(ids, np.int64)
        index.apply(IndexChanges(clock + 1, added, packed(vectors(10, seed=step)), added - 10))
        source.drop([i - 10 for i in ids])
        if step % 20 == 0:
            index.catch_up()
            index.rebuild()
            index.checkpoint()
    stop.set()
    thread.join()
    assert not failures
    assert set(counts) == {10}


def test_a_folder_that_could_not_be_made_is_made_once_it_can_be(open_index, source, tmp_path):
    (tmp_path / "index").write_bytes(b"in its place")
    source.put(range(10), vectors(10))
    index = open_index()
    with pytest.raises(FileExistsError):
        index.checkpoint()
    (tmp_path / "index").unlink()
    assert index.checkpoint()
    assert open_index().status().clock == 1
