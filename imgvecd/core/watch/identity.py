"""What tells a root's folder from another one, and opening it.

While a root is online, its folder is the one with the recorded inode on the recorded file system.
Whether another one may take its place is asked in `replacement`.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from imgvecd.types import MountRow, RootRow

_NAMES_A_SLOT = frozenset(
    {"vfat", "msdos", "exfat", "iso9660", "udf", "hfs", "hfsplus", "fuseblk"}
)  # fmt: skip
"""File systems whose id and inode numbers are those of any disk in the same slot."""


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


def names_a_slot(filesystem: str) -> bool:
    """Return whether a file system of this type tells a slot from others, not a disk."""
    return filesystem in _NAMES_A_SLOT


def mount_point_above(path: bytes, points: Collection[bytes]) -> bytes | None:
    """Return the mount point that a path without links lies on; None if none is known."""
    while path not in points:
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above
    return path
