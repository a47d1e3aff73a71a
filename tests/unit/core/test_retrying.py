"""Pauses that grow, and what is told of a call that is repeated."""

import logging

import pytest

from imgvecd.core.timing import retrying
from imgvecd.core.timing.retrying import Retrying, backoff_s
from imgvecd.errors import CatalogError, ModelError


@pytest.mark.parametrize(
    ("failures", "pause_s"), [(1, 2.0), (2, 4.0), (5, 32.0), (6, 50.0), (10_000, 50.0)]
)
def test_a_pause_doubles_up_to_the_longest(failures, pause_s):
    assert backoff_s(failures, 2.0, 50.0) == pause_s


@pytest.fixture
def pauses(monkeypatch):
    slept = []

    async def sleep(pause_s):
        slept.append(pause_s)

    monkeypatch.setattr(retrying.asyncio, "sleep", sleep)
    return slept


async def test_a_call_is_repeated_until_it_works(pauses, caplog):
    patience, errors, told = Retrying(ModelError, longest_s=5.0), ["a", "b", "c"], []

    async def load(name, *, times):
        told.append(patience.error)
        if errors:
            raise ModelError(f"{name} {errors.pop(0)}")
        return times

    with caplog.at_level(logging.ERROR):
        assert await patience.call(load, "model", times=3) == 3
    assert pauses == [2.0, 4.0, 5.0]
    assert told == [None, "model a", "model b", "model c"]
    assert patience.error is None
    assert "model c; trying again in 5 s" in caplog.text


async def test_each_call_begins_with_the_first_pause(pauses):
    patience, fail = Retrying(ModelError), [True, False, True, False]

    async def load():
        if fail.pop(0):
            raise ModelError("no")

    await patience.call(load)
    await patience.call(load)
    assert pauses == [2.0, 2.0]


async def test_other_errors_are_the_callers(pauses):
    async def load():
        raise CatalogError("no")

    with pytest.raises(CatalogError):
        await Retrying(ModelError).call(load)
    assert pauses == []
