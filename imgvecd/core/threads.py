"""Threads for calls that block, in named pools, so that no kind of work waits for another.

What asks which pool: searches and whatever a client waits a moment for, `INTERACTIVE`; globs and
other filters over the whole library, `FILTERING`; indexing, checkpoints, backups and listings,
`BULK`; what examines the whole library for a client, `HEAVY`; what tells whether the daemon is
alive, `ALIVE`. The default executor of asyncio is left to libraries.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class ThreadPool:
    """A few threads, started when they are needed. Thread-safe; empty again after a fork."""

    _lock: threading.Lock
    _threads: ThreadPoolExecutor | None

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns, run in one of the threads.

        A caller that is cancelled leaves a call behind that goes on to its end.
        """
        bound = functools.partial(contextvars.copy_context().run, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor(), bound)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.size, f"imgvecd-{self.name}")
            return self._threads

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._threads = None


# Mostly waiting for the disk, so more than there are cores.
INTERACTIVE = ThreadPool("interactive", 8)
# Pure computation that holds the interpreter: more would only slow searches down.
FILTERING = ThreadPool("filtering", 2)
BULK = ThreadPool("bulk", 8)
HEAVY = ThreadPool("heavy", 2)
ALIVE = ThreadPool("alive", 2)
