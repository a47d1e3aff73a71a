"""The file systems mounted below one root: absent ones keep their files, as absent roots do."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.identity import (
    FolderIdentity,
    RootOfflineError,
    names_a_slot,
    open_folder,
)
from imgvecd.core.watch.listing import Lister
from imgvecd.core.watch.replacement import SAMPLE, Candidate, KnownFiles, check_replacement
from imgvecd.protocols import FileStore
from imgvecd.types import MountRow

logger = logging.getLogger(__name__)


class MountTable(Protocol):
    """Says where something is mounted."""

    def mount_points(self) -> Mapping[bytes, str]:
        """Return the type of the file system on each mount point, by absolute path.

        Empty where the system tells none.
        """
        ...


class Mounts:
    """What the catalog remembers of the mounts below one root. One thread at a time.

    Args:
        path: the root's absolute path.
    """

    def __init__(
        self, store: FileStore, table: MountTable, root_id: int, path: bytes, calls: DiskCalls
    ) -> None:
        self._calls = calls
        self._store = store
        self._table = table
        self._root_id = root_id
        self._path = path
        self._rows = {row.dir: row for row in store.mounts(root_id)}
        self._recognised: set[bytes] = set()  # mounts that are surely those of their rows
        self._known: dict[bytes, KnownFiles] = {}  # of mounts that are in doubt
        self._news: set[bytes] = set()  # mounts that have come or gone, by whomever that was seen

    def points(self) -> Mapping[bytes, str]:
        """Return the type of the file system on each mount point, wherever; empty if unknown."""
        return self._table.mount_points()

    def away(self) -> list[MountRow]:
        """Return those that are not there. Any thread may ask."""
        return [row for row in tuple(self._rows.values()) if not row.online]

    def is_mount(self, directory: bytes, device: int, device_above: int) -> bool:
        """Return whether something is mounted on a folder.

        Args:
            device: that the folder lies on.
            device_above: that the folder above it lies on.
        """
        points = self.points()
        if not points:
            return device != device_above
        return self._resolved(directory) in points

    def note(self, root: int, directory: bytes) -> list[bytes]:
        """Remember that something is mounted on a folder; return where it was mounted before.

        Args:
            root: descriptor of the root's folder.
        """
        if directory in self._rows:
            return []
        try:
            identity = self._identity(root, directory)
        except RootOfflineError:
            return []  # gone again: there is nothing to remember yet
        left = self._left_for(directory, identity)
        for before in left:
            self._drop(before)
        self._put_recognised(directory, identity)
        return left

    def _left_for(self, directory: bytes, identity: FolderIdentity) -> list[bytes]:
        """Return where that was mounted, and is no more, which is mounted on a folder now."""
        points = self.points()
        if self._names_a_slot(directory) or not points:
            return []
        return [
            row.dir
            for row in self._rows.values()
            if identity.is_of(row) and self._resolved(row.dir) not in points
        ]

    def forget_known(self) -> None:
        """Note that files were removed from the catalog."""
        self._known.clear()

    def forget(self, directory: bytes) -> None:
        """Take folders at or below `directory` as they are, mounted or not."""
        prefix = directory + b"/" if directory else b""
        for mount in [m for m in self._rows if m == directory or m.startswith(prefix)]:
            self._drop(mount)

    def check(self, root: int, lister: Lister) -> list[bytes]:
        """Look at every mount; return those that have come or gone since the last call.

        Args:
            root: descriptor of the root's folder.
        """
        for directory in list(self._rows):
            self._check(root, lister, directory)
        news, self._news = self._news, set()
        return sorted(news)

    def holds(self, root: int, lister: Lister, directory: bytes) -> bool:
        """Return whether a folder belongs to a file system that is not mounted at the moment."""
        above = [m for m in self._rows if directory == m or directory.startswith(m + b"/")]
        for mount in above:
            self._check(root, lister, mount)
        return any(mount in self._rows and not self._rows[mount].online for mount in above)

    def _check(self, root: int, lister: Lister, directory: bytes) -> None:
        """Look whether the mount is there now, and note if that is news."""
        row = self._rows[directory]
        if lister.rules.path(directory):
            self._drop(directory)  # whatever it holds does not belong to the library
            return
        try:
            identity = self._identity(root, directory)
            if row.online and identity.is_of(row) and self._is_certain(directory):
                return
            self._require_mount(directory, identity.device, os.fstat(root).st_dev)
            slot = self._names_a_slot(directory)
            candidate = Candidate(root, identity, is_mount=True, names_a_slot=slot)
            check_replacement(candidate, row, self._known_files(directory), lister)
        except RootOfflineError as error:
            self._set_offline(row, str(error))
            return
        self._put_recognised(directory, identity)
        self._news.add(directory)
        logger.info("a file system below %s is online", os.fsdecode(self._path))

    def _is_certain(self, directory: bytes) -> bool:
        """Return whether what has the identity of a mount is that mount."""
        if directory not in self._recognised and not self._names_a_slot(directory):
            self._recognised.add(directory)
        return directory in self._recognised

    def _names_a_slot(self, directory: bytes) -> bool:
        return names_a_slot(self.points().get(self._resolved(directory), ""))

    def _known_files(self, directory: bytes) -> KnownFiles:
        draw = partial(self._store.sample_files, self._root_id, directory, SAMPLE)
        return self._known.setdefault(directory, KnownFiles(draw))

    def _resolved(self, directory: bytes) -> bytes:
        return os.path.realpath(os.path.join(self._path, directory))

    def _identity(self, root: int, directory: bytes) -> FolderIdentity:
        place = os.path.join(self._path, directory)
        try:
            return self._calls.call(self._path, place, partial(_identity, root, directory))
        except OSError as error:
            raise RootOfflineError(error.strerror or str(error)) from error

    def _require_mount(self, directory: bytes, device: int, device_above: int) -> None:
        if not self.is_mount(directory, device, device_above):
            raise RootOfflineError("nothing is mounted there")

    def _set_offline(self, row: MountRow, reason: str) -> None:
        self._recognised.discard(row.dir)
        if not row.online and row.offline_reason == reason:
            return
        known = self._store.iter_files(self._root_id, row.dir, recursive=True)
        if next(known, None) is None:
            self._drop(row.dir)  # it leaves nothing to be kept
            return
        since_ns = row.offline_since_ns or time.time_ns()
        self._put(dataclasses.replace(row, offline_since_ns=since_ns, offline_reason=reason))
        shown = os.fsdecode(self._path)
        logger.warning("a file system below %s is offline: %s", shown, reason)
        self._news.add(row.dir)

    def _put_recognised(self, directory: bytes, identity: FolderIdentity) -> None:
        self._recognised.add(directory)
        self._known.pop(directory, None)
        self._put(MountRow(self._root_id, directory, **dataclasses.asdict(identity)))

    def _put(self, row: MountRow) -> None:
        self._rows[row.dir] = row
        self._store.put_mount(row)

    def _drop(self, directory: bytes) -> None:
        del self._rows[directory]
        self._recognised.discard(directory)
        self._known.pop(directory, None)
        self._store.drop_mount(self._root_id, directory)


def _identity(root: int, directory: bytes) -> FolderIdentity:
    descriptor = open_folder(directory, root)
    try:
        return FolderIdentity.of(descriptor)
    finally:
        os.close(descriptor)
