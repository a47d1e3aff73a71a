"""Roots and files: implements `FileStore`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence

from imgvecd.catalog.files import companions, liveness
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import (
    FILE_COLUMNS,
    MOUNT_COLUMNS,
    ROOT_COLUMNS,
    Row,
    file_row,
    inode_to_signed,
    mount_row,
    root_row,
    stamp_values,
)
from imgvecd.types import FileChanges, FileMove, FileRow, FoundFile, MountRow, RootRow, Stamp

_SELECT_FILES = f"SELECT {FILE_COLUMNS} FROM files"
_DROPPED = "it is not in the configuration any more"
_IDENTITY = (
    "device", "inode", "filesystem_id", "offline_since_ns", "offline_reason", "mount_point",
)  # fmt: skip


class Files:
    """The catalog's view of the disk. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_roots(self, paths: Sequence[bytes]) -> list[RootRow]:
        """Make `paths` the roots: keep known ones, add new ones, drop the others.

        What is dropped is offline at once; `remove_dropped` removes its files. The embeddings of
        its files stay, so that a root that comes back is not encoded again.
        """
        by_path = {root.path: root for root in self.roots()}
        if by_path.keys() != set(paths):
            with self._database.write() as (connection, _):
                connection.executemany(
                    "UPDATE roots SET dropped = 1, offline_since_ns = ?, offline_reason = ?"
                    " WHERE path = ?",
                    [(time.time_ns(), _DROPPED, path) for path in by_path.keys() - set(paths)],
                )
                for path in [path for path in paths if path not in by_path]:
                    _add_root(connection, path)
            by_path = {root.path: root for root in self.roots()}
        return [by_path[path] for path in paths]

    def remove_dropped(self, most: int) -> bool:
        """Remove at most so many files of dropped roots; return whether there may be more."""
        with self._database.read() as connection:
            if not connection.execute("SELECT 1 FROM roots WHERE dropped").fetchone():
                return False
        with self._database.write() as (connection, clock):
            for (root_id,) in _all(connection, "SELECT id FROM roots WHERE dropped LIMIT 1"):
                rows = _all(
                    connection, "SELECT id FROM files WHERE root_id = ? LIMIT ?", (root_id, most)
                )
                _remove(connection, clock, [file_id for (file_id,) in rows])
                if len(rows) < most:
                    # the log names a root that is gone: whoever follows it starts afresh
                    connection.execute(
                        "INSERT OR REPLACE INTO meta VALUES ('log_floor', ?)", (clock,)
                    )
                    connection.execute("DELETE FROM mounts WHERE root_id = ?", (root_id,))
                    connection.execute("DELETE FROM roots WHERE id = ?", (root_id,))
        return True

    def roots(self) -> list[RootRow]:
        """Return every root that is not dropped, by id."""
        with self._database.read() as connection:
            rows = _all(
                connection, f"SELECT {ROOT_COLUMNS} FROM roots WHERE NOT dropped ORDER BY id"
            )
        return [root_row(row) for row in rows]

    def update_root(self, root: RootRow) -> None:
        """Replace the stored identity and online state of `root.id`."""
        with self._database.write() as (connection, _):
            connection.execute(
                "UPDATE roots SET device = ?, inode = ?, filesystem_id = ?, offline_since_ns = ?,"
                " offline_reason = ?, mount_point = ? WHERE id = ? AND NOT dropped",
                (
                    root.device,
                    None if root.inode is None else inode_to_signed(root.inode),
                    root.filesystem_id,
                    root.offline_since_ns,
                    root.offline_reason,
                    root.mount_point,
                    root.id,
                ),
            )

    def mounts(self, root_id: int) -> list[MountRow]:
        """Return the file systems that are, or were, mounted below a root, by folder."""
        with self._database.read() as connection:
            rows = _all(
                connection,
                f"SELECT {MOUNT_COLUMNS} FROM mounts WHERE root_id = ? ORDER BY dir",
                (root_id,),
            )
        return [mount_row(row) for row in rows]

    def put_mount(self, mount: MountRow) -> None:
        """Keep what is known of a mount; replaces what was."""
        with self._database.write() as (connection, _):
            connection.execute(
                f"INSERT OR REPLACE INTO mounts ({MOUNT_COLUMNS}, first, beyond)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    mount.root_id,
                    mount.dir,
                    mount.device,
                    inode_to_signed(mount.inode),
                    mount.filesystem_id,
                    mount.offline_since_ns,
                    mount.offline_reason,
                    *_bounds(mount.dir),
                ),
            )

    def drop_mount(self, root_id: int, directory: bytes) -> None:
        """Forget that something was mounted on this folder."""
        with self._database.write() as (connection, _):
            connection.execute(
                "DELETE FROM mounts WHERE root_id = ? AND dir = ?", (root_id, directory)
            )

    def iter_files(self, root_id: int, directory: bytes, *, recursive: bool) -> Iterator[FileRow]:
        """Yield the files in `directory` (and below, if recursive), ordered by (dir, name)."""
        where, parameters = (
            _within(directory, include_self=True) if recursive else ("dir = ?", (directory,))
        )
        with self._database.read() as connection:
            cursor = connection.execute(
                f"{_SELECT_FILES} WHERE root_id = ? AND {where} ORDER BY dir, name",
                (root_id, *parameters),
            )
            yield from map(file_row, cursor)

    def sample_files(
        self, root_id: int, directory: bytes, most: int
    ) -> list[tuple[FileRow, bytes | None]]:
        """Return some files in `directory` and below, drawn at random, each with its hash.

        The hash is that of the bytes at the file's stamp; None if they were not read.
        """
        where, parameters = _within(directory, include_self=True)
        with self._database.read() as connection:
            rows = _all(
                connection,
                f"SELECT {FILE_COLUMNS}, iif(files.pending, NULL, contents.hash) FROM files"
                " LEFT JOIN contents ON contents.id = files.content_id WHERE files.id IN"
                f" (SELECT id FROM files WHERE root_id = ? AND {where} ORDER BY random() LIMIT ?)",
                (root_id, *parameters, most),
            )
        return [(file_row(row[:-1]), row[-1]) for row in rows]

    def files_named(
        self, root_id: int, directory: bytes, names: Collection[bytes]
    ) -> list[FileRow]:
        """Return those files in `directory` that bear one of `names`."""
        with self._database.read() as connection:
            rows = [
                row
                for name in names
                for row in _all(
                    connection,
                    f"{_SELECT_FILES} WHERE root_id = ? AND dir = ? AND name = ?",
                    (root_id, directory, name),
                )
            ]
        return [file_row(row) for row in rows]

    def subdirectories(self, root_id: int, directory: bytes) -> set[bytes]:
        """Return the full relative paths of all folders strictly below that hold known files."""
        where, parameters = _within(directory, include_self=False)
        with self._database.read() as connection:
            rows = _all(
                connection,
                f"SELECT DISTINCT dir FROM files WHERE root_id = ? AND {where}",
                (root_id, *parameters),
            )
        return {path for (path,) in rows}

    def files_by_inode(self, inode: int) -> list[FileRow]:
        """Return every known file with that inode number, on whatever root."""
        with self._database.read() as connection:
            rows = _all(
                connection,
                f"{_SELECT_FILES} WHERE inode = ? ORDER BY id",
                (inode_to_signed(inode),),
            )
        return [file_row(row) for row in rows]

    def apply(self, changes: FileChanges) -> int:
        """Commit `changes` in one transaction and return the clock after it."""
        with self._database.write() as (connection, clock):
            _remove(connection, clock, changes.removed)
            _move(connection, clock, changes.moved)
            for root_id, directory, file in changes.added:
                _put(connection, clock, root_id, directory, file, None)
            for root_id, directory, file, content_id in changes.linked:
                _link(connection, clock, root_id, directory, file, content_id)
            _restamp(connection, clock, changes.changed)
        return clock


