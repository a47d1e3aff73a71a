import time

import pytest

from imgvecd.core.watch import debounce
from imgvecd.core.watch.debounce import CLOSED_QUIET_S, OPEN_FACTOR, Debounce
from imgvecd.types import Stamp

PLACE = (1, b"", b"a.jpg")


def stamp(age_s, size=1):
    return Stamp(size, 0, 7, time.time_ns() - int(age_s * 1e9))


def test_a_file_at_rest_is_ready():
    assert Debounce(500).wait_s(PLACE, stamp(0.6)) == 0


def test_an_unclosed_file_waits_for_the_rest_of_settle_ms():
    assert Debounce(500).wait_s(PLACE, stamp(0.2)) == pytest.approx(0.3, abs=0.05)


def test_a_closed_file_waits_only_a_moment():
    subject = Debounce(500)
    subject.closed(PLACE)
    assert subject.wait_s(PLACE, stamp(0)) == pytest.approx(CLOSED_QUIET_S, abs=0.05)
    assert subject.wait_s(PLACE, stamp(CLOSED_QUIET_S)) == 0


def test_a_writer_who_goes_on_after_closing_is_waited_for():
    subject = Debounce(500)
    subject.closed(PLACE)
    subject.written(PLACE)
    assert subject.wait_s(PLACE, stamp(0.6)) > 0
    assert subject.wait_s(PLACE, stamp(0.5 * OPEN_FACTOR)) == 0


def test_what_came_to_rest_is_forgotten():
    subject = Debounce(500)
    subject.written(PLACE)
    assert subject.wait_s(PLACE, stamp(60)) == 0
    assert subject.wait_s(PLACE, stamp(0)) == pytest.approx(0.5, abs=0.05)


def test_a_file_saved_again_and_again_is_read_once_more_at_the_end(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(debounce.time, "monotonic", lambda: now[0])
    subject = Debounce(500)
    subject.closed(PLACE)
    assert subject.wait_s(PLACE, stamp(CLOSED_QUIET_S)) == 0
    now[0] += 0.2
    subject.closed(PLACE)
    assert subject.wait_s(PLACE, stamp(CLOSED_QUIET_S)) > 0.3
    assert subject.wait_s(PLACE, stamp(0.5)) == 0
    now[0] += 1.1
    subject.closed(PLACE)
    assert subject.wait_s(PLACE, stamp(CLOSED_QUIET_S)) == 0


def test_a_file_saved_without_end_is_read_all_the_same(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(debounce.time, "monotonic", lambda: now[0])
    subject = Debounce(500)
    for _ in range(2):
        looks = 0
        while True:
            subject.closed(PLACE)
            looks += 1
            if subject.wait_s(PLACE, stamp(0)) == 0:
                break
            now[0] += 0.3
        assert looks == pytest.approx(0.5 * OPEN_FACTOR / 0.3, abs=2)
    subject.written(PLACE)  # but not while it is open
    now[0] += 3600
    assert subject.wait_s(PLACE, stamp(0)) > 0


def test_a_clock_of_whole_seconds_cannot_hide_a_second_write():
    second = time.time_ns() // 10**9 * 10**9
    subject = Debounce(500)
    subject.closed(PLACE)
    assert subject.wait_s(PLACE, Stamp(1, 0, 7, second)) > 0.9
    assert subject.wait_s(PLACE, Stamp(1, 0, 7, second - 3 * 10**9)) == 0


def test_a_clock_that_is_ahead_cannot_hold_a_file_up(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(debounce.time, "monotonic", lambda: now[0])
    subject = Debounce(500)
    ahead = stamp(-3600)
    assert subject.wait_s(PLACE, ahead) == 0.5
    now[0] += 0.4
    assert subject.wait_s(PLACE, stamp(-3600, size=2)) == 0.5
    now[0] += 0.4
    assert subject.wait_s(PLACE, stamp(-3600, size=2)) > 0
    still = stamp(-3600, size=3)
    subject.wait_s(PLACE, still)
    now[0] += 0.5
    assert subject.wait_s(PLACE, still) == 0


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(debounce, "MAX_FILES", 10)
    subject = Debounce(500)
    for number in range(1000):
        subject.written((1, b"", b"%d" % number))
        assert len(subject._writers) <= 10
    monkeypatch.setattr(debounce, "MAX_RECENT", 5)
    for number in range(100):
        subject.closed((1, b"", b"%d" % number))
        subject.wait_s((1, b"", b"%d" % number), stamp(60))
        assert len(subject._recent) <= 5


def test_nobody_waits_for_a_film_that_is_being_recorded():
    subject = Debounce(500)
    for name, waits in ((b"a.mp4", False), (b"a.AAE", False), (b"a.xmp", True)):
        place = (1, b"", name)
        subject.written(place)
        assert (subject.wait_s(place, stamp(0)) > 0) is waits
