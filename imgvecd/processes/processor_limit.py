"""A limit on what a child process does, not on how long the machine takes to let it.

A suspended machine, a stopped or frozen process, a disk that others keep busy: none of it is the
work's fault. So processor time counts; wall time only while the process makes no progress at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")

_LOOK_S = 0.5  # between two looks at the process; most work ends before the first
_LOOKS = 8  # at least so many within a short limit
_LONGEST = 40  # times the limit: progress that slow is none
_STOPPED = 8  # times the limit: while we run and it does not, it was stopped alone
_CPUCLOCK_SCHED = 2  # include/linux/posix-timers.h: the clock of a process is (~pid << 3) | 2


async def within(limit_s: float, pid: int, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of what process `pid` works on.

    Raises:
        TimeoutError: it took more processor time, or made no progress for as long; the message
            says which. The work is cancelled.
    """
    began_s = _processor_s(pid)
    task = asyncio.ensure_future(work)
    try:
        look_s = min(_LOOK_S, limit_s / _LOOKS)
        watch = _Watch(pid, limit_s, began_s)
        while not (await asyncio.wait([task], timeout=look_s))[0]:
            watch.look(look_s)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


class _Watch:
    """What one process has done since it began a piece of work."""

    def __init__(self, pid: int, limit_s: float, began_s: float) -> None:
        self._pid = pid
        self._limit_s = limit_s
        self._began_s = began_s
        self._seen = (began_s, 0)
        self._idle_s = self._stopped_s = self._wall_s = 0.0

    def look(self, since_s: float) -> None:
        """Note what it did in about `since_s` seconds.

        However long it really was: while this process did not run either, nobody could.

        Raises:
            TimeoutError: it is over the limit.
        """
        used_s = _processor_s(self._pid) - self._began_s
        now = (used_s, _bytes_moved(self._pid))
        progressed = now != self._seen
        self._seen = now
        self._wall_s += since_s
        if progressed:
            self._idle_s = 0.0
        elif not _is_stopped(self._pid):
            self._idle_s += since_s
        else:
            self._stopped_s += since_s
        if used_s > self._limit_s:
            raise TimeoutError(f"it takes over {self._limit_s:g} s of processor time")
        if self._stopped_s > _STOPPED * self._limit_s:
            raise TimeoutError(f"it has been stopped for {self._stopped_s:.0f} s")
        if self._idle_s > self._limit_s or self._wall_s > _LONGEST * self._limit_s:
            raise TimeoutError(f"it makes no progress for {self._limit_s:g} s")


def _processor_s(pid: int) -> float:
    """Return the processor time of all threads of a process; 0 of one that has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:  # it has ended, or this is no Linux
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            return times.user + times.system
    return 0.0


def _bytes_moved(pid: int) -> int:
    with contextlib.suppress(psutil.Error, AttributeError, OSError):
        counters = psutil.Process(pid).io_counters()
        return int(counters.read_chars + counters.write_chars)
    return 0


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return False
