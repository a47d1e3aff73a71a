"""Compares what is on disk with the catalog: what is new, changed, renamed, moved or deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from imgvecd.core.files.formats import is_same_kind
from imgvecd.core.watch.debounce import FileKey
from imgvecd.core.watch.listing import Listing
from imgvecd.types import FileChanges, FileMove, FileRow, FoundFile, Stamp


@dataclass(frozen=True, slots=True)
class FolderState:
    """One look at a folder: the disk's side and the catalog's side.

    Attributes:
        rows: by name; of the whole folder, or of the names that were looked for.
        away: the folder's disk is not there; what is in it is as it was known.
    """

    root_id: int
    listing: Listing
    rows: dict[bytes, FileRow]
    away: bool = False


@dataclass(slots=True)
class Differences:
    """What some looks mean.

    Attributes:
        unsettled: files to look at again, and in how many seconds.
        missing: files that were not found where they were, nor elsewhere yet; also those whose
            name another known file has taken, which waits with them.
        hard_links: other names of files that changed or lost a name; no event may have told of
            them.
    """

    changes: FileChanges
    unsettled: list[tuple[FileKey, float]] = field(default_factory=list)
    missing: list[FileRow] = field(default_factory=list)
    hard_links: list[FileRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file on disk that is not the one of its path's row, if there is a row."""

    folder: FolderState
    name: bytes
    stamp: Stamp
    links: int
    row: FileRow | None

    @property
    def key(self) -> FileKey:
        return self.folder.root_id, self.folder.listing.directory, self.name


class FileDiff:
    """Makes plans, reading nothing but through what it is given.

    Args:
        by_inode: the catalog's files with an inode number.
        stamp_of: the stamp of what now lies at a file's path, None if nothing does.
            Raises OSError if that cannot be known.
        wait_s: how much longer a file must rest before it may be read.
    """

    def __init__(
        self,
        by_inode: Callable[[int], list[FileRow]],
        stamp_of: Callable[[FileRow], Stamp | None],
        wait_s: Callable[[FileKey, Stamp], float],
    ) -> None:
        self.by_inode = by_inode
        self.stamp_of = stamp_of
        self.wait_s = wait_s

    def compare(self, folders: Sequence[FolderState], *, final: bool) -> Differences:
        """Return what the looks mean, taken together.

        Args:
            final: files that are missing are gone, not perhaps on their way.
        """
        return _Comparison(self).run(folders, final=final)


