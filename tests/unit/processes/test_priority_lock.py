import asyncio

import pytest

from imgvecd.processes.priority_lock import PriorityLock
from imgvecd.types import Lane


async def settle():
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_interactive_goes_first_and_each_lane_in_order():
    lock, order = PriorityLock(), []

    async def worker(name, lane):
        await lock.acquire(lane)
        order.append(name)
        lock.release()

    await lock.acquire(Lane.BULK)
    names = [("b1", Lane.BULK), ("b2", Lane.BULK), ("i1", Lane.INTERACTIVE)]
    tasks = []
    for name, lane in [*names, ("i2", Lane.INTERACTIVE)]:
        tasks.append(asyncio.create_task(worker(name, lane)))
        await settle()
    lock.release()
    await asyncio.gather(*tasks)
    assert order == ["i1", "i2", "b1", "b2"]
    assert not lock.locked


async def test_one_at_a_time():
    lock = PriorityLock()
    await lock.acquire(Lane.BULK)
    waiting = asyncio.create_task(lock.acquire(Lane.INTERACTIVE))
    await settle()
    assert not waiting.done()
    lock.release()
    await waiting
    assert lock.locked


@pytest.mark.parametrize("given_first", [False, True])
async def test_who_went_away_does_not_keep_the_turn(given_first):
    lock = PriorityLock()
    await lock.acquire(Lane.BULK)
    gone = asyncio.create_task(lock.acquire(Lane.INTERACTIVE))
    await settle()
    if given_first:
        lock.release()  # it is theirs now, though they have not run yet
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    if not given_first:
        lock.release()
    assert not lock.locked
