import asyncio

import pytest

from imgvecd.processes.priority_lock import PriorityLock
from imgvecd.types import Lane


async def settle():
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_interactive_goes_first_and_each_lane_in_order():
    turns, order = PriorityLock(), []

    async def worker(name, lane):
        await turns.take(lane)
        order.append(name)
        turns.give_back()

    await turns.take(Lane.BULK)
    names = [("b1", Lane.BULK), ("b2", Lane.BULK), ("i1", Lane.INTERACTIVE)]
    tasks = []
    for name, lane in [*names, ("i2", Lane.INTERACTIVE)]:
        tasks.append(asyncio.create_task(worker(name, lane)))
        await settle()
    turns.give_back()
    await asyncio.gather(*tasks)
    assert order == ["i1", "i2", "b1", "b2"]
    assert not turns.taken


async def test_one_at_a_time():
    turns = PriorityLock()
    await turns.take(Lane.BULK)
    waiting = asyncio.create_task(turns.take(Lane.INTERACTIVE))
    await settle()
    assert not waiting.done()
    turns.give_back()
    await waiting
    assert turns.taken


@pytest.mark.parametrize("given_first", [False, True])
async def test_who_went_away_does_not_keep_the_turn(given_first):
    turns = PriorityLock()
    await turns.take(Lane.BULK)
    gone = asyncio.create_task(turns.take(Lane.INTERACTIVE))
    await settle()
    if given_first:
        turns.give_back()  # it is theirs now, though they have not run yet
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    if not given_first:
        turns.give_back()
    assert not turns.taken
