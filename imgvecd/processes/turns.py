"""Whose turn it is: one at a time, interactive before bulk, else first come, first served.

But nobody waits for ever: however many queries come, the bulk lane gets a turn now and then.
"""

from __future__ import annotations

import asyncio
from collections import deque

from imgvecd.types import Lane

# So long the bulk lane stands back: queries that keep coming cost it most of its speed, and its
# steps of less than 100 ms cost them a tenth of theirs.
PATIENCE_S = 1.0

_Waiting = tuple[float, asyncio.Future[None]]  # since when, by the event loop's clock


class Turns:
    """A lock with lanes. Thread-safety: the event loop's thread only."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: dict[Lane, deque[_Waiting]] = {lane: deque() for lane in Lane}

    @property
    def taken(self) -> bool:
        """Whether it is anybody's turn now."""
        return self._taken

    async def take(self, lane: Lane) -> None:
        """Wait for the turn; `give_back` must follow."""
        if not self._taken:
            self._taken = True
            return
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self._waiting[lane].append((loop.time(), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was given, and nobody is there to use it
                self.give_back()
            raise

    def give_back(self) -> None:
        """Pass the turn on."""
        for lane in self._order():
            queue = self._waiting[lane]
            while queue:
                _, next_one = queue.popleft()
                if not next_one.done():
                    next_one.set_result(None)
                    return
        self._taken = False

    def _order(self) -> list[Lane]:
        """Return the lanes, the one that goes first first."""
        bulk = self._waiting[Lane.BULK]
        if bulk and bulk[0][0] + PATIENCE_S <= asyncio.get_running_loop().time():
            return [Lane.BULK, Lane.INTERACTIVE]
        return [Lane.INTERACTIVE, Lane.BULK]
