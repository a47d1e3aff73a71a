"""Images and sidecars whose metadata an older version has read: they are read again, in time.

The queue is filled once, when a version with another reader first opens the catalog; its rows go as
images are read, so that a killed program goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from imgvecd.catalog.files import companions, dating, liveness
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import find_meta
from imgvecd.catalog.work.idle_queues import waiting_contents, waiting_files
from imgvecd.core.files.photo_facts import READER_VERSION
from imgvecd.types import FileRow, ImageInfo

# Of what one file or its name may have said before, nothing is kept; what was inherited is.
_FORGET_TIME = (
    "UPDATE contents SET taken_at = NULL WHERE id = ?"
    " AND coalesce(metadata ->> 'taken_at_source', '') != 'file'"
)
_RECORD = (
    "UPDATE contents SET format = ?, width = ?, height = ?, taken_at = coalesce(?, taken_at),"
    " truncated = ?, metadata = ? WHERE id = ?"
)
# What a newer reader may be able to show.
_CURABLE = "('unsupported', 'damaged', 'truncated')"


class RereadTable:
    """Implements `protocols.IdleQueue`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill(self, version: int = READER_VERSION) -> int:
        """Have everything read again that an older reader has read; return how many images wait."""
        with self._database.read() as connection:
            reader = find_meta(connection, "reader")
        if reader is None or reader < version:
            with self._database.write() as (connection, clock):
                connection.execute(
                    "INSERT OR IGNORE INTO metadata_queue SELECT id FROM contents"
                    " WHERE format IS NOT NULL AND failure IS NULL"
                )
                connection.execute(
                    "UPDATE files SET pending = 1 WHERE id IN (SELECT file_id FROM sidecars)"
                )
                failed = connection.execute(
                    "UPDATE contents SET failure = NULL, failure_message = NULL"
                    f" WHERE failure IN {_CURABLE} RETURNING id"
                ).fetchall()
                liveness.update_liveness(
                    connection, clock, [content_id for (content_id,) in failed]
                )
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('reader', ?)", (version,))
        return self.waiting()

    def queue(self, ids: Collection[int]) -> None:
        """Have these images read again."""
        with self._database.write() as (connection, _):
            connection.executemany(
                "INSERT OR IGNORE INTO metadata_queue VALUES (?)", [(each,) for each in ids]
            )

    def waiting(self) -> int:
        """Return how many images that a file bears wait."""
        with self._database.read() as connection:
            return waiting_contents(connection, "metadata_queue")

    def contents_to_read(self, limit: int, skip: Collection[int]) -> list[tuple[int, FileRow]]:
        """Return (content id, a file that bears it) on online roots, the newest first."""
        with self._database.read() as connection:
            return waiting_files(connection, "metadata_queue", limit, skip)

    def record(self, read: Sequence[tuple[int, ImageInfo | None]]) -> int:
        """Record what images say in one transaction; None leaves one as it is; return the clock."""
        with self._database.write() as (connection, clock):
            known = [(content_id, info) for content_id, info in read if info is not None]
            companions.restore(connection, [content_id for content_id, _ in known])
            for content_id, info in known:
                metadata = json.dumps(info.metadata, ensure_ascii=False, sort_keys=True)
                connection.execute(_FORGET_TIME, (content_id,))
                connection.execute(
                    _RECORD,
                    (
                        info.format, info.width, info.height, info.taken_at, info.truncated,
                        metadata, content_id,
                    ),
                )  # fmt: skip
            undated = [content_id for content_id, info in known if not info.taken_at]
            dating.mark_inherited(connection, undated)
            companions.overlay(connection, [content_id for content_id, _ in known])
            connection.executemany(
                "DELETE FROM metadata_queue WHERE content_id = ?",
                [(content_id,) for content_id, _ in read],
            )
        return clock