def _add_root(connection: sqlite3.Connection, path: bytes) -> None:
    """Add a root; of one that is on its way out, what is left of its files is kept.

    Whatever folder lies there is the root then, as for a new one.
    """
    forgotten = ", ".join(f"{column} = NULL" for column in _IDENTITY)
    revived = _all(
        connection,
        f"UPDATE roots SET dropped = 0, {forgotten} WHERE path = ? RETURNING id",
        (path,),
    )
    for (root_id,) in revived:
        connection.execute("DELETE FROM mounts WHERE root_id = ?", (root_id,))
    if not revived:
        connection.execute("INSERT INTO roots (path) VALUES (?)", (path,))


def _within(directory: bytes, *, include_self: bool) -> tuple[str, tuple[bytes, ...]]:
    if not directory:
        return ("1", ()) if include_self else ("dir != x''", ())
    below = "(dir > ? AND dir < ?)"
    parameters = _bounds(directory)
    return (
        (f"(dir = ? OR {below})", (directory, *parameters)) if include_self else (below, parameters)
    )


def _bounds(directory: bytes) -> tuple[bytes, bytes]:
    """Return what lies just before and just after all that is below a folder."""
    return directory + b"/", directory + b"0"  # b"0" is the byte after b"/"


def _remove(connection: sqlite3.Connection, clock: int, file_ids: Sequence[int]) -> None:
    contents: list[int | None] = []
    places: list[companions.Place] = []
    for file_id in file_ids:
        rows = connection.execute(
            "DELETE FROM files WHERE id = ? RETURNING id, root_id, dir, name, content_id",
            (file_id,),
        ).fetchall()
        for row in rows:
            contents.append(row[-1])
            places.append(row[1:4])
            _log(connection, clock, "removed", row)
    liveness.update_liveness(connection, clock, contents)
    companions.refresh(connection, places)
    companions.overlay(connection, contents)  # other files may bear them, and have no sidecar


