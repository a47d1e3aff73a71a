"""Between SQLite rows and the values of `imgvecd.types`."""

from __future__ import annotations

import sqlite3
from typing import Any

from imgvecd.types import FileRow, MountRow, RootRow, Stamp

Row = tuple[Any, ...]

FILE_COLUMNS = (
    "files.id, files.root_id, files.dir, files.name, files.size_bytes, files.mtime_ns,"
    " files.inode, files.ctime_ns, files.content_id, files.pending, files.failure"
)
ROOT_COLUMNS = (
    "id, path, device, inode, filesystem_id, offline_since_ns, offline_reason, mount_point"
)

MOUNT_COLUMNS = "root_id, dir, device, inode, filesystem_id, offline_since_ns, offline_reason"


def file_row(row: Row) -> FileRow:
    """Return the file in a row of `FILE_COLUMNS`."""
    identity, root_id, directory, name, size, mtime, inode, ctime, content, pending, failure = row
    stamp = Stamp(size, mtime, signed_to_inode(inode), ctime)
    return FileRow(identity, root_id, directory, name, stamp, content, bool(pending), failure)


def root_row(row: Row) -> RootRow:
    """Return the root in a row of `ROOT_COLUMNS`."""
    identity, path, device, inode, *rest = row
    inode = None if inode is None else signed_to_inode(inode)
    return RootRow(identity, path, device, inode, *rest)


def mount_row(row: Row) -> MountRow:
    """Return the mount in a row of `MOUNT_COLUMNS`."""
    root_id, directory, device, inode, *rest = row
    return MountRow(root_id, directory, device, signed_to_inode(inode), *rest)


def inode_to_signed(inode: int) -> int:
    """Return the 64-bit inode number as SQLite's signed integer (some file systems use bit 63)."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def signed_to_inode(value: int) -> int:
    """Return the inode number that `inode_to_signed` made `value` from."""
    return value + (1 << 64) if value < 0 else value


def stamp_values(stamp: Stamp) -> tuple[int, int, int, int]:
    """Return size, mtime, inode, ctime as columns."""
    return stamp.size_bytes, stamp.mtime_ns, inode_to_signed(stamp.inode), stamp.ctime_ns


def get_meta(connection: sqlite3.Connection, key: str) -> Any:  # noqa: ANN401  # as stored
    """Return one value of the meta table."""
    ((value,),) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchall()
    return value


def find_meta(connection: sqlite3.Connection, key: str) -> Any | None:  # noqa: ANN401  # as stored
    """Return one value of the meta table; None if it is not there."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
