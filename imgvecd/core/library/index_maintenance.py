"""Keeps the index in step with the catalog, rebuilt when it pays, and checkpointed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import DISK_ERRORS, DISK_LONGEST_S, Retrying
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)


class MaintainedIndex(Protocol):
    """What keeping asks of an index; every method blocks and may be called from any thread."""

    @property
    def needs_rebuild(self) -> bool:
        """Whether a new generation would pay."""
        ...

    @property
    def needs_checkpoint(self) -> bool:
        """Whether enough has changed since the last checkpoint to write one at once."""
        ...

    @property
    def dirty(self) -> bool:
        """Whether anything has changed since the last checkpoint."""
        ...

    def catch_up(self) -> None:
        """Take in what has changed in the catalog."""
        ...

    def rebuild(self) -> None:
        """Build a new generation from the catalog and put it in the old one's place."""
        ...

    def checkpoint(self) -> int:
        """Write what changed to disk; return the number of bytes."""
        ...


class IndexMaintenance:
    """Sleeps until woken; then catches up, and sees to rebuilds and checkpoints.

    Args:
        interval_s: longest time that a change stays without a checkpoint.
        on_idle: called each time the index has caught up (in the event loop).

    Attributes:
        busy: whether the catalog has changes that the index has not.
    """

    def __init__(
        self, index: MaintainedIndex, *, interval_s: float, on_idle: Callable[[], None]
    ) -> None:
        self._index = index
        self._interval_s = interval_s
        self._on_idle = on_idle
        self._wake = asyncio.Event()
        self._catching_up = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self._rebuilds = Retrying(DISK_ERRORS, longest_s=DISK_LONGEST_S)
        self._checkpoints = Retrying(DISK_ERRORS, longest_s=DISK_LONGEST_S)
        self._writing = asyncio.Lock()
        self._rebuild: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self.busy = True

    @property
    def error(self) -> str | None:
        """Why the index on disk falls behind; None when all is well."""
        return self._catching_up.error or self._rebuilds.error or self._checkpoints.error

    @property
    def rebuilding(self) -> bool:
        """Whether a new generation is being built."""
        return self._rebuild is not None and not self._rebuild.done()

    def wake(self) -> None:
        """The catalog has changed."""
        self.busy = True
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._catching_up.call(BULK.run, self._index.catch_up)
                self.busy = self._wake.is_set()
                self._on_idle()
                self._look_after()
        finally:
            for task in (self._rebuild, self._timer):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    async def rebuild(self) -> None:
        """Build a new generation now and write it; joins one that is under way."""
        if not self.rebuilding:
            self._rebuild = asyncio.create_task(self._rebuild_and_write())
        assert self._rebuild is not None  # noqa: S101  # just made
        await asyncio.shield(self._rebuild)

    async def checkpoint(self) -> int:
        """Write a checkpoint now; return the number of bytes written.

        Raises:
            OSError, CatalogError: the disk is full or failing; the last good checkpoint is still
                there.
        """
        async with self._writing:
            return await BULK.run(self._index.checkpoint)

    def _look_after(self) -> None:
        if self._index.needs_rebuild and not self.rebuilding:
            self._rebuild = asyncio.create_task(self._rebuild_and_write())
        elif self._index.dirty and (self._timer is None or self._timer.done()):
            self._timer = asyncio.create_task(self._checkpoint_in_time())

    async def _rebuild_and_write(self) -> None:
        await self._rebuilds.call(BULK.run, self._index.rebuild)
        await self._checkpoints.call(self.checkpoint)

    async def _checkpoint_in_time(self) -> None:
        # polled only while changes wait for it, which bounds both their age and their number
        step_s = min(1.0, self._interval_s)
        waited_s = 0.0
        while waited_s < self._interval_s and not self._index.needs_checkpoint:
            await asyncio.sleep(step_s)
            waited_s += step_s
        written = await self._checkpoints.call(self.checkpoint)
        logger.info("checkpoint: %d bytes", written)
