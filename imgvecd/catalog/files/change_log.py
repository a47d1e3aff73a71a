"""What happened to files since a clock: implements `ChangeTable`."""

from __future__ import annotations

import os

from imgvecd.api import Change, Path
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import Row, find_meta
from imgvecd.types import join

# Kept at the least; a client that was away for longer is told the full state instead.
_KEPT_CHANGES = 1_000_000

_LOGGED = (
    "SELECT changes.clock, kind, content_id, roots.path, dir, name,"
    " (SELECT path FROM roots WHERE id = old_root_id), old_dir, old_name"
    " FROM changes JOIN roots ON roots.id = root_id WHERE changes.clock > ?1"
    " AND changes.clock <= ?2 ORDER BY seq"
)
_STATE = (
    "SELECT files.id, files.content_id, roots.path, dir, name FROM files"
    " JOIN roots ON roots.id = root_id WHERE files.id > ? AND content_id IS NOT NULL"
    " ORDER BY files.id LIMIT ?"
)


class ChangeTable:
    """Read access to the log of changes. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def covers(self, clock: int) -> bool:
        """Return whether every change after `clock` is still in the log."""
        with self._database.read() as connection:
            floor = find_meta(connection, "log_floor")
        return clock >= (floor or 0)

    def since(self, clock: int, until: int, limit: int) -> tuple[int, list[Change]]:
        """Return (clock reached, changes) after `clock`, whole transactions only.

        Args:
            limit: stop after the transaction that reaches so many changes.
        """
        with self._database.read() as connection:
            boundary = connection.execute(
                "SELECT clock FROM changes WHERE clock > ? AND clock <= ? ORDER BY seq"
                " LIMIT 1 OFFSET ?",
                (clock, until, limit - 1),
            ).fetchone()
            reached = boundary[0] if boundary else until
            rows = connection.execute(_LOGGED, (clock, reached)).fetchall()
        return reached, [_change(row) for row in rows]

    def state(self, after_file: int, limit: int) -> tuple[int | None, list[Change]]:
        """Return (last file id, None at the end; every file as if just added), page by page."""
        with self._database.read() as connection:
            rows = connection.execute(_STATE, (after_file, limit)).fetchall()
        changes = [_added(row) for row in rows]
        return (rows[-1][0] if len(rows) == limit else None), changes

    def prune(self) -> None:
        """Forget the oldest changes beyond a million."""
        with self._database.write() as (connection, _):
            floor = connection.execute(
                "SELECT clock FROM changes ORDER BY seq DESC LIMIT 1 OFFSET ?", (_KEPT_CHANGES,)
            ).fetchone()
            if floor is not None:
                connection.execute("DELETE FROM changes WHERE clock <= ?", floor)
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('log_floor', ?)", floor)


def _change(row: Row) -> Change:
    clock, kind, content_id, root, directory, name, old_root, old_dir, old_name = row
    path = Path.of(os.path.join(root, join(directory, name)))
    old = None if old_root is None else Path.of(os.path.join(old_root, join(old_dir, old_name)))
    return Change(
        kind=kind,
        id=content_id,
        path=path.path,
        path_base64=path.path_base64,
        old_path=old,
        at=clock,
    )


def _added(row: Row) -> Change:
    _, content_id, root, directory, name = row
    path = Path.of(os.path.join(root, join(directory, name)))
    return Change(kind="added", id=content_id, path=path.path, path_base64=path.path_base64)
