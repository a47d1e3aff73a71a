"""Dates of contents whose files tell none themselves: by a file's name, else by its age.

Runs inside the transaction that changes files, before sidecars are laid over.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

from imgvecd.core.files.photo_names import taken_at

_MOST_FILES = 100  # of one content, whose names are looked at: copies beyond that say nothing new
# What only its name dated is undated again, since that may have changed.
_FORGET = (
    "UPDATE contents SET taken_at = NULL, metadata = json_remove(metadata, '$.taken_at_source')"
    " WHERE id = ? AND metadata ->> 'taken_at_source' = 'name'"
)
_BY_NAME = (
    "UPDATE contents SET taken_at = ?, metadata = json_set(metadata, '$.taken_at_source', 'name')"
    " WHERE id = ?"
)
# Files of the first day of 1970 come from programs that knew no time either.
_BY_AGE = (
    "UPDATE contents SET"
    " taken_at = min(coalesce(taken_at, by_file), coalesce(by_file, taken_at)),"
    " metadata = json_set(metadata, '$.taken_at_source', 'file') FROM (SELECT"
    " strftime('%Y-%m-%dT%H:%M:%S', min(mtime_ns) / 1000000000, 'unixepoch', 'localtime')"
    " AS by_file FROM files WHERE content_id = ?1 AND mtime_ns > 86400 * 1000000000)"
    " WHERE id = ?1 AND coalesce(taken_at, by_file) IS NOT NULL"
)
_IS_UNDATED = (
    "SELECT 1 FROM contents WHERE id = ? AND format IS NOT NULL AND own_facts IS NULL"
    " AND (taken_at IS NULL OR metadata ->> 'taken_at_source' = 'file')"
)
_INHERITED = (
    "UPDATE contents SET metadata = json_set(metadata, '$.taken_at_source', 'file')"
    " WHERE id = ? AND taken_at IS NOT NULL"
)


def date(connection: sqlite3.Connection, content_ids: Iterable[int | None]) -> None:
    """Date those of these contents that say nothing of their time; they have no sidecar laid over.

    In local time, as cameras write it.
    """
    for content_id in content_ids:
        connection.execute(_FORGET, (content_id,))
        if connection.execute(_IS_UNDATED, (content_id,)).fetchone() is None:
            continue
        names = connection.execute(
            "SELECT name FROM files WHERE content_id = ? ORDER BY id LIMIT ?",
            (content_id, _MOST_FILES),
        )
        found = next(filter(None, (taken_at(os.fsdecode(name)) for (name,) in names)), "")
        if found:
            connection.execute(_BY_NAME, (found, content_id))
        else:
            connection.execute(_BY_AGE, (content_id,))


def mark_inherited(connection: sqlite3.Connection, content_ids: Iterable[int]) -> None:
    """Say of contents that tell no time, but have one of the file before an edit, whose it is."""
    connection.executemany(_INHERITED, [(content_id,) for content_id in content_ids])
