"""Stage one: pending files are read and hashed, and become (files of) contents.

Sidecars are read, too, and what they say is laid over what the image's file says.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from imgvecd.core.files.formats import is_companion_name, is_sidecar_name
from imgvecd.core.indexing.abandonable_reads import Reading
from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import DISK_LONGEST_S, Retrying
from imgvecd.errors import PASSING_ERRNOS, CatalogError, UnreadableImageError, WorkerError
from imgvecd.protocols import Decoder, WorkQueue
from imgvecd.types import Facts, FileRow

logger = logging.getLogger(__name__)

_BATCH = 32  # files hashed and committed together: enough that commits cost little
_THREADS = 2  # reading at the same time: disks and networks like a little, and no more
_MOST_STUCK = 4  # readings that hang in one root, before the rest of it is left alone
_NOT_NOW = UnreadableImageError("changed", "its drive does not answer")

_Outcome = tuple[FileRow, bytes | Facts | OSError | UnreadableImageError | None]
"""A file, and its hash; what a sidecar says; what went wrong; or None: nothing is to be read."""


class Reader:
    """Hashes what waits, the latest change first, whenever it is woken.

    Args:
        path_of: absolute path of a file.
        opener: opens a file of the library by its path; see `FileOpener.open`.
        room: returns once reading may go on: later stages have little enough to do.
        at_start: called in each thread that reads, before it does.
        on_linked: called after contents were linked (in the event loop).
        on_stale: called with files that are not on disk as the catalog has them.
        on_idle: called when nothing is left to read.

    Attributes:
        busy: whether anything that can be read is not yet.
    """

    def __init__(
        self,
        work: WorkQueue,
        decoder: Decoder,
        *,
        path_of: Callable[[FileRow], bytes],
        opener: Callable[[bytes], int],
        room: Callable[[], Awaitable[None]],
        at_start: Callable[[], None],
        on_linked: Callable[[], None],
        on_stale: Callable[[list[FileRow]], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._work = work
        self._decoder = decoder
        self._path_of = path_of
        self._opener = opener
        self._room = room
        self._at_start = at_start
        self._on_linked = on_linked
        self._on_stale = on_stale
        self._on_idle = on_idle
        self._wake = asyncio.Event()
        self._stale: dict[int, FileRow] = {}  # as they were when they were doubted
        self._queue_reads = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self._commits = Retrying(CatalogError, longest_s=DISK_LONGEST_S)
        self._sidecars = Retrying(WorkerError)
        self._stuck: list[Reading] = []  # given up, and still not ended
        self.busy = True

    @property
    def error(self) -> str | None:
        """Why nothing is being read; None when all is well."""
        troubles = (self._commits, self._queue_reads, self._sidecars)
        errors = (trouble.error for trouble in troubles)
        return next(filter(None, errors), None) or self._stall()

    def wake(self) -> None:
        """Look at the queue again; files in doubt get another chance."""
        self.busy = True
        self._stale.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            while await self._read_some():
                logger.debug("read a batch of files")
            self.busy = self._wake.is_set()
            self._on_idle()
            await self._wake.wait()

    async def _read_some(self) -> bool:
        if not await self._next_files():
            return False
        await self._room()
        files = await self._next_files()  # anew: that may have taken hours
        images = [file for file in files if not is_companion_name(os.fsdecode(file.name))]
        parts = (images[i::_THREADS] for i in range(_THREADS))
        outcomes = await asyncio.gather(
            *(self._hash(part) for part in parts),
            self._read_companions([file for file in files if file not in images]),
        )
        await self._record([outcome for part in outcomes for outcome in part])
        return True

    async def _next_files(self) -> list[FileRow]:
        limit = _BATCH + len(self._stale)
        waiting = await self._queue_reads.call(BULK.run, self._work.pending_files, limit)
        # a file that moved while it was on its way was looked for in the wrong place: no doubt
        return [file for file in waiting if self._stale.get(file.id) != file][:_BATCH]

    async def _read_companions(self, files: list[FileRow]) -> list[_Outcome]:
        return list(await asyncio.gather(*map(self._read_companion, files)))

    async def _read_companion(self, file: FileRow) -> _Outcome:
        if not is_sidecar_name(os.fsdecode(file.name)):
            return file, None
        path = self._path_of(file)
        try:
            facts = await self._sidecars.call(self._decoder.read_sidecar, path, file.stamp)
        except UnreadableImageError as error:
            return file, error
        return file, facts

    async def _hash(self, files: list[FileRow]) -> list[_Outcome]:
        """Hash them one after the other; a drive that does not answer keeps its own files waiting.

        They are in doubt until it does.
        """
        outcomes: list[_Outcome] = []
        while files:
            answering = [file for file in files if not self._is_stuck(file)]
            outcomes += [(file, _NOT_NOW) for file in files if file not in answering]
            if not answering:
                break
            places = [(file, self._path_of(file)) for file in answering]
            reading = Reading(places, self._at_start, self._opener)
            whole = await reading.end()
            done = len(reading.results)
            outcomes += zip(answering, reading.results, strict=False)
            files = answering[done:]
            if not whole and files:
                outcomes.append((files[0], _NOT_NOW))
                files = files[1:]
                self._stuck.append(reading)
                reading.call_when_ended(self.wake)
                logger.error("a drive does not answer; what else there is to read goes on")
        return outcomes

    def _is_stuck(self, file: FileRow) -> bool:
        """Return whether a reading hangs at the file, or as many as may at others of its root."""
        self._stuck = [reading for reading in self._stuck if reading.stuck_at is not None]
        hanging = [place[0] for reading in self._stuck if (place := reading.stuck_at)]
        in_root = sum(other.root_id == file.root_id for other in hanging)
        return in_root >= _MOST_STUCK or any(other.id == file.id for other in hanging)

    def _stall(self) -> str | None:
        """Return what hangs, for a person."""
        for reading in self._stuck:
            if place := reading.stuck_at:
                path = os.fsdecode(place[1])
                return f"{path}: its drive does not answer; what else there is to read goes on"
        return None

    async def _record(self, outcomes: list[_Outcome]) -> None:
        read = [(file, result) for file, result in outcomes if isinstance(result, bytes)]
        companions = [(file, facts) for file, facts in outcomes if isinstance(facts, dict | None)]
        stale = [file for file, result in outcomes if _is_stale(result)]
        failed = [
            (file, *_reason(result))
            for file, result in outcomes
            if isinstance(result, OSError | UnreadableImageError) and not _is_stale(result)
        ]
        if read:
            await self._commits.call(BULK.run, self._work.link_contents, read)
        if companions:
            await self._commits.call(BULK.run, self._work.keep_companions, companions)
        if failed:
            await self._commits.call(BULK.run, self._work.fail_files, failed)
            logger.warning("%d files cannot be read: %s", len(failed), failed[0][2])
        if stale:
            self._stale.update({file.id: file for file in stale})
            self._on_stale([file for file, result in outcomes if _is_change(result)])
        if read or companions or failed:
            self._on_linked()


def _is_stale(result: object) -> bool:
    if isinstance(result, UnreadableImageError):
        return result.reason == "changed"
    return isinstance(result, OSError) and result.errno in PASSING_ERRNOS


def _is_change(result: object) -> bool:
    """Return whether looking at the file again may tell more."""
    return _is_stale(result) and result is not _NOT_NOW


def _reason(error: OSError | UnreadableImageError) -> tuple[str, str]:
    if isinstance(error, UnreadableImageError):
        return error.reason, str(error)
    return "unreadable", error.strerror or str(error)
