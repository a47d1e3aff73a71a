"""What to scan next: hints coalesced into folders and names, in bounded memory.

Everything in the queue carries a ticket, a number that grows with time. Work that follows from a
look keeps the look's ticket, so "all that was known at ticket n is done" can be asked.
"""

from __future__ import annotations

import enum
import heapq
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from imgvecd.core.files.formats import is_watched_name
from imgvecd.core.watch.debounce import FileKey

FolderKey = tuple[int, bytes]
"""(root id, folder)."""

MAX_NAMES = 1000
"""More names than that in one folder are not remembered one by one: the folder is listed."""

GRACE_S = 0.05
"""A file that is missing may be on its way to another name; its event follows within microseconds,
and is read within a few milliseconds."""


class Phase(enum.Enum):
    """How a look is meant.

    SOON: something may have changed.
    FINAL: what is missing now is gone.
    SCAN: part of a scan, which goes into every folder below.
    """

    SOON = enum.auto()
    FINAL = enum.auto()
    SCAN = enum.auto()


@dataclass(slots=True)
class Task:
    """A folder to look at, and the names in it; None for all."""

    root_id: int
    directory: bytes
    names: set[bytes] | None
    ticket: int


@dataclass(slots=True)
class Scan:
    """A walk through a folder and everything below it, a few folders at a time.

    Attributes:
        stack: folders still to be listed.
        unvisited: folders with known files that the walk has not met; None before it has begun.
        missing: files not found where they were; they may turn up later in the walk.
    """

    root_id: int
    directory: bytes
    ticket: int
    stack: list[bytes]
    unvisited: set[bytes] | None = None
    missing: list[tuple[bytes, set[bytes] | None]] = field(default_factory=list)


