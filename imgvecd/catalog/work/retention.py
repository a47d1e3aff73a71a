"""Forgetting: query texts that nobody asks any more, and what is known of pictures long gone.

A picture is gone once no file bears it. Files of an absent root or drive stay in the catalog, so
what may come back with it is never gone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.connection import Database

_AT_ONCE = 500  # pictures in one transaction: others have their turn
_FORGOTTEN = (1 << 63) - 1  # instead of when it went: it goes no more

_NOTE = "UPDATE contents SET gone_ns = ? WHERE live = 0 AND gone_ns IS NULL"
_BACK = "UPDATE contents SET gone_ns = NULL WHERE live = 1 AND gone_ns IS NOT NULL"
# The row stays, with an id and nothing else: an index on disk may still have to learn that it went.
_BLANK = (
    f"UPDATE contents SET gone_ns = {_FORGOTTEN}, hash = CAST(printf('%032d', id) AS BLOB),"
    " size_bytes = 0, format = NULL, width = NULL, height = NULL, taken_at = NULL,"
    " metadata = '{}', user_metadata = '{}', own_facts = NULL, failure = NULL,"
    " failure_message = NULL WHERE id = ?"
)


class Retention:
    """Forgets what is older than asked for. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_gone(self) -> None:
        """Note which pictures are gone by now, and which are back."""
        with self._database.write_aside() as connection:
            connection.execute(_BACK)
            connection.execute(_NOTE, (time.time_ns(),))

    def forget_images(self, before_ns: int) -> int:
        """Forget some of the pictures that were gone before that; return how many, 0 at the end.

        Embeddings, metadata, tags, origins and entries of the change log go; so does the hash:
        one that comes back is a new one.
        """
        with self._database.write_aside() as connection:
            connection.execute(_BACK)
            ids = [
                content_id
                for (content_id,) in connection.execute(
                    "SELECT id FROM contents WHERE live = 0 AND gone_ns < ? LIMIT ?",
                    (before_ns, _AT_ONCE),
                )
            ]
            if ids:
                _forget(connection, ids)
        return len(ids)

    def forget_texts(self, before_ns: int) -> int:
        """Forget the texts that were last asked for before that; return how many."""
        with self._database.write_aside() as connection:
            gone = connection.execute("DELETE FROM texts WHERE used_ns < ?", (before_ns,))
        return gone.rowcount


def _forget(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    each = [(content_id,) for content_id in ids]
    marks = ", ".join("?" * len(ids))
    for (model_id,) in connection.execute("SELECT id FROM models").fetchall():
        first = model_id << KEY_BITS
        connection.executemany(
            "DELETE FROM embeddings WHERE key = ?", [(first + content_id,) for content_id in ids]
        )
    for table, column in _referring(connection):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", ids)
    hashes = [
        connection.execute("SELECT hash FROM contents WHERE id = ?", one).fetchone() for one in each
    ]
    connection.executemany(
        "DELETE FROM duplicate_decisions WHERE ?1 IN (first_hash, second_hash)", hashes
    )
    noted = f"changes WHERE content_id IN ({marks})"
    (floor,) = connection.execute(f"SELECT max(clock) FROM {noted}", ids).fetchone()
    if floor is not None:  # whoever follows the log from before that starts afresh
        connection.execute(f"DELETE FROM {noted}", ids)
        connection.execute(
            "INSERT INTO meta VALUES ('log_floor', ?1) ON CONFLICT (key)"
            " DO UPDATE SET value = max(value, ?1)",
            (floor,),
        )
    connection.executemany(_BLANK, each)


def _referring(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return (table, column) of all that is kept by content, but files: there are none."""
    return connection.execute(
        'SELECT m.name, f."from" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f'
        " WHERE m.type = 'table' AND f.\"table\" = 'contents' AND m.name != 'files'"
    ).fetchall()
