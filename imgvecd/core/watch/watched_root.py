"""One watched root: where it is, what belongs to it, and whether it is there."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.folder_tree import Tree
from imgvecd.core.watch.identity import (
    FolderIdentity,
    RootOfflineError,
    mount_point_above,
    names_a_slot,
    open_folder,
)
from imgvecd.core.watch.listing import Lister, is_gone
from imgvecd.core.watch.mounts import Mounts
from imgvecd.core.watch.replacement import Candidate, KnownFiles, check_replacement
from imgvecd.types import Coverage, FileRow, RootRow, Stamp

Result = TypeVar("Result")


class WatchedRoot:
    """A root as the reconciling thread sees it; that thread alone may change it.

    Attributes:
        lister: lists its folders under the settings that it is watched by.
        polled: no events are asked for.
        row: identity and online state, as the catalog has them.
        mounts: the file systems mounted below it.
        tree: the folders seen since it came online.
        unread: folders that could not be read, and are not in the tree: to be looked at again.
    """

    def __init__(
        self, row: RootRow, lister: Lister, mounts: Mounts, known: KnownFiles, calls: DiskCalls
    ) -> None:
        self.row = row
        self._known = known
        self._calls = calls
        self.unread: set[bytes] = set()
        self.polled = lister.rules.polled
        self.lister = lister
        self.mounts = mounts
        self.tree = Tree()
        self.checked = False
        self._identity: FolderIdentity | None = None
        self._resolved = row.path

    @property
    def id(self) -> int:
        """The root's id in the catalog."""
        return self.row.id

    @property
    def online(self) -> bool:
        """Whether the folder was there when last looked at."""
        return self.checked and self.row.online

    def absolute(self, directory: bytes) -> bytes:
        """Return the absolute path of a folder of this root."""
        return os.path.join(self.row.path, directory) if directory else self.row.path

    def resolved(self, directory: bytes) -> bytes:
        """Return the absolute path of a folder without the links that led to the root."""
        return os.path.join(self._resolved, directory) if directory else self._resolved

    def open(self) -> int:
        """Return a descriptor of the root's folder, to be closed by the caller.

        Raises:
            RootOfflineError: it is not there, or it is another one than before.
        """
        descriptor = self._open_folder()
        if FolderIdentity.of(descriptor) != self._identity:
            os.close(descriptor)
            raise RootOfflineError("another folder lies in the root's place")
        return descriptor

    def stamp_of(self, root: int, row: FileRow) -> Stamp | None:
        """Return the stamp of what lies at a file's path, None if nothing does.

        Args:
            root: descriptor of the root's folder.

        Raises:
            OSError: it cannot be known.
        """
        try:
            status = self.lister.stat(root, row.relative)
        except OSError as error:
            if is_gone(error):
                return None
            raise
        return Stamp.of(status)

    def forget_known(self) -> None:
        """Note that files were removed from the catalog: what is in doubt is asked anew."""
        self._known.forget()
        self.mounts.forget_known()

    def check(self, *, accept: bool) -> bool:
        """Look whether the root is there; return whether its row or its folder has changed.

        Args:
            accept: take whatever folder is there for the root.
        """
        before = (self.row, self._identity, self.checked)
        self.checked = True
        try:
            descriptor = self._open_folder()
            try:
                self._admit(descriptor, accept=accept)
            finally:
                os.close(descriptor)
        except RootOfflineError as error:
            self.set_offline(str(error))
        return before != (self.row, self._identity, self.checked)

    def asked(self, directory: bytes, work: Callable[[], Result]) -> Result:
        """Return what asking the disk about a folder returns; OSError if it does not answer."""
        return self._calls.call(self.row.path, self.absolute(directory), work)

    def _open_folder(self) -> int:
        path = self.row.path
        try:
            return self._calls.call(path, path, partial(_searchable, path), os.close)
        except OSError as error:
            raise RootOfflineError(error.strerror or str(error)) from error

    def set_offline(self, reason: str) -> None:
        """Note that the root is not there; the time of the first notice stays."""
        since_ns = self.row.offline_since_ns or time.time_ns()
        self._identity = None
        self.row = dataclasses.replace(self.row, offline_since_ns=since_ns, offline_reason=reason)

    def watching(self) -> str:
        """Return how changes are noticed: "events", "poll", "mixed", or "none" while offline."""
        if not self.online:
            return "none"
        heard = self.tree.count(Coverage.EVENTS)
        if heard == len(self.tree):
            return "events"
        return "mixed" if heard else "poll"

    def _admit(self, descriptor: int, *, accept: bool) -> None:
        self._resolved = os.path.realpath(self.row.path)
        identity = FolderIdentity.of(descriptor)
        if identity == self._identity and self.row.online:
            return
        points = self.mounts.points()
        mount_point = mount_point_above(self._resolved, points)
        if self.row.inode is not None and not accept:
            self._recognise(descriptor, identity, mount_point, points)
        self._known.forget()
        self._identity = identity
        self.row = dataclasses.replace(
            self.row,
            device=identity.device,
            inode=identity.inode,
            filesystem_id=identity.filesystem_id,
            offline_since_ns=None,
            offline_reason=None,
            mount_point=mount_point,
        )

    def _recognise(
        self,
        descriptor: int,
        identity: FolderIdentity,
        mount_point: bytes | None,
        points: Mapping[bytes, str],
    ) -> None:
        """Return if the folder is the recorded one, or may take its place.

        Raises:
            RootOfflineError: it is not, or may not.
        """
        slot = mount_point is not None and names_a_slot(points[mount_point])
        same, before = identity.is_of(self.row), self.row.mount_point
        if same and self.row.online and not slot:
            return
        gone = bool(points) and not same and before is not None and before not in points
        is_mount = mount_point == self._resolved
        candidate = Candidate(descriptor, identity, is_mount, slot, before if gone else None)
        check_replacement(candidate, self.row, self._known, self.lister)


def _searchable(path: bytes) -> int:
    """Open a root's folder, and make sure that what is in it may be looked at."""
    descriptor = open_folder(path)
    try:
        os.stat(b".", dir_fd=descriptor)
        os.fstatvfs(descriptor)  # which is asked for later, and hangs first on a drive that is gone
    except OSError as error:
        os.close(descriptor)
        raise RootOfflineError("the folder may not be searched") from error
    return descriptor
