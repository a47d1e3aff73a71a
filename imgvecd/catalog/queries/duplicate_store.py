"""What comparing images found, and what people decided about pairs of them."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Mapping, Sequence

from imgvecd.catalog.files.companions import developed
from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row
from imgvecd.core.duplicates.compared_images import Subject
from imgvecd.types import FileRow


class DuplicateTable:
    """Implements `DuplicateStore`, and keeps decisions by pairs of hashes. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def subjects(self, version: int) -> list[Subject]:
        """Return every subject, by id, with looks of that version."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT contents.id, hash, contents.size_bytes, width, height,"
                # when a file was written tells nothing of a burst
                " CASE WHEN metadata ->> 'taken_at_source' IS NOT 'file' THEN taken_at END,"
                " (SELECT count(*) FROM files WHERE content_id = contents.id), look FROM contents"
                " LEFT JOIN looks ON looks.content_id = contents.id AND looks.version = ?"
                " WHERE live AND failure IS NULL AND width > 0 AND height > 0 ORDER BY contents.id",
                (version,),
            ).fetchall()
        return [Subject(*row) for row in rows]

    def a_file_of(self, content_id: int) -> tuple[bytes, FileRow] | None:
        """Return (absolute path, file) of an online file that bears the content, if any."""
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT roots.path, {FILE_COLUMNS} FROM files JOIN roots ON roots.id = root_id"
                f" WHERE content_id = ? AND NOT pending AND NOT {offline()}"
                " AND files.inode != 0 ORDER BY files.id LIMIT 1",
                (content_id,),
            ).fetchone()
        if row is None:
            return None
        file = file_row(row[1:])
        return os.path.join(row[0], file.relative), file

    def store_looks(self, version: int, looks: Mapping[int, bytes]) -> None:
        """Keep looks by content id; those of another version are replaced."""
        with self._database.write_aside() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO looks VALUES (?, ?, ?)",
                [(content_id, version, look) for content_id, look in looks.items()],
            )

    def decide(self, hashes: Sequence[bytes], decision: str) -> None:
        """Record a decision about each pair of the hashes; "undecided" takes it back.

        A hash that is there twice makes a pair with itself: a decision about its copies.
        """
        pairs = sorted(set(itertools.combinations(sorted(hashes), 2)))
        with self._database.write_aside() as connection:
            connection.executemany(
                "DELETE FROM duplicate_decisions WHERE first_hash = ? AND second_hash = ?", pairs
            )
            if decision != "undecided":
                connection.executemany(
                    "INSERT INTO duplicate_decisions VALUES (?, ?, ?)",
                    [(*pair, decision) for pair in pairs],
                )

    def decided(self) -> set[tuple[bytes, bytes]]:
        """Return the pairs of hashes, the smaller first, that a person does not want to see.

        RAW and JPEG of one shot belong together: nobody needs to decide that.
        """
        with self._database.read() as connection:
            pairs = set(
                connection.execute("SELECT first_hash, second_hash FROM duplicate_decisions")
            )
            raw = connection.execute("SELECT id FROM contents WHERE live AND format = 'raw'")
            for raw_id, made in developed(connection, [row[0] for row in raw.fetchall()]).items():
                pairs |= {_hashes(connection, raw_id, picture) for picture in made}
            return pairs


def _hashes(connection: sqlite3.Connection, one: int, other: int) -> tuple[bytes, bytes]:
    (first,), (second,) = connection.execute(
        "SELECT hash FROM contents WHERE id IN (?, ?) ORDER BY hash", (one, other)
    ).fetchall()
    return first, second
