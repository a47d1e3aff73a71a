import pytest

from imgvecd.api import FileCounts
from imgvecd.daemon import library_counts as module
from imgvecd.daemon.library_counts import Counter


class Library:
    """Counts how often it is counted, which takes two seconds of a clock of its own."""

    def __init__(self):
        self.counted = 0
        self.now = 1
        self.time_s = 0.0

    def clock(self):
        return self.now

    def counts(self, fingerprint):
        self.counted += 1
        self.time_s += 2
        return FileCounts(seen=self.now)

    def files_per_root(self):
        return {1: self.now}


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(module.time, "monotonic", lambda: library.time_s)
    return library


def test_nothing_is_counted_twice_while_nothing_changes(library):
    counter = Counter(library, library)
    for changing in (False, True, False):
        assert counter.figures("m", changing=changing).files.seen == 1
    assert library.counted == 1
    counter.figures("other model", changing=False)
    assert library.counted == 2


def test_an_idle_library_is_told_exactly(library):
    counter = Counter(library, library)
    counter.figures("m", changing=False)
    library.now = 2
    figures = counter.figures("m", changing=False)
    assert (figures.clock, figures.files.seen, figures.files_per_root) == (2, 2, {1: 2})


def test_a_changing_library_is_counted_a_small_part_of_the_time(library):
    counter = Counter(library, library)
    clocks = []
    for library.now in range(1, 61):
        clocks.append(counter.figures("m", changing=True).clock)
        library.time_s += 1
    assert clocks == sorted(clocks)
    assert library.counted == 3  # 6 s of 60
