"""Threads for calls that block, in named pools, so that no kind of work waits for another.

Clients take turns in each pool: one has a share of its threads, and while others ask, too, a single
one, which rests in proportion to what it computes. What the daemon does for itself takes no turns.

What asks which pool: searches and whatever a client waits a moment for, `INTERACTIVE`; globs and
other filters over the whole library, `FILTERING`; indexing, checkpoints, backups and listings,
`BULK`; searches of a shared engine, `SHARED`; what examines the whole library for a client,
`HEAVY`; what tells whether the daemon is alive, `ALIVE`. The default executor of asyncio is left to
libraries.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from imgvecd.core.slots import ORDINARY, Slots

T = TypeVar("T")
P = ParamSpec("P")

# Threads that compute share one interpreter: who asks without a pause leaves two thirds of it to
# the others.
_RESTS = 2
_LEAST_REST_S = 0.0005  # less is not worth a timer
_LONGEST_REST_S = 1.0


class Asker(NamedTuple):
    """The client that something is done for.

    Attributes:
        rank: among what the client waits for; as `Slots.take` has it.
    """

    client: Hashable
    is_owner: bool
    rank: int = ORDINARY


asker: contextvars.ContextVar[Asker | None] = contextvars.ContextVar("asker", default=None)
"""For whom the current task works; None for the daemon itself. Set in one event loop only."""


class ThreadPool:
    """A few threads, started when they are needed. Thread-safe; empty again after a fork."""

    _lock: threading.Lock
    _threads: ThreadPoolExecutor | None
    _slots: Slots

    def __init__(self, name: str, size: int, *, per_client: int | None = None) -> None:
        self.name = name
        self.size = size
        self._per_client = per_client or size
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns, run in one of the threads.

        A caller that is cancelled leaves a call behind that goes on to its end.
        """
        bound = functools.partial(contextvars.copy_context().run, call, *args, **kwargs)
        who, slots = asker.get(), self._slots
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        computed_s = 0.0

        def measured() -> T:
            nonlocal computed_s
            began = time.thread_time()
            try:
                return bound()
            finally:
                computed_s = time.thread_time() - began

        def hand_over(ended: concurrent.futures.Future[T]) -> None:
            if who is not None:
                rest_s = min(_RESTS * computed_s, _LONGEST_REST_S)
                alone = rest_s < _LEAST_REST_S or slots.alone(who.client)
                slots.give_back(who.client, 0.0 if alone else rest_s)
            if result.done():  # nobody waits any more
                return
            if ended.cancelled():
                result.cancel()
            elif (error := ended.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(ended.result())

        def tell(ended: concurrent.futures.Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(hand_over, ended)

        if who is not None:
            await slots.take(who.client, owner=who.is_owner, rank=who.rank)
        running = self._executor().submit(measured)
        # Once, and with all that there is to tell: to wake the loop gives up the interpreter. Not
        # before the thread has ended, whether anybody still waits for it or not.
        running.add_done_callback(tell)
        try:
            return await result
        except asyncio.CancelledError:
            running.cancel()
            raise

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.size, f"imgvecd-{self.name}")
            return self._threads

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._threads = None
        self._slots = Slots(self.size, self._per_client, beside_others=1)


# Mostly waiting for the disk, so more than there are cores; but two that compute get all that the
# interpreter has to give, and what one client has too many of slows down the others: four take it
# from each other so often that 64 connections get a fifth less answers.
INTERACTIVE = ThreadPool("interactive", 8, per_client=2)
# Pure computation that holds the interpreter: more would only slow searches down.
FILTERING = ThreadPool("filtering", 2, per_client=1)
BULK = ThreadPool("bulk", 8)
SHARED = ThreadPool("shared", 4, per_client=2)
HEAVY = ThreadPool("heavy", 2)
ALIVE = ThreadPool("alive", 2)
