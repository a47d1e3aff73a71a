"""Threads in named pools: one kind of work never waits for another."""

from __future__ import annotations

import ast
import asyncio
import os
import threading
from pathlib import Path

import pytest
from running import DEADLINE_S

import imgvecd
from imgvecd.core import threads
from imgvecd.core.threads import Asker, ThreadPool, asker


async def test_a_pool_that_is_full_keeps_no_other_waiting():
    slow, quick = ThreadPool("slow", 2), ThreadPool("quick", 2)
    gate = threading.Event()
    waiting = [asyncio.create_task(slow.run(gate.wait)) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(quick.run(sum, (1, 2)), DEADLINE_S) == 3
    assert not any(task.done() for task in waiting)
    gate.set()
    await asyncio.gather(*waiting)


async def test_errors_and_names_come_through():
    pool = ThreadPool("named", 1)
    assert "named" in (await pool.run(threading.current_thread)).name
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)


async def for_client(client, pool, call):
    asker.set(Asker(client, True))
    return await pool.run(call)


async def test_a_client_waits_for_its_own_calls_and_nobody_else_does():
    pool = ThreadPool("shared", 3, per_client=2)
    gate = threading.Event()
    tasks = [asyncio.create_task(for_client("greedy", pool, gate.wait)) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(for_client("other", pool, threading.active_count), DEADLINE_S)
    for task in tasks:
        task.cancel()  # whoever leaves does not get its threads free by that
    await asyncio.wait(tasks)
    late = asyncio.create_task(for_client("greedy", pool, threading.active_count))
    assert await asyncio.wait_for(for_client("other", pool, threading.active_count), DEADLINE_S)
    assert await asyncio.wait_for(asyncio.shield(pool.run(sum, (1, 2))), DEADLINE_S) == 3
    assert not late.done()
    gate.set()
    await asyncio.wait_for(late, DEADLINE_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_after_a_fork_there_are_threads_again():
    pool = ThreadPool("forked", 1)
    assert asyncio.run(pool.run(sum, (1, 2))) == 3
    child = os.fork()
    if child == 0:
        try:
            answer = asyncio.run(asyncio.wait_for(pool.run(sum, (3, 4)), DEADLINE_S))
        except BaseException:  # noqa: BLE001  # nothing may leave the child
            answer = -1
        os._exit(answer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_nobody_uses_the_default_executor():
    """It has six threads on two cores, and everybody would share them."""
    own = Path(threads.__file__)
    for module in Path(imgvecd.__file__).parent.rglob("*.py"):
        if module == own:
            continue
        for node in ast.walk(ast.parse(module.read_text())):
            assert not (
                isinstance(node, ast.Attribute) and node.attr in {"to_thread", "run_in_executor"}
            ), f"{module}:{node.lineno}"
