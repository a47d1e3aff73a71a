"""Reads the metadata of images again that an older version has read, while nothing else waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import DISK_LONGEST_S, Retrying
from imgvecd.errors import CatalogError, UnreadableImageError, WorkerError
from imgvecd.protocols import Decoder, RereadQueue
from imgvecd.types import FileRow, ImageInfo, PreprocessSpec

logger = logging.getLogger(__name__)

_BATCH = 32  # images committed together: enough that commits cost little
# No pixels are wanted: formats that can be decoded at a reduced scale are.
_SMALLEST = PreprocessSpec(8, (0.5,) * 3, (0.5,) * 3)
_LATER = {"changed", "unreadable", "timeout", "memory"}  # it says nothing about the bytes


class Rereader:
    """One image at a time, whenever the library rests. For one event loop.

    Args:
        idle: returns once nothing else is to be done.
        gate: the gate in front of every decode.
        path_of: absolute path of a file.
        on_recorded: called after each batch (in the event loop).

    Attributes:
        waiting: how many images are still to be read again.
    """

    def __init__(
        self,
        queue: RereadQueue,
        decoder: Decoder,
        *,
        idle: Callable[[], Awaitable[None]],
        gate: IndexingGate,
        path_of: Callable[[FileRow], bytes],
        on_recorded: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._decoder = decoder
        self._idle = idle
        self._gate = gate
        self._path_of = path_of
        self._on_recorded = on_recorded
        self._wake = asyncio.Event()
        self._put_off: set[int] = set()  # until something changes
        self._disk = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self._decodes = Retrying(WorkerError)
        self.waiting = 0

    def wake(self) -> None:
        """The catalog's files have changed: what could not be read may be there now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled, or until nothing is left."""
        self.waiting = await self._disk.call(BULK.run, self._queue.fill)
        if self.waiting:
            logger.info("the metadata of %d images is read again", self.waiting)
        while self.waiting:
            self._wake.clear()
            await self._idle()
            todo = await self._disk.call(
                BULK.run, self._queue.contents_to_reread, _BATCH, self._put_off
            )
            if todo:
                await self._reread(todo)
            else:
                await self._wake.wait()
                self._put_off.clear()
            self.waiting = await self._disk.call(BULK.run, self._queue.waiting)

    async def _reread(self, todo: list[tuple[int, FileRow]]) -> None:
        read: list[tuple[int, ImageInfo | None]] = []
        for content_id, file in todo:
            await self._idle()
            await self._gate.over()
            decode = self._decoder.decode
            path = self._path_of(file)
            try:
                image = await self._decodes.call(decode, path, file.stamp, _SMALLEST)
            except UnreadableImageError as error:
                if error.reason in _LATER:
                    self._put_off.add(content_id)
                else:  # what it said when it could be read stays
                    read.append((content_id, None))
            else:
                read.append((content_id, image.info))
        if read:
            await self._disk.call(BULK.run, self._queue.record, read)
            self._on_recorded()
