"""Queues of contents that are read while nothing else waits: tables with a `content_id`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row
from imgvecd.types import FileRow


def waiting_contents(connection: sqlite3.Connection, queue: str) -> int:
    """Return how many contents wait that a file bears."""
    ((count,),) = connection.execute(
        f"SELECT count(*) FROM {queue} JOIN contents ON contents.id = content_id WHERE live"
    ).fetchall()
    return int(count)


def waiting_files(
    connection: sqlite3.Connection, queue: str, limit: int, skip: Collection[int]
) -> list[tuple[int, FileRow]]:
    """Return (content id, a file that bears it) on online roots, the newest first."""
    rows = connection.execute(
        f"SELECT queue.content_id, {FILE_COLUMNS} FROM {queue} AS queue"
        " JOIN files ON files.id = (SELECT min(f.id) FROM files AS f JOIN roots"
        " ON roots.id = f.root_id WHERE f.content_id = queue.content_id"
        f" AND NOT f.pending AND NOT {offline('f')})"
        " ORDER BY queue.content_id DESC LIMIT ?",
        (limit + len(skip),),
    ).fetchall()
    found = [(row[0], file_row(row[1:])) for row in rows if row[0] not in skip]
    return found[:limit]
