"""Wakes everyone who waits for it, and nobody twice."""

from __future__ import annotations

import asyncio


class Broadcast:
    """For one event loop.

    Attributes:
        count: how often it has notified. Who notes it before looking misses nothing while looking.
    """

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake who waits."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seen: int, timeout_s: float | None = None) -> bool:
        """Return True once it has notified more than `seen` times, or False after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.count <= seen:
                    await self._event.wait()
        except TimeoutError:
            return False
        return True