class _Comparison:
    """One plan in the making."""

    def __init__(self, sources: FileDiff) -> None:
        self._sources = sources
        self._altered: list[tuple[_Found, FileRow]] = []
        self._new: list[_Found] = []
        self._added: list[tuple[int, bytes, FoundFile]] = []
        self._linked: list[tuple[int, bytes, FoundFile, int]] = []
        self._changed: list[tuple[int, Stamp]] = []
        self._moved: dict[int, FileMove] = {}
        self._reread: dict[int, Stamp] = {}
        self._removed: list[int] = []
        self._links: list[tuple[_Found, int]] = []
        self._displaced: list[tuple[int, FileRow]] = []  # (who moves in, who was there)
        self._swapped: set[FileKey] = set()
        self._differences = Differences(FileChanges())

    def run(self, folders: Sequence[FolderState], *, final: bool) -> Differences:
        for folder in folders:
            self._sort_out(folder)
        # Who moved where must be known of all before any file is called new, changed or gone.
        unknown = [found for found in self._new if not self._is_known_elsewhere(found)]
        self._displace(final=final)
        for found, content_id in self._links:
            self._link(found, content_id, final=final)
        for found in unknown:
            self._add(found)
        for found, row in self._altered:
            self._change(found, row)
        for folder in folders:
            self._differences.missing.extend(self._missing(folder))
            for inode in folder.listing.linked:
                self._differences.hard_links.extend(self._sources.by_inode(inode))
        if final:
            for row in self._differences.missing:
                self._remove(row)
            self._differences.missing = []
        self._differences.changes = FileChanges(
            tuple(self._added),
            tuple(self._linked),
            (*self._changed, *self._reread.items()),
            tuple(self._moved.values()),
            tuple(file_id for file_id in self._removed if file_id not in self._moved),
        )
        return self._differences

    def _sort_out(self, folder: FolderState) -> None:
        for name, status in folder.listing.files.items():
            row = folder.rows.get(name)
            if row is not None and row.stamp.inode == status.st_ino:
                if not _untouched(row.stamp, status):
                    self._altered.append((_found(folder, name, status, row), row))
            else:
                self._new.append(_found(folder, name, status, row))

    def _is_known_elsewhere(self, found: _Found) -> bool:
        """Plan a move or a link if the file is known under another name; return whether it is.

        A link must have the known ctime as well: making one moves the ctime, and so does a write
        that restores the mtime, so both names are read again unless nothing happened at all.
        """
        if found.key in self._swapped:
            return True
        known = [
            row
            for row in self._sources.by_inode(found.stamp.inode)
            if row.stamp.same_bytes(found.stamp)
            and row.id not in self._moved
            and is_same_kind(os.fsdecode(row.name), os.fsdecode(found.name))
        ]
        link: int | None = None
        for row in known:
            try:
                there = self._sources.stamp_of(row)
            except OSError:
                continue
            if there is None or there.inode != found.stamp.inode or _recased(row, found):
                self._move(row, found, there)
                return True
            if row.content_id is not None and not row.pending and row.stamp == found.stamp:
                link = row.content_id
        if link is not None:
            self._links.append((found, link))
        return link is not None

    def _move(self, row: FileRow, found: _Found, there: Stamp | None) -> None:
        self._put(row, found.key, found.stamp)
        displaced = found.row
        if displaced is None:
            return
        if there is not None and _swapped(displaced, there) and displaced.id not in self._moved:
            old_key = row.root_id, row.dir, row.name
            self._swapped.add(old_key)
            self._put(displaced, old_key, there)
        else:
            self._displaced.append((row.id, displaced))

    def _put(self, row: FileRow, key: FileKey, stamp: Stamp) -> None:
        """Note that a file is at another place now.

        Where its folder was moved, its ctime tells that nobody wrote to it. Its own rename moves
        the ctime, which may hide a write that restored the mtime: it is read again, and keeps its
        content meanwhile.
        """
        self._moved[row.id] = FileMove(row.id, *key, stamp)
        if row.stamp != stamp:
            self._reread[row.id] = stamp
            self._recheck_hard_links(row)

    def _displace(self, *, final: bool) -> None:
        """Remove those whose names were taken; if they may still turn up, undo what took them."""
        displaced = [(mover, row) for mover, row in self._displaced if row.id not in self._moved]
        if final:
            for _, row in displaced:
                self._remove(row)
            return
        while displaced:
            for mover, row in displaced:
                del self._moved[mover]
                self._reread.pop(mover, None)
                self._differences.missing.append(row)
                self._displaced.remove((mover, row))
            displaced = [
                (mover, row) for mover, row in self._displaced if row.id not in self._moved
            ]

    def _link(self, found: _Found, content_id: int, *, final: bool) -> None:
        if found.row is not None and found.row.id not in self._moved:
            if not final:
                self._differences.missing.append(found.row)
                return
            self._remove(found.row)
        root_id, directory, name = found.key
        self._linked.append((root_id, directory, FoundFile(name, found.stamp), content_id))

    def _add(self, found: _Found) -> None:
        if self._unsettled(found):
            return
        root_id, directory, name = found.key
        if found.row is None or found.row.id in self._moved:
            self._added.append((root_id, directory, FoundFile(name, found.stamp)))
        else:
            self._changed.append((found.row.id, found.stamp))
            self._recheck_hard_links(found.row)  # of the file that was there before
        if found.links > 1:  # who wrote through this name told nobody of the others
            others = self._sources.by_inode(found.stamp.inode)
            self._differences.hard_links.extend(row for row in others if row.stamp != found.stamp)

    def _remove(self, row: FileRow) -> None:
        self._removed.append(row.id)
        self._recheck_hard_links(row)

    def _recheck_hard_links(self, row: FileRow) -> None:
        """Have them looked at: who wrote through a name that is gone told nobody of the others."""
        others = self._sources.by_inode(row.stamp.inode)
        self._differences.hard_links.extend(other for other in others if other.id != row.id)

    def _change(self, found: _Found, row: FileRow) -> None:
        if self._unsettled(found):
            return
        self._changed.append((row.id, found.stamp))
        if found.links > 1:
            self._recheck_hard_links(row)

    def _unsettled(self, found: _Found) -> bool:
        wait_s = self._sources.wait_s(found.key, found.stamp)
        if wait_s > 0:
            self._differences.unsettled.append((found.key, wait_s))
        return wait_s > 0

    def _missing(self, folder: FolderState) -> Iterable[FileRow]:
        listing = folder.listing
        for name, row in folder.rows.items():
            found = name in listing.files or name in listing.unknown
            if not found and row.id not in self._moved:
                yield row


def _found(folder: FolderState, name: bytes, status: os.stat_result, row: FileRow | None) -> _Found:
    return _Found(folder, name, Stamp.of(status), status.st_nlink, row)


def _untouched(stamp: Stamp, status: os.stat_result) -> bool:
    return (
        stamp.mtime_ns == status.st_mtime_ns
        and stamp.size_bytes == status.st_size
        and stamp.ctime_ns == status.st_ctime_ns
    )


def _swapped(displaced: FileRow, there: Stamp) -> bool:
    """Return whether the displaced file lies where the one that took its name came from."""
    return displaced.stamp.same_bytes(there)


def _recased(row: FileRow, found: _Found) -> bool:
    """Return whether a file system that ignores case shows the same file under both names."""
    root_id, directory, name = found.key
    same_key = (row.root_id, row.dir, row.name.lower()) == (root_id, directory, name.lower())
    return same_key and found.links == 1