def _move(connection: sqlite3.Connection, clock: int, moves: Sequence[FileMove]) -> None:
    if not moves:
        return
    old = {
        move.file_id: connection.execute(
            "SELECT root_id, dir, name FROM files WHERE id = ?", (move.file_id,)
        ).fetchone()
        for move in moves
    }
    # Swaps: no name may be taken while the others still sit on theirs, so all step aside first.
    connection.executemany(
        "UPDATE files SET dir = CAST('/' || id AS BLOB) WHERE id = ?",  # no real dir begins so
        [(file_id,) for file_id, row in old.items() if row is not None],
    )
    for move in moves:
        if old[move.file_id] is None:
            continue
        _evict(connection, clock, move.root_id, move.dir, move.name)
        (content_id,) = connection.execute(
            "UPDATE files SET root_id = ?, dir = ?, name = ?, size_bytes = ?, mtime_ns = ?,"
            " inode = ?, ctime_ns = ?, clock = ? WHERE id = ? RETURNING content_id",
            (move.root_id, move.dir, move.name, *stamp_values(move.stamp), clock, move.file_id),
        ).fetchone()
        row = (move.file_id, move.root_id, move.dir, move.name, content_id)
        _log(connection, clock, "moved", row, old[move.file_id])
    places = [(move.root_id, move.dir, move.name) for move in moves]
    companions.refresh(connection, [*places, *filter(None, old.values())])


def _evict(
    connection: sqlite3.Connection, clock: int, root_id: int, directory: bytes, name: bytes
) -> None:
    taken = connection.execute(
        "SELECT id FROM files WHERE root_id = ? AND dir = ? AND name = ?",
        (root_id, directory, name),
    ).fetchall()
    _remove(connection, clock, [file_id for (file_id,) in taken])


def _put(
    connection: sqlite3.Connection,
    clock: int,
    root_id: int,
    directory: bytes,
    file: FoundFile,
    content_id: int | None,
) -> int:
    """Insert the file, or restamp the one at its path; pending unless the content is known."""
    ((file_id,),) = connection.execute(
        "INSERT INTO files (root_id, dir, name, size_bytes, mtime_ns, inode, ctime_ns, content_id,"
        " pending, clock) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (root_id, dir, name) DO UPDATE SET size_bytes = excluded.size_bytes,"
        " mtime_ns = excluded.mtime_ns, inode = excluded.inode, ctime_ns = excluded.ctime_ns,"
        " content_id = coalesce(excluded.content_id, content_id), pending = excluded.pending,"
        " failure = NULL, failure_message = NULL, clock = excluded.clock RETURNING id",
        (
            root_id,
            directory,
            file.name,
            *stamp_values(file.stamp),
            content_id,
            content_id is None,
            clock,
        ),
    ).fetchall()
    return int(file_id)


def _link(
    connection: sqlite3.Connection,
    clock: int,
    root_id: int,
    directory: bytes,
    file: FoundFile,
    content_id: int,
) -> None:
    _evict(connection, clock, root_id, directory, file.name)
    file_id = _put(connection, clock, root_id, directory, file, content_id)
    _log(connection, clock, "added", (file_id, root_id, directory, file.name, content_id))
    liveness.update_liveness(connection, clock, [content_id])
    companions.refresh(connection, [(root_id, directory, file.name)])


def _restamp(
    connection: sqlite3.Connection, clock: int, stamps: Sequence[tuple[int, Stamp]]
) -> None:
    connection.executemany(
        "UPDATE files SET size_bytes = ?, mtime_ns = ?, inode = ?, ctime_ns = ?, clock = ?,"
        " pending = 1, failure = NULL, failure_message = NULL WHERE id = ?",
        [(*stamp_values(stamp), clock, file_id) for file_id, stamp in stamps],
    )


def _log(
    connection: sqlite3.Connection,
    clock: int,
    kind: str,
    row: tuple[int, int, bytes, bytes, int | None],
    old: tuple[int, bytes, bytes] | None = None,
) -> None:
    file_id, root_id, directory, name, content_id = row
    if content_id is None:  # nobody was told of it yet
        return
    connection.execute(
        "INSERT INTO changes (clock, kind, file_id, root_id, dir, name, content_id, old_root_id,"
        " old_dir, old_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (clock, kind, file_id, root_id, directory, name, content_id, *(old or (None, None, None))),
    )


def _all(
    connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...] = ()
) -> list[Row]:
    return connection.execute(sql, parameters).fetchall()