class ScanQueue:
    """The work that is waiting. Thread-safe.

    Args:
        wake: called, on whatever thread, when there is something new to do.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.RLock()
        self._last_ticket = 0
        self._soon: dict[FolderKey, Task] = {}
        self._final: dict[FolderKey, Task] = {}
        self._final_due = 0.0
        self._later: dict[FileKey, tuple[float, int]] = {}
        self._timetable: list[
            tuple[float, FileKey]
        ] = []  # a heap; entries not in _later have lapsed
        self._scans: list[Scan] = []
        self._taken: list[Task] = []
        self._in_step = False

    def add(
        self,
        root_id: int,
        directory: bytes,
        names: Iterable[bytes] | None,
        ticket: int | None = None,
    ) -> None:
        """Have a folder, or some names in it, looked at soon."""
        with self._lock:
            self._merge(self._soon, root_id, directory, names, ticket)
        self._wake()

    def add_later(self, key: FileKey, wait_s: float, ticket: int | None = None) -> None:
        """Have a file looked at once `wait_s` seconds have passed, or earlier if planned."""
        due = time.monotonic() + wait_s
        with self._lock:
            planned = self._later.get(key)
            if planned is not None and due >= planned[0]:
                self._later[key] = planned[0], min(planned[1], ticket or planned[1])
                return
            tickets = [ticket or self._next_ticket(), *(planned[1:] if planned else ())]
            self._later[key] = due, min(tickets)
            heapq.heappush(self._timetable, (due, key))
        self._wake()

    def add_final(
        self, root_id: int, directory: bytes, names: Iterable[bytes] | None, ticket: int
    ) -> None:
        """Have missing files looked at for the last time, when nothing else is to be looked at."""
        with self._lock:
            self._merge(self._final, root_id, directory, names, ticket)
            self._final_due = time.monotonic() + GRACE_S
        self._wake()

    def ends(self, root_id: int, directory: bytes, name: bytes) -> bool:
        """Return whether a file is missing and waits to be looked at for the last time."""
        with self._lock:
            task = self._final.get((root_id, directory))
            return task is not None and (task.names is None or name in task.names)

    def scan(self, root_id: int, directory: bytes = b"", ticket: int | None = None) -> None:
        """Have a folder and everything below it looked at."""
        with self._lock:
            for scan in self._scans:
                begun = scan.unvisited is not None
                if not begun and (scan.root_id, scan.directory) == (root_id, directory):
                    scan.ticket = min(scan.ticket, ticket or scan.ticket)
                    break
            else:
                ticket = ticket or self._next_ticket()
                self._scans.append(Scan(root_id, directory, ticket, [directory]))
        self._wake()

    def ticket(self) -> int:
        """Return a ticket later than all that is in the queue now."""
        with self._lock:
            return self._next_ticket()

    def reached(self, ticket: int) -> bool:
        """Return whether everything up to `ticket` is done."""
        with self._lock:
            waiting = [task.ticket for task in (*self._soon.values(), *self._final.values())]
            waiting += [scan.ticket for scan in self._scans]
            waiting += [task.ticket for task in self._taken]
            waiting += [later for _, later in self._later.values()]
            return all(ticket < other for other in waiting)

    def take(self, most: int) -> tuple[Phase, list[Task]] | None:
        """Return the next tasks, at most about `most` of them; None if nothing is due.

        Call `done` once they are committed, and whoever goes on with them was told.
        """
        with self._lock:
            self._promote()
            for phase, waiting in ((Phase.SOON, self._soon), (Phase.FINAL, self._final)):
                if waiting and (phase is Phase.SOON or time.monotonic() >= self._final_due):
                    self._taken = [waiting.pop(key) for key in list(waiting)[:most]]
                    self._in_step = True
                    return phase, list(self._taken)
            self._in_step = bool(self._scans)
            return (Phase.SCAN, []) if self._scans else None

    def current_scan(self) -> Scan | None:
        """Return the scan whose turn it is."""
        with self._lock:
            return self._scans[0] if self._scans else None

    def end_scan(self, scan: Scan) -> None:
        """Strike a finished scan."""
        with self._lock:
            if scan in self._scans:
                self._scans.remove(scan)

    def drop_root(self, root_id: int) -> None:
        """Strike everything about a root."""
        with self._lock:
            for waiting in (self._soon, self._final):
                for key in [key for key in waiting if key[0] == root_id]:
                    del waiting[key]
            self._scans = [scan for scan in self._scans if scan.root_id != root_id]
            for file in [file for file in self._later if file[0] == root_id]:
                del self._later[file]

    def restart(self, root_id: int) -> None:
        """Scan a root instead of all that is in the queue about it, as urgently as that was."""
        with self._lock:
            owed = [
                task.ticket
                for task in (*self._soon.values(), *self._final.values())
                if task.root_id == root_id
            ]
            owed += [scan.ticket for scan in self._scans if scan.root_id == root_id]
            owed += [ticket for key, (_, ticket) in self._later.items() if key[0] == root_id]
            self.drop_root(root_id)
            ticket = min(owed, default=0) or self._next_ticket()
            self._scans.append(Scan(root_id, b"", ticket, [b""]))
        self._wake()

    def put_back(self, phase: Phase, tasks: Iterable[Task]) -> None:
        """Return tasks that were taken and not done."""
        with self._lock:
            into = self._soon if phase is Phase.SOON else self._final
            for task in tasks:
                self._merge(into, task.root_id, task.directory, task.names, task.ticket)

    def done(self) -> None:
        """Note that what was taken last is committed, and told."""
        with self._lock:
            self._taken = []
            self._in_step = False

    def next_due_s(self) -> float | None:
        """Return in how many seconds there is something to take; None if nothing is waiting."""
        with self._lock:
            if self._soon or self._scans:
                return 0
            due = [self._timetable[0][0]] if self._timetable else []
            due += [self._final_due] if self._final else []
            return max(0.0, min(due) - time.monotonic()) if due else None

    @property
    def scanning(self) -> bool:
        """Whether a scan waits or runs."""
        return bool(self._scans)

    @property
    def behind(self) -> bool:
        """Whether something waits or is being looked at, files that have to rest first included.

        Not so those with other names than pictures have: a log beside them may be written all day.
        """
        with self._lock:
            if self._soon or self._final or self._scans or self._in_step:
                return True
            return any(is_watched_name(os.fsdecode(name)) for _, _, name in self._later)

    def _next_ticket(self) -> int:
        self._last_ticket += 1
        return self._last_ticket

    def _merge(
        self,
        into: dict[FolderKey, Task],
        root_id: int,
        directory: bytes,
        names: Iterable[bytes] | None,
        ticket: int | None,
    ) -> None:
        task = into.get((root_id, directory))
        if task is None:
            task = Task(root_id, directory, set(), ticket or self._next_ticket())
            into[root_id, directory] = task
        elif ticket is not None:
            task.ticket = min(task.ticket, ticket)
        if names is None:
            task.names = None
        elif task.names is not None:
            for name in names:
                task.names.add(name)
                self._supersede_later(task, name)
            if len(task.names) > MAX_NAMES:
                task.names = None

    def _supersede_later(self, task: Task, name: bytes) -> None:
        planned = self._later.pop((task.root_id, task.directory, name), None)
        if planned is not None:
            task.ticket = min(task.ticket, planned[1])

    def _promote(self) -> None:
        now = time.monotonic()
        while self._timetable and self._timetable[0][0] <= now:
            due, key = heapq.heappop(self._timetable)
            planned = self._later.get(key)
            if planned is not None and planned[0] == due:
                del self._later[key]
                root_id, directory, name = key
                self._merge(self._soon, root_id, directory, [name], planned[1])
