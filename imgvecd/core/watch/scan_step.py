"""The steps of reconciliation: take folders from the queue, look at them, commit what differs."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from imgvecd.core.watch.debounce import Debounce
from imgvecd.core.watch.disk_truth import below
from imgvecd.core.watch.file_diff import FileDiff, FolderState
from imgvecd.core.watch.folder_scanner import Absent, FolderScanner, Visit
from imgvecd.core.watch.identity import RootOfflineError
from imgvecd.core.watch.scan_queue import Phase, Scan, ScanQueue, Task
from imgvecd.core.watch.watched_root import WatchedRoot
from imgvecd.errors import CatalogError
from imgvecd.protocols import FileStore, Watcher
from imgvecd.types import FileChanges, FileRow, Stamp

logger = logging.getLogger(__name__)

STEP_FILES = 1000
"""A step commits after about so many files, so that reading begins while a scan goes on."""

STEP_S = 0.1
"""A step ends after about so long, so that live events need not wait for a scan."""


class ScanStep:
    """Looks and commits. One thread at a time.

    Attributes:
        roots: by id.
        seen: image files that scans have found so far.
        doubt: ticket of the first look that missed a name which somebody had written to, and nobody
            has seen: it may have been another name of any picture.
    """

    def __init__(
        self, store: FileStore, watcher: Watcher, scan_queue: ScanQueue, debounce: Debounce
    ) -> None:
        self.roots: dict[int, WatchedRoot] = {}
        self.seen = 0
        self.doubt: int | None = None
        self._store = store
        self._watcher = watcher
        self._scan_queue = scan_queue
        self._debounce = debounce
        self._folder_scanner = FolderScanner(store, watcher, scan_queue)
        self._file_diff = FileDiff(store.files_by_inode, self._stamp_of, debounce.wait_s)
        self._descriptors: dict[int, int] = {}

    def check_roots(self, accept: Collection[int] = ()) -> bool:
        """Look which roots and mounts are there, scan those that have come.

        Returns:
            whether anything came or went.

        Args:
            accept: ids of roots that are taken for themselves whatever folder is there.
        """
        changed = [self._check(root, accept=root.id in accept) for root in self.roots.values()]
        return any([*changed, *map(self._check_mounts_of, self.roots.values())])

    def drop_root(self, root_id: int) -> None:
        """Stop watching a root."""
        self._scan_queue.drop_root(root_id)
        self._folder_scanner.forget(self.roots.pop(root_id))

    def put_root(self, root: WatchedRoot) -> None:
        """Watch a root, in the place of the one with its id; the next check begins with it."""
        if root.id in self.roots:
            self._folder_scanner.forget(self.roots[root.id])
        self.roots[root.id] = root

    def check_mounts(self) -> None:
        """Look at every folder on which something was mounted, or no longer is."""
        before = self._folder_scanner.mounts
        self._folder_scanner.mounts = now = self._watcher.mount_points()
        for mount, root in itertools.product(before.keys() ^ now.keys(), self.roots.values()):
            if directory := below(mount, root.resolved(b"")):
                parent, _, name = directory.rpartition(b"/")
                self._scan_queue.add(root.id, parent, [name])
                self._scan_queue.add(root.id, directory, None)

    def look_for_unseen_links(self) -> None:
        """Scan everything for the sake of `doubt`, which is dispelled then."""
        for root in self.roots.values():
            if root.online:
                self._scan_queue.scan(root.id, ticket=self.doubt)
        self.doubt = None

    def step(self) -> bool | None:
        """Do some of what is in the queue; `ScanQueue.done` is the caller's.

        Returns:
            whether anything was committed; None if there was nothing to do.

        Raises:
            CatalogError: what was taken from the queue may not be committed; scan everything.
        """
        taken = self._scan_queue.take(STEP_FILES)
        if taken is None:
            return None
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_roots)
            phase, tasks = taken
            scan = self._scan_queue.current_scan()
            if phase is Phase.SCAN and scan is not None:
                return self._scan_on(scan)
            return self._work_off(phase, tasks)

    def _work_off(self, phase: Phase, tasks: Sequence[Task]) -> bool:
        folders: list[FolderState] = []
        committed = False
        ends_at = time.monotonic() + STEP_S
        for number, task in enumerate(tasks):
            if _files(folders) >= STEP_FILES or time.monotonic() > ends_at:
                self._scan_queue.put_back(phase, tasks[number:])
                break
            look = self._scan_folder(task, None, final=phase is Phase.FINAL)
            if isinstance(look, FolderState):
                folders.append(look)
                self._forget_absent(look, task.ticket)
            if phase is Phase.FINAL:
                committed |= self._finish_below(task, look)
                if task.root_id in self.roots:
                    self.roots[task.root_id].forget_known()
        return self._commit(folders, phase, min(task.ticket for task in tasks), None) or committed

    def _scan_on(self, scan: Scan) -> bool:
        if scan.unvisited is None:
            scan.unvisited = self._store.subdirectories(scan.root_id, scan.directory)
        folders: list[FolderState] = []
        ends_at = time.monotonic() + STEP_S
        while scan.stack and _files(folders) < STEP_FILES and time.monotonic() < ends_at:
            directory = scan.stack.pop()
            scan.unvisited.discard(directory)
            look = self._scan_folder(
                Task(scan.root_id, directory, None, scan.ticket), scan, final=False
            )
            if isinstance(look, FolderState):
                folders.append(look)
                self._forget_absent(look, scan.ticket)
                self.seen += len(look.listing.files)
        committed = self._commit(folders, Phase.SCAN, scan.ticket, scan)
        if not scan.stack:
            for directory, names in (*scan.missing, *((path, None) for path in scan.unvisited)):
                self._scan_queue.add_final(scan.root_id, directory, names, scan.ticket)
            self._scan_queue.end_scan(scan)
        return committed

    def _scan_folder(self, task: Task, scan: Scan | None, *, final: bool) -> FolderState | Absent:
        root = self.roots.get(task.root_id)
        if root is None:
            return Absent.KEPT
        if not root.online:
            return self._folder_scanner.look_offline(root, task)
        try:
            visit = Visit(root, self._descriptor(root), task, scan, final)
            look = self._folder_scanner.look(visit)
        except RootOfflineError:
            self._check(root)
            return Absent.KEPT
        if look in (Absent.GONE, Absent.LEFT_OUT):  # also if what happened there is told only now
            self._folder_scanner.dropped.append((root.id, task.directory))
        self._forget_dropped(task.ticket)
        return look

    def _commit(
        self, folders: Sequence[FolderState], phase: Phase, ticket: int, scan: Scan | None
    ) -> bool:
        plan = self._file_diff.compare(folders, final=phase is Phase.FINAL)
        if plan.changes:
            self._apply(plan.changes)
        for key, wait_s in plan.unsettled:
            self._scan_queue.add_later(key, wait_s, ticket)
        for (root_id, directory), rows in itertools.groupby(
            plan.missing, lambda row: (row.root_id, row.dir)
        ):
            names = {row.name for row in rows}
            if scan is not None:
                scan.missing.append((directory, names))
            else:
                self._scan_queue.add_final(root_id, directory, names, ticket)
        for row in plan.hard_links:
            # two names that are left out, and about to be removed, would be looked at by turns
            if not self._scan_queue.ends(row.root_id, row.dir, row.name):
                self._scan_queue.add(row.root_id, row.dir, [row.name], ticket)
        return bool(plan.changes)

    def _finish_below(self, task: Task, look: FolderState | Absent) -> bool:
        """Remove what the catalog knows below a folder that is not there any more."""
        if look is Absent.KEPT or task.names is not None:
            return False
        if isinstance(look, Absent):
            rows = self._store.iter_files(task.root_id, task.directory, recursive=True)
            if look is Absent.GONE:
                rows = self._not_away(self.roots[task.root_id], rows)
            return self._remove(rows, task.ticket)
        if look.away:
            return False
        tree = self.roots[task.root_id].tree
        for directory in self._store.subdirectories(task.root_id, task.directory):
            if directory not in tree:
                self._scan_queue.add_final(task.root_id, directory, None, task.ticket)
        return False

    def _not_away(self, root: WatchedRoot, rows: Iterator[FileRow]) -> Iterator[FileRow]:
        """Yield those that do not belong to a file system that was mounted below what is gone."""
        for directory, files in itertools.groupby(rows, lambda row: row.dir):
            if not root.mounts.holds(self._descriptor(root), root.lister, directory):
                yield from files

    def _remove(self, rows: Iterator[FileRow], ticket: int) -> bool:
        removed = False
        while batch := list(itertools.islice(rows, STEP_FILES)):
            self._apply(FileChanges(removed=tuple(row.id for row in batch)))
            for other in itertools.chain.from_iterable(
                self._store.files_by_inode(row.stamp.inode) for row in batch
            ):
                self._scan_queue.add(other.root_id, other.dir, [other.name], ticket)
            removed = True
        return removed

    def _apply(self, changes: FileChanges) -> None:
        clock = self._store.apply(changes)
        logger.info(
            "clock %d: %d new, %d changed, %d moved, %d linked, %d removed",
            clock,
            len(changes.added),
            len(changes.changed),
            len(changes.moved),
            len(changes.linked),
            len(changes.removed),
        )

    def _check(self, root: WatchedRoot, *, accept: bool = False) -> bool:
        before, first = root.row, not root.checked
        if not root.check(accept=accept):
            return False
        self._folder_scanner.forget(root)
        if root.row != before:
            try:
                self._store.update_root(root.row)
            except CatalogError:  # the next check finds the same again
                root.row, root.checked = before, False
                raise
        if root.online:
            logger.info("%s is online", os.fsdecode(root.row.path))
            self._watcher.watch_above(root.row.path)
            self._scan_queue.restart(root.id)
        else:
            self._scan_queue.drop_root(root.id)
            if first:  # what the settings leave out now is left out of what is away, too
                self._scan_queue.scan(root.id)
            shown = os.fsdecode(root.row.path)
            logger.warning("%s is offline: %s", shown, root.row.offline_reason)
        return root.row != before

    def _check_mounts_of(self, root: WatchedRoot) -> bool:
        if not root.online:
            return False
        try:
            descriptor = root.open()
        except RootOfflineError:
            return False  # gone this moment: the next look at the roots tells
        try:
            changed = root.mounts.check(descriptor, root.lister)
        finally:
            os.close(descriptor)
        for directory in changed:
            self._scan_queue.scan(root.id, directory)
        return bool(changed)

    def _descriptor(self, root: WatchedRoot) -> int:
        """Return a descriptor of the root's folder, kept open for the rest of the step.

        Raises:
            RootOfflineError: it is not there.
        """
        if root.id not in self._descriptors:
            self._descriptors[root.id] = root.open()
        return self._descriptors[root.id]

    def _close_roots(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _stamp_of(self, row: FileRow) -> Stamp | None:
        root = self.roots.get(row.root_id)
        if root is None or not root.online:
            raise FileNotFoundError(row.root_id)
        descriptor = self._descriptor(root)
        if root.mounts.holds(descriptor, root.lister, row.dir):
            raise FileNotFoundError(row.dir)  # it is away, not gone
        return root.stamp_of(descriptor, row)

    def _forget_absent(self, look: FolderState, ticket: int) -> None:
        listing = look.listing
        names: AbstractSet[bytes] | None = listing.names
        if names is None:
            names = self._debounce.written_in(look.root_id, listing.directory)
        gone = names - listing.files.keys() - listing.unknown
        known = look.rows.keys() | listing.omitted
        self._forget(look.root_id, listing.directory, gone, known, ticket)

    def _forget_dropped(self, ticket: int) -> None:
        """Do as for absent files for those in folders that have gone, whole."""
        dropped, self._folder_scanner.dropped = self._folder_scanner.dropped, []
        for root_id, directory in dropped:
            if names := self._debounce.written_in(root_id, directory):
                rows = self._store.files_named(root_id, directory, names)
                self._forget(root_id, directory, names, {row.name for row in rows}, ticket)

    def _forget(
        self,
        root_id: int,
        directory: bytes,
        gone: Iterable[bytes],
        known: AbstractSet[bytes],
        ticket: int,
    ) -> None:
        for name in gone:
            written = self._debounce.forget((root_id, directory, name))
            if written and name not in known:
                self.doubt = min(ticket, self.doubt or ticket)


def _files(folders: Sequence[FolderState]) -> int:
    return sum(len(look.listing.files) for look in folders)
