"""A look at one folder: watch it, list it, remember its subfolders, say where to look next."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial

from imgvecd.core.files.beneath import Links
from imgvecd.core.watch.file_diff import FolderState
from imgvecd.core.watch.folder_tree import Folder, Identity
from imgvecd.core.watch.listing import Listing, is_gone
from imgvecd.core.watch.scan_queue import Scan, ScanQueue, Task
from imgvecd.core.watch.watched_root import WatchedRoot
from imgvecd.protocols import FileStore, Watcher
from imgvecd.types import Coverage, FileRow, join

_MOST_UNREAD = 10_000  # folders of a root that are looked at again until they can be read


class Absent(enum.Enum):
    """Why there is nothing to compare.

    GONE: there is no such folder any more.
    LEFT_OUT: it does not belong to the library, nor does what lies below it.
    KEPT: it cannot be looked at now; its files stay as they are.
    """

    GONE = enum.auto()
    LEFT_OUT = enum.auto()
    KEPT = enum.auto()


@dataclass(frozen=True, slots=True)
class Visit:
    """A scan to make.

    Attributes:
        descriptor: of the root's folder.
        scan: the scan that this look is part of, if it is.
        final: what is missing now is gone.
    """

    root: WatchedRoot
    descriptor: int
    task: Task
    scan: Scan | None
    final: bool


class FolderScanner:
    """Looks at folders, one thread at a time.

    Attributes:
        dropped: folders (root id, path) that are no longer watched, for the caller to take.
    """

    def __init__(self, store: FileStore, watcher: Watcher, scan_queue: ScanQueue) -> None:
        self.dropped: list[tuple[int, bytes]] = []
        self._store = store
        self._watcher = watcher
        self._scan_queue = scan_queue
        self.mounts = watcher.mount_points()

    def look(self, visit: Visit) -> FolderState | Absent:
        """Return what is in the folder, on disk and in the catalog."""
        root, directory = visit.root, visit.task.directory
        above = root.tree.lineage(directory.rpartition(b"/")[0]) if directory else ()
        if root.lister.rules.path(directory) or any(folder.left_out for folder in above):
            self._lose(visit, directory)
            return Absent.LEFT_OUT
        if root.mounts.holds(visit.descriptor, root.lister, directory):
            return self._as_known(root, visit.task)
        root.unread.discard(directory)
        try:
            return self._list_names(visit) or self._list_all(visit)
        except OSError as error:
            if is_gone(error) and not root.lister.leads_away(visit.descriptor, directory):
                self._lose(visit, directory)
                return Absent.GONE
            if directory in root.tree:
                root.tree.cover(directory, Coverage.UNAVAILABLE)
            elif len(root.unread) < _MOST_UNREAD:
                root.unread.add(directory)
            return Absent.KEPT

    def look_offline(self, root: WatchedRoot, task: Task) -> FolderState | Absent:
        """Return what the settings say of a folder that is away with its root."""
        if root.lister.rules.path(task.directory):
            return Absent.LEFT_OUT
        return self._as_known(root, task)

    def forget(self, root: WatchedRoot) -> None:
        """Stop watching a root and forget its folders."""
        self._drop(root, b"")

    def _as_known(self, root: WatchedRoot, task: Task) -> FolderState:
        """Return a folder that is away: its files are there, less those that are left out."""
        rows = self._rows(root, task.directory, task.names)
        rules = root.lister.rules
        listing = Listing(task.directory, None, (0, 0))
        listing.unknown = {
            name
            for name, row in rows.items()
            if not (rules.file(row.dir, name) or rules.size(name, row.stamp.size_bytes))
        }
        return FolderState(root.id, listing, rows, away=True)

    def _rows(
        self, root: WatchedRoot, directory: bytes, names: Collection[bytes] | None
    ) -> dict[bytes, FileRow]:
        found: Iterable[FileRow]
        if names is None:
            found = self._store.iter_files(root.id, directory, recursive=False)
        else:
            found = self._store.files_named(root.id, directory, names)
        return {row.name: row for row in found}

    def _list_names(self, visit: Visit) -> FolderState | None:
        """Look at some names only; None if the whole folder must be looked at."""
        root, task = visit.root, visit.task
        folder = root.tree.get(task.directory)
        if task.names is None or folder is None or folder.left_out:
            return None
        listing = root.lister.list_names(visit.descriptor, task.directory, task.names)
        if listing.identity != folder.identity:
            return None
        self._follow_up(visit, listing, folder.children & task.names)
        return FolderState(root.id, listing, self._rows(root, task.directory, task.names))

    def _list_all(self, visit: Visit) -> FolderState | Absent:
        root, directory = visit.root, visit.task.directory
        parent = root.tree.get(directory.rpartition(b"/")[0]) if directory else None
        coverage = self._watch(root, directory)  # before listing, so that nothing falls in between
        listing = root.lister.list_all(visit.descriptor, directory)
        if directory and parent is None:
            # A folder belongs to the library if its parent says so; ask there first.
            self._watcher.forget(root.absolute(directory))
            self._scan_queue.add(root.id, directory.rpartition(b"/")[0], None, visit.task.ticket)
            return Absent.KEPT
        if directory and directory not in root.tree and visit.scan is None:
            self._ask_below(visit)
        folder = root.tree.put(directory, listing.identity)
        root.tree.cover(directory, coverage)
        folder.left_out = listing.left_out
        if parent is not None and self._is_mount(root, directory, parent, listing.identity):
            for before in root.mounts.note(visit.descriptor, directory):
                self._scan_queue.scan(root.id, before)
        self._follow_up(visit, listing, set(folder.children))
        return FolderState(root.id, listing, self._rows(root, directory, None))

    def _follow_up(self, visit: Visit, listing: Listing, expected: set[bytes]) -> None:
        """Go into folders that are new or other ones, and note those that are missing."""
        root, directory = visit.root, listing.directory
        for name, identity in listing.folders.items():
            child = join(directory, name)
            known = root.tree.get(child)
            if root.lister.rules.links is not Links.NONE and self._is_cycle(
                root, directory, identity
            ):
                continue
            if known is not None and known.identity != identity:
                self._drop(root, child)
                self._miss(visit, child)
                known = None
            if visit.scan is not None:
                visit.scan.stack.append(child)
            elif known is None:
                self._scan_queue.add(root.id, child, None, visit.task.ticket)
        for name in expected - listing.folders.keys() - listing.unknown:
            child = join(directory, name)
            self._drop(root, child)
            self._miss(visit, child)

    def _ask_below(self, visit: Visit) -> None:
        """Have known folders below a new one looked at: it may not be the one that they were in.

        That one may have been lost when nobody could look. A scan, as each root begins with, does
        so by itself.
        """
        root, task = visit.root, visit.task
        for known in self._store.subdirectories(root.id, task.directory):
            self._scan_queue.add_final(root.id, known, None, task.ticket)

    def _lose(self, visit: Visit, directory: bytes) -> None:
        self._drop(visit.root, directory)
        if not visit.final:
            self._miss(visit, directory)

    def _miss(self, visit: Visit, directory: bytes) -> None:
        if visit.scan is not None:
            visit.scan.missing.append((directory, None))
        else:
            self._scan_queue.add_final(visit.root.id, directory, None, visit.task.ticket)

    def _drop(self, root: WatchedRoot, directory: bytes) -> None:
        for path in root.tree.remove(directory):
            self._watcher.forget(root.absolute(path))
            self.dropped.append((root.id, path))

    def _watch(self, root: WatchedRoot, directory: bytes) -> Coverage:
        if root.polled:
            return Coverage.FILESYSTEM
        path = root.absolute(directory)
        return root.asked(directory, partial(self._watcher.watch, path))

    def _is_mount(
        self, root: WatchedRoot, directory: bytes, parent: Folder, identity: Identity
    ) -> bool:
        here, above = identity[0], parent.identity[0]
        suspected = here != above or root.resolved(directory) in self.mounts
        return suspected and root.mounts.is_mount(directory, here, above)

    @staticmethod
    def _is_cycle(root: WatchedRoot, directory: bytes, identity: Identity) -> bool:
        return any(folder.identity == identity for folder in root.tree.lineage(directory))
