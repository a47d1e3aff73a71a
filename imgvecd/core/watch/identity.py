"""Whether the folder at a root's path is still that root: opening, recognising, judging.

While a root is online, its folder is the one with the recorded inode on the recorded file system.
If another one lies there, or the root was offline, the folder is taken for the root when at least
half of a sample of the known files lie in it (plugged in again, a restored backup, a new disk), or
when it holds images on the very file system of before (deleted and made again). Any other folder,
and any without images, leaves the root offline with everything kept, until the user asks for just
that root to be scanned.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass

from imgvecd.core.watch.listing import Lister
from imgvecd.types import FileRow, MountRow, RootRow

SAMPLE = 100
"""Known files that are looked for when the folder may be another one."""

SAMPLE_FOLDERS = 1000
"""Folders that are searched for an image then; more would make every look at it slow."""


class RootOfflineError(Exception):
    """The root is not there; the message says why."""


@dataclass(frozen=True, slots=True)
class FolderIdentity:
    """What tells one folder from another, as in `RootRow`."""

    device: int
    inode: int
    filesystem_id: str | None

    @classmethod
    def of(cls, descriptor: int) -> FolderIdentity:
        """Return the identity of an open folder."""
        status = os.fstat(descriptor)
        filesystem_id = os.fstatvfs(descriptor).f_fsid
        return cls(status.st_dev, status.st_ino, f"{filesystem_id:x}" if filesystem_id else None)

    def is_of(self, row: RootRow | MountRow) -> bool:
        """Return whether this is the folder that the catalog knows."""
        return self.inode == row.inode and self.same_filesystem(row)

    def same_filesystem(self, row: RootRow | MountRow) -> bool:
        """Return whether the folder lies on the file system that the catalog knows."""
        if self.filesystem_id is not None and row.filesystem_id is not None:
            return self.filesystem_id == row.filesystem_id
        return self.device == row.device


def open_folder(path: bytes, above: int | None = None) -> int:
    """Return a descriptor of a root's folder, or of one below it.

    Args:
        above: descriptor of the folder that `path` is relative to.

    Raises:
        RootOfflineError: it is missing, not a folder, or unreadable.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above)
    except FileNotFoundError:
        raise RootOfflineError("the folder is missing") from None
    except NotADirectoryError:
        raise RootOfflineError("there is a file in the folder's place") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RootOfflineError(f"the folder cannot be read: {reason}") from error


def check_replacement(
    descriptor: int,
    identity: FolderIdentity,
    row: RootRow | MountRow,
    known: Iterable[FileRow],
    lister: Lister,
) -> None:
    """Return if a folder may take the place of a root, or of a mount, though it is another one.

    Args:
        descriptor: of the root's folder.
        identity: of the folder in question.
        known: the files that were in it.

    Raises:
        RootOfflineError: it may not.
    """
    sample = list(itertools.islice(known, SAMPLE))
    if not sample:
        return
    present = sum(_is_there(descriptor, file, lister) for file in sample)
    if 2 * present >= len(sample):
        return
    start = row.dir if isinstance(row, MountRow) else b""
    if not any(lister.walk(descriptor, start, most_folders=SAMPLE_FOLDERS)):
        raise RootOfflineError("the folder holds no images, where known files were")
    if not identity.same_filesystem(row):
        raise RootOfflineError("a folder of another file system lies where known files were")


def _is_there(descriptor: int, file: FileRow, lister: Lister) -> bool:
    try:
        status = lister.stat(descriptor, file.relative)
    except OSError:
        return False
    return status.st_size == file.stamp.size_bytes
