"""When a file that is being written has come to rest and may be read."""

from __future__ import annotations

import enum
import math
import os
import threading
import time

from imgvecd.core.files.formats import is_read_name
from imgvecd.types import Stamp

FileKey = tuple[int, bytes, bytes]
"""(root id, folder, name) of a file."""

CLOSED_QUIET_S = 0.08
"""A closed file must rest so long: programs that write a file in several goes pause for less."""

OPEN_FACTOR = 10
"""A writer that pauses with the file open is waited for so many times longer than `settle_ms`; one
that saves the file over and over is waited for no longer."""

COARSE_S = 2.0
"""FAT counts time in steps of 2 s, ext3 and others of 1 s: within a step, a second write of as many
bytes leaves no trace in the stamp. Such clocks are known by whole seconds."""

MAX_FILES = 100_000
"""Beyond so many (some 20 MB) the memory is dropped; what is known from the stamps then decides."""

MAX_RECENT = 1000
"""So many files that came to rest lately are remembered; forgetting one costs one reading."""


class _Writer(enum.Enum):
    OPEN = enum.auto()
    CLOSED = enum.auto()


class Debounce:
    """Remembers who writes what. `written` and `closed` may be called from any thread."""

    def __init__(self, settle_ms: int) -> None:
        self.settle_s = settle_ms / 1000
        self._lock = threading.Lock()
        self._writers: dict[FileKey, _Writer] = {}
        self._names: dict[tuple[int, bytes], set[bytes]] = {}  # of `_writers`, by their folders
        self._first_seen: dict[FileKey, tuple[Stamp, float]] = {}
        self._recent: dict[FileKey, float] = {}
        self._saved_since: dict[FileKey, float] = {}

    def written(self, key: FileKey) -> None:
        """Note that somebody is writing to the file."""
        self._note(key, _Writer.OPEN)

    def closed(self, key: FileKey) -> None:
        """Note that the writer has closed the file, or that it came in one piece."""
        self._note(key, _Writer.CLOSED)

    def wait_s(self, key: FileKey, stamp: Stamp) -> float:
        """Return how much longer to wait before reading the file; 0 once it is at rest.

        Nobody waits for what is never read: a film may be recorded for hours.
        """
        if not is_read_name(os.fsdecode(key[2])):
            self.forget(key)
            return 0
        wait_s = self._needed_s(key, stamp) - self._unchanged_s(key, stamp)
        if wait_s <= 0 or self._is_saved_repeatedly(key):
            if key in self._writers:
                self._note_settled(key)
            self.forget(key)
            return 0
        return wait_s

    def forget(self, key: FileKey) -> bool:
        """Drop what is remembered of a file that has come to rest or is gone.

        Returns: whether somebody wrote to it.
        """
        self._first_seen.pop(key, None)
        self._saved_since.pop(key, None)
        with self._lock:
            written = self._writers.pop(key, None) is not None
            folder = key[:2]
            if written and folder in self._names:
                self._names[folder].discard(key[2])
                if not self._names[folder]:
                    del self._names[folder]
        return written

    def written_in(self, root_id: int, directory: bytes) -> set[bytes]:
        """Return the names in a folder that somebody wrote to and that have not come to rest."""
        with self._lock:
            return set(self._names.get((root_id, directory), ()))

    def _is_saved_repeatedly(self, key: FileKey) -> bool:
        if self._writers.get(key) is not _Writer.CLOSED:
            return False
        now = time.monotonic()
        if len(self._saved_since) >= MAX_FILES:
            self._saved_since.clear()
        return now - self._saved_since.setdefault(key, now) >= self.settle_s * OPEN_FACTOR

    def _note(self, key: FileKey, writer: _Writer) -> None:
        with self._lock:
            if len(self._writers) >= MAX_FILES:
                self._writers.clear()
                self._names.clear()
            self._writers[key] = writer
            self._names.setdefault(key[:2], set()).add(key[2])

    def _note_settled(self, key: FileKey) -> None:
        now = time.monotonic()
        if len(self._recent) >= MAX_RECENT:
            since = now - 2 * self.settle_s
            self._recent = {key: at for key, at in self._recent.items() if at > since}
        if len(self._recent) < MAX_RECENT:
            self._recent[key] = now

    def _needed_s(self, key: FileKey, stamp: Stamp) -> float:
        coarse = stamp.ctime_ns % 1_000_000_000 == 0
        return max(self._quiet_s(key), COARSE_S if coarse else 0)

    def _quiet_s(self, key: FileKey) -> float:
        writer = self._writers.get(key)
        if writer is _Writer.CLOSED:
            # Saved again so soon, it may well be saved a third time.
            if time.monotonic() - self._recent.get(key, -math.inf) < 2 * self.settle_s:
                return self.settle_s
            return min(CLOSED_QUIET_S, self.settle_s)
        return self.settle_s * OPEN_FACTOR if writer is _Writer.OPEN else self.settle_s

    def _unchanged_s(self, key: FileKey, stamp: Stamp) -> float:
        by_clock_s = (time.time_ns() - stamp.ctime_ns) / 1e9
        if by_clock_s >= 0:
            return by_clock_s
        # The file system's clock is ahead of ours (a server's, or ours was set back): use our own.
        now = time.monotonic()
        if len(self._first_seen) >= MAX_FILES:
            self._first_seen.clear()
        seen, since = self._first_seen.setdefault(key, (stamp, now))
        if seen != stamp:
            self._first_seen[key] = (stamp, now)
            return 0
        return now - since
