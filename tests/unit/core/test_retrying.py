"""Pauses that grow, and what is told of a call that is repeated."""

import asyncio
import logging
import time

import pytest
from running import DEADLINE_S

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

    async def pause(_, pause_s):
        slept.append(pause_s)

    monkeypatch.setattr(Retrying, "_pause", pause)
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


async def test_a_pause_is_told_and_can_be_cut_short():
    patience, tries = Retrying(ModelError, first_s=200), []

    async def load():
        tries.append(patience.next_try_at)
        if len(tries) == 1:
            raise ModelError("no")

    loading = asyncio.create_task(patience.call(load))
    async with asyncio.timeout(DEADLINE_S):
        while patience.next_try_at is None:
            await asyncio.sleep(0.005)
        assert 100 < patience.next_try_at - time.time() <= 200
        patience.try_now()
        await loading
    assert tries == [None, None]
    assert patience.next_try_at is None
