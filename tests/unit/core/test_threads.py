"""Threads in named pools: one kind of work never waits for another."""

from __future__ import annotations

import ast
import asyncio
import functools
import threading
import time
from pathlib import Path

import pytest
from forks import in_a_fork
from running import DEADLINE_S

import imgvecd
from imgvecd.core import recent_clients, threads
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


def compute(seconds):
    """Keep the processor busy for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def rested_s(pool, call, *, beside_another):
    """Return how long a client waits from the end of one such call to the beginning of the next."""
    if beside_another:
        await for_client("other", pool, int)
    await for_client("busy", pool, call)
    ended = time.monotonic()
    return await for_client("busy", pool, time.monotonic) - ended


async def test_who_computes_beside_another_client_rests_in_proportion(monkeypatch):
    monkeypatch.setattr(threads, "_RESTS", 5)
    monkeypatch.setattr(recent_clients, "_RECENT_S", 86_400.0)  # computing may take long
    pool = ThreadPool("resting", 4)
    busy = functools.partial(compute, 0.05)
    assert await rested_s(pool, busy, beside_another=True) >= 0.2
    assert await for_client("other", pool, int) == 0


async def test_who_is_alone_or_only_waits_does_not_rest(monkeypatch):
    monkeypatch.setattr(threads, "_RESTS", 1e9)
    monkeypatch.setattr(threads, "_LONGEST_REST_S", 1e9)
    monkeypatch.setattr(threads, "_LEAST_REST_S", 1e7)  # ten milliseconds of computing
    alone, waiting = functools.partial(compute, 0.05), functools.partial(time.sleep, 0.05)
    async with asyncio.timeout(DEADLINE_S):
        await rested_s(ThreadPool("alone", 4), alone, beside_another=False)
        await rested_s(ThreadPool("waiting", 4), waiting, beside_another=True)


async def test_a_client_that_rests_keeps_no_place_from_others(monkeypatch):
    monkeypatch.setattr(threads, "_RESTS", 1e9)
    monkeypatch.setattr(threads, "_LONGEST_REST_S", 1e9)
    pool = ThreadPool("small", 1)
    await for_client("other", pool, int)
    await for_client("busy", pool, functools.partial(compute, 0.01))
    assert await asyncio.wait_for(for_client("other", pool, int), DEADLINE_S) == 0


def test_after_a_fork_there_are_threads_again():
    pool = ThreadPool("forked", 1)
    assert asyncio.run(pool.run(sum, (1, 2))) == 3
    assert in_a_fork(lambda: asyncio.run(pool.run(sum, (3, 4)))) == 7


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
