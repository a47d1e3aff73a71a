"""Killed at any write, flush, rename or deletion, the index comes back whole."""

import contextlib
import errno
import itertools
import os
import shutil

import numpy as np
import pytest
from embedding_source import MemorySource, brute_force, unit_vectors

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex

pytestmark = pytest.mark.long

DIM = 16
KILLED = 9
DISK_CALLS = ("write", "fsync", "replace", "unlink", "rmdir", "mkdir")


def die_at(limit):
    """Make this process end hard at its `limit`-th call that changes the disk."""
    calls = itertools.count(1)

    def deadly(real):
        def call(*arguments, **options):
            if next(calls) == limit:
                if real.__name__ == "write":  # half of it arrives
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os._exit(KILLED)
            return real(*arguments, **options)

        return call

    for name in DISK_CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def tell_and_die(folder, kind, limit):
    """Tell the story in a child process that dies at `limit`; return its exit status."""
    child = os.fork()
    if child == 0:
        try:
            die_at(limit)
            tell_story(folder, kind)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def open_index(folder, source, kind):
    return LibraryIndex.open(folder, "model", DIM, source, IndexConfig(kind=kind), FaissSegments())


def tell_story(folder, kind):
    """Write two generations and small checkpoints between; return the catalog at the end."""
    source = MemorySource(DIM)
    rng = np.random.default_rng(1)
    source.put(range(40), unit_vectors(rng, 40, DIM))
    index = open_index(folder, source, kind)
    source.put(range(30, 50), unit_vectors(rng, 20, DIM))
    source.drop([1])
    index.catch_up()
    index.checkpoint()
    source.put([60], unit_vectors(rng, 1, DIM))
    index.catch_up()
    index.rebuild()
    source.drop([2, 60])
    index.catch_up()
    index.checkpoint()
    index.close()
    return source


@pytest.mark.parametrize(
    ("kind", "stride"),
    [("flat", 1), ("pq", 4), pytest.param("pq", 1, marks=pytest.mark.nightly)],
)
def test_killed_at_every_step(scratch, kind, stride):
    """By day at every fourth step of a second kind, whose files are written in the same way."""
    source = tell_story(str(scratch / "whole"), kind)
    limit, status = 1 - stride, KILLED
    while status == KILLED:
        limit += stride
        folder = str(scratch / f"killed-{limit}")
        status = tell_and_die(folder, kind, limit)
        # the catalog moved on after the kill, or the checkpoint is older: both must be caught up
        assert_comes_back(folder, kind, source)
    assert status == 0
    assert limit > 30


def assert_comes_back(folder, kind, source):
    index = open_index(folder, source, kind)
    assert index.clock == source.clock()
    assert len(index) == len(source.vectors)
    query = unit_vectors(np.random.default_rng(4), 1, DIM)
    expected = brute_force(source.vectors, query[0], 10)[1]
    assert index.search(query, 10)[1][0].tolist() == expected.tolist()
    assert index.verify()
    index.checkpoint()
    index.close()
    reopened = open_index(folder, source, kind)
    assert not reopened.dirty
    assert reopened.search(query, 10)[1][0].tolist() == expected.tolist()
    reopened.close()


class Failing:
    """Makes the calls that change the disk fail, from the n-th on, or only that one."""

    def __init__(self, patch, error, first, *, once):
        self.calls, self.failed = 0, False
        self._error, self._first, self._once = error, first, once
        for name in DISK_CALLS:
            patch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, real):
        def call(*arguments, **options):
            self.calls += 1
            if self.calls == self._first or (self.calls > self._first and not self._once):
                self.failed = True
                raise OSError(self._error, os.strerror(self._error))
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_every_call_of_a_checkpoint_and_a_rebuild_may_fail(scratch, monkeypatch, error, once):
    first, failed = 0, True
    while failed:
        first += 1
        folder = str(scratch / f"failing-{first}")
        source = MemorySource(DIM)
        source.put(range(40), unit_vectors(np.random.default_rng(1), 40, DIM))
        index = open_index(folder, source, "flat")
        source.put(range(30, 50), unit_vectors(np.random.default_rng(2), 20, DIM))
        index.catch_up()
        with monkeypatch.context() as patch:
            failing = Failing(patch, error, first, once=once)
            for step in (index.checkpoint, index.rebuild, index.checkpoint):
                with contextlib.suppress(OSError):
                    step()
            failed = failing.failed
        assert len(index) == 50
        # as if the power failed now, and as if the disk were mended
        as_it_is = shutil.copytree(folder, scratch / f"then-{first}")
        assert_comes_back(str(as_it_is), "flat", source)
        index.checkpoint()
        assert not index.dirty
        index.close()
        assert_comes_back(folder, "flat", source)
    assert first > 15


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    source = MemorySource(DIM)
    source.put(range(40), unit_vectors(np.random.default_rng(1), 40, DIM))
    folder = str(tmp_path / "index")
    index = open_index(folder, source, "flat")
    source.put(range(30, 50), unit_vectors(np.random.default_rng(2), 20, DIM))
    index.catch_up()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            index.checkpoint()
        with pytest.raises(OSError, match="No space left"):
            index.rebuild()
    assert index.dirty
    assert len(index) == 50
    assert sorted(os.listdir(folder)) == ["generation-000001", "manifest.json"]
    assert index.checkpoint() > 0
    assert not index.dirty
    index.close()
    assert_comes_back(folder, "flat", source)


def test_a_first_index_that_cannot_be_written_is_searched_in_memory(tmp_path, monkeypatch):
    source = MemorySource(DIM)
    source.put(range(40), unit_vectors(np.random.default_rng(1), 40, DIM))
    folder = str(tmp_path / "index")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        index = open_index(folder, source, "flat")
    assert len(index) == 40
    assert index.needs_rebuild
    index.rebuild()
    index.checkpoint()
    index.close()
    assert_comes_back(folder, "flat", source)
