"""Reads images once more while nothing else waits: metadata that an older version read, texts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import DISK_ERRORS, DISK_LONGEST_S, Retrying
from imgvecd.errors import UnreadableImageError, WorkerError
from imgvecd.protocols import Decoder, IdleQueue, TextRecogniser
from imgvecd.types import FileRow, ImageInfo, PreprocessSpec

logger = logging.getLogger(__name__)

Found = TypeVar("Found")

_BATCH = 32  # images committed together: enough that commits cost little
# No pixels are wanted: formats that can be decoded at a reduced scale are.
_SMALLEST = PreprocessSpec(8, (0.5,) * 3, (0.5,) * 3)
FILES_FAULT = frozenset({"changed", "unreadable"})
"""Reasons of failures that say nothing about the bytes."""
MACHINES_FAULT = FILES_FAULT | {"timeout", "memory"}
"""The same, and those that may be due to what else the machine does."""


class IdleReader(Generic[Found]):
    """One image at a time, whenever the library rests. For one event loop.

    Args:
        what: is read, for the log.
        read: what is wanted of a file.
        later: reasons of failures that may pass; after others an image is not tried again.
        idle: returns once nothing else is to be done.
        gate: the gate in front of every read.
        on_recorded: called after each batch (in the event loop).

    Attributes:
        waiting: how many images are still to be read.
    """

    def __init__(
        self,
        what: str,
        queue: IdleQueue[Found],
        read: Callable[[FileRow], Awaitable[Found]],
        *,
        later: frozenset[str],
        idle: Callable[[], Awaitable[None]],
        gate: IndexingGate,
        on_recorded: Callable[[], None],
    ) -> None:
        self._what = what
        self._queue = queue
        self._read_file = read
        self._later = later
        self._idle = idle
        self._gate = gate
        self._on_recorded = on_recorded
        self._wake = asyncio.Event()
        self._put_off: set[int] = set()  # until something changes
        self._disk = Retrying(DISK_ERRORS, longest_s=DISK_LONGEST_S)
        self._reads = Retrying(WorkerError)
        self.waiting = 0

    @property
    def error(self) -> str | None:
        """What keeps it from going on; None when all is well."""
        return self._reads.error

    def wake(self) -> None:
        """The library has changed: there may be more, or what could not be read may be there."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        self.waiting = await self._disk.call(BULK.run, self._queue.fill)
        if self.waiting:
            logger.info("%s of %d images is read", self._what, self.waiting)
        while True:
            self._wake.clear()
            await self._idle()
            todo = await self._disk.call(
                BULK.run, self._queue.contents_to_read, _BATCH, self._put_off
            )
            if todo:
                await self._read(todo)
            else:
                await self._wake.wait()
                self._put_off.clear()
            self.waiting = await self._disk.call(BULK.run, self._queue.waiting)

    async def _read(self, todo: list[tuple[int, FileRow]]) -> None:
        read: list[tuple[int, Found | None]] = []
        for content_id, file in todo:
            await self._idle()
            await self._gate.over()
            try:
                read.append((content_id, await self._reads.call(self._read_file, file)))
            except UnreadableImageError as error:
                if error.reason in self._later:
                    self._put_off.add(content_id)
                else:  # what it said when it could be read stays
                    read.append((content_id, None))
        if read:
            await self._disk.call(BULK.run, self._queue.record, read)
            self._on_recorded()


def read_metadata(
    decoder: Decoder, path_of: Callable[[FileRow], bytes]
) -> Callable[[FileRow], Awaitable[ImageInfo]]:
    """Return what reads a file's metadata."""

    async def read(file: FileRow) -> ImageInfo:
        return (await decoder.decode(path_of(file), file.stamp, _SMALLEST)).info

    return read


def read_text(
    decoder: Decoder, recogniser: TextRecogniser, path_of: Callable[[FileRow], bytes]
) -> Callable[[FileRow], Awaitable[str]]:
    """Return what reads the text in a file's picture."""

    async def read(file: FileRow) -> str:
        pixels = await decoder.pixels(path_of(file), file.stamp, recogniser.longest)
        return await recogniser.read(pixels)

    return read
