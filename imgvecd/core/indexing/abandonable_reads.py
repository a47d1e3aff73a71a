"""Reading files in a thread that is given up when a drive does not answer: nothing can end it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import UnreadableImageError
from imgvecd.types import FileRow

Result = bytes | OSError | UnreadableImageError
"""The hash of a file, or what went wrong."""

STALL_S = 30.0
"""A megabyte that takes longer is not on its way: the slowest drives and networks need a second."""


class Reading:
    """One thread that hashes files, one after the other.

    Thread-safety: the event loop's thread only.

    Args:
        files: with their paths; at least one.
        at_start: called in the thread, before it reads.
        opener: opens a file of the library by its path; see `FileOpener.open`.

    Attributes:
        results: of the files read so far, in their order.
    """

    def __init__(
        self,
        files: Sequence[tuple[FileRow, bytes]],
        at_start: Callable[[], None],
        opener: Callable[[bytes], int],
    ) -> None:
        self._files = files
        self._at_start = at_start
        self._opener = opener
        self._beaten_at = time.monotonic()
        self._given_up = False
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self.results: list[Result] = []
        # a daemon: the end of the process must not wait for a drive
        threading.Thread(target=self._run, name="read", daemon=True).start()

    @property
    def stuck_at(self) -> tuple[FileRow, bytes] | None:
        """The file, and its path, that the thread does not get past; None once it has ended."""
        ended = self._ended.done() or len(self.results) == len(self._files)
        return None if ended else self._files[len(self.results)]

    async def end(self) -> bool:
        """Return whether all files are read; False once the thread makes no progress."""
        try:
            while not self._ended.done():
                left_s = self._beaten_at + STALL_S - time.monotonic()
                if left_s <= 0:
                    return False
                await asyncio.wait([self._ended], timeout=left_s)
            return True
        finally:  # who waited is not there for what it still reads
            self._given_up = not self._ended.done()

    def call_when_ended(self, callback: Callable[[], None]) -> None:
        """Have it called once the drive has answered after all."""
        self._ended.add_done_callback(lambda _: callback())

    def _run(self) -> None:
        self._at_start()
        for file, path in self._files:
            try:
                result: Result = hash_file(path, file.stamp, self._beat, opener=self._opener)
            except (OSError, UnreadableImageError) as error:
                result = error
            if self._given_up:
                break
            self.results.append(result)
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _beat(self) -> None:
        self._beaten_at = time.monotonic()
