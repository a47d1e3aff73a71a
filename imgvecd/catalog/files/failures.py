"""Files that cannot be searched, why, and giving them another chance."""

from __future__ import annotations

import collections
import os
from collections.abc import Sequence

from imgvecd.api import Failure, Path
from imgvecd.catalog.files import liveness
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import Row
from imgvecd.types import join

_FAILED = (
    "SELECT files.id, roots.path, dir, name, files.size_bytes,"
    " coalesce(files.failure, contents.failure),"
    " coalesce(files.failure_message, contents.failure_message, '') FROM files"
    " JOIN roots ON roots.id = root_id LEFT JOIN contents ON contents.id = content_id"
    " WHERE files.id > :after AND NOT pending AND (files.id IN"
    " (SELECT id FROM files WHERE failure IS NOT NULL) OR content_id IN"
    " (SELECT id FROM contents WHERE failure IS NOT NULL)) ORDER BY files.id LIMIT :limit"
)

_REASONS = (
    (
        "SELECT failure, count(*) FROM files WHERE failure IS NOT NULL AND NOT pending"
        " GROUP BY failure"
    ),
    (
        "SELECT contents.failure, count(*) FROM contents JOIN files ON content_id = contents.id"
        " WHERE contents.failure IS NOT NULL AND NOT pending AND files.failure IS NULL"
        " GROUP BY contents.failure"
    ),
)


class Failures:
    """Recorded failures. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, after: int, limit: int) -> tuple[int | None, list[Failure]]:
        """Return (last file id, None at the end; failures) of files with ids above `after`."""
        with self._database.read() as connection:
            rows = connection.execute(_FAILED, {"after": after, "limit": limit}).fetchall()
        return (rows[-1][0] if len(rows) == limit else None), [_failure(row) for row in rows]

    def retry_curable(self, reasons: Sequence[str]) -> int:
        """Forget the failures of images with those reasons; return how many images."""
        marks = ", ".join("?" * len(reasons))
        with self._database.read() as connection:
            ids = connection.execute(
                f"SELECT id FROM contents WHERE failure IN ({marks})", tuple(reasons)
            ).fetchall()
        if ids:
            with self._database.write() as (connection, clock):
                connection.executemany(
                    "UPDATE contents SET failure = NULL, failure_message = NULL WHERE id = ?", ids
                )
                liveness.update_liveness(connection, clock, [content_id for (content_id,) in ids])
        return len(ids)

    def reasons(self) -> dict[str, int]:
        """Return how many files have failed, by reason."""
        counts: collections.Counter[str] = collections.Counter()
        with self._database.read() as connection:
            for statement in _REASONS:
                counts.update(dict(connection.execute(statement).fetchall()))
        return dict(counts)

    def retry(self) -> int:
        """Forget every failure, so that all of these are tried again; return how many files."""
        with self._database.write() as (connection, clock):
            unread = connection.execute(
                "UPDATE files SET pending = 1, failure = NULL, failure_message = NULL,"
                " clock = ? WHERE failure IS NOT NULL",
                (clock,),
            ).rowcount
            failed = connection.execute(
                "UPDATE contents SET failure = NULL, failure_message = NULL"
                " WHERE failure IS NOT NULL RETURNING id"
            ).fetchall()
            liveness.update_liveness(connection, clock, [content_id for (content_id,) in failed])
            for row in failed:
                ((count,),) = connection.execute(
                    "SELECT count(*) FROM files WHERE content_id = ?", row
                ).fetchall()
                unread += int(count)
        return unread


def _failure(row: Row) -> Failure:
    _, root, directory, name, size_bytes, reason, message = row
    path = Path.of(os.path.join(root, join(directory, name)))
    return Failure(
        path=path.path,
        path_base64=path.path_base64,
        size_bytes=size_bytes,
        reason=reason,
        message=message,
    )
