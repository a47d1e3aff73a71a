"""Whose turn it is: one at a time, interactive before bulk, else first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque

from imgvecd.types import Lane


class PriorityLock:
    """A lock with lanes. Thread-safety: the event loop's thread only."""

    def __init__(self) -> None:
        self._locked = False
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    @property
    def locked(self) -> bool:
        """Whether it is anybody's turn now."""
        return self._locked

    async def acquire(self, lane: Lane) -> None:
        """Wait for the turn; `release` must follow."""
        if not self._locked:
            self._locked = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was given, and nobody is there to use it
                self.release()
            raise

    def release(self) -> None:
        """Pass the turn on."""
        for lane in sorted(self._waiting):
            queue = self._waiting[lane]
            while queue:
                next_one = queue.popleft()
                if not next_one.done():
                    next_one.set_result(None)
                    return
        self._locked = False
