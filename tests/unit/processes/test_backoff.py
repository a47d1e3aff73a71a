import pytest

from imgvecd.errors import ModelError, WorkerError
from imgvecd.processes import backoff
from imgvecd.processes.backoff import Backoff


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(backoff.time, "monotonic", lambda: now[0])
    return now


def test_the_first_death_is_forgiven_and_pauses_grow_to_a_limit(clock):
    pauses, deaths = [], Backoff()
    for _ in range(10):
        deaths.failed()
        pauses.append(deaths.pause_s())
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_pause_passes(clock):
    deaths = Backoff()
    deaths.failed()
    deaths.failed()
    clock[0] += 0.5
    assert deaths.pause_s() == 0


def test_success_forgets_the_deaths(clock):
    deaths = Backoff()
    for _ in range(5):
        deaths.failed()
    deaths.succeeded()
    assert deaths.pause_s() == 0
    deaths.failed()
    assert deaths.pause_s() == 0


def test_after_too_many_deaths_the_images_are_not_to_blame(clock):
    deaths = Backoff()
    for _ in range(26):
        deaths.failed()
    assert isinstance(deaths.blame("SIGKILL"), WorkerError)
    deaths.failed()
    assert isinstance(deaths.blame("SIGKILL"), ModelError)
