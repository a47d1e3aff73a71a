"""What comparing images found, and what people decided about pairs of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Mapping, Sequence

import msgspec

from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row
from imgvecd.core.duplicates.compared_images import Subject, Verdict
from imgvecd.types import CopyFacts, FileRow

_IS_SUBJECT = "live AND failure IS NULL AND width > 0 AND height > 0"
_SUBJECTS = (
    "SELECT contents.id, hash, contents.size_bytes, width, height,"
    # when a file was written tells nothing of a burst
    " CASE WHEN coalesce(metadata ->> 'taken_at_source', '') NOT IN ('file', 'name')"
    " THEN taken_at END,"
    " (SELECT count(*) FROM files WHERE content_id = contents.id), look,"
    " contents.format = 'raw' FROM contents"
    " LEFT JOIN looks ON looks.content_id = contents.id AND looks.version = ?"
    f" WHERE {_IS_SUBJECT} AND "
)
_READABLE = f"NOT pending AND NOT {offline()} AND files.inode != 0"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CopyFacts).decode


class DuplicateTable:
    """Implements `DuplicateStore`, and keeps decisions by pairs of hashes. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def subjects(self, version: int, *, after: int = -1, limit: int = -1) -> list[Subject]:
        """Return subjects, by id, with looks of that version."""
        return self._subjects(
            "contents.id > ? ORDER BY contents.id LIMIT ?", (version, after, limit)
        )

    def subjects_of(self, version: int, ids: Collection[int]) -> list[Subject]:
        """Return those of `ids` that are subjects, by id, with looks of that version."""
        return self._subjects(
            "contents.id IN (SELECT value FROM json_each(?)) ORDER BY contents.id",
            (version, _json(ids)),
        )

    def _subjects(self, condition: str, values: tuple[object, ...]) -> list[Subject]:
        with self._database.read() as connection:
            rows = connection.execute(_SUBJECTS + condition, values).fetchall()
        return [Subject(*row) for row in rows]

    def subject_changes(self, since: int) -> tuple[int, list[int]]:
        """Return (number, ids): contents that may have changed after that number."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT seq, content_id FROM subject_changes WHERE seq > ? ORDER BY seq", (since,)
            ).fetchall()
        return (rows[-1][0] if rows else since), [content_id for _, content_id in rows]

    def last_subject_change(self) -> int:
        """Return the number of the last change."""
        with self._database.read() as connection:
            (last,) = connection.execute("SELECT max(seq) FROM subject_changes").fetchone()
        return last or 0

    def unseen(self, version: int) -> list[int]:
        """Return the ids of subjects that have no look of that version."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT contents.id FROM contents WHERE {_IS_SUBJECT} AND NOT EXISTS"
                " (SELECT 1 FROM looks WHERE content_id = contents.id AND version = ?)",
                (version,),
            )
            return [content_id for (content_id,) in rows]

    def borne_by_several(self) -> list[int]:
        """Return the ids of contents that several files bear."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT content_id FROM files WHERE content_id IS NOT NULL"
                " GROUP BY content_id HAVING count(*) > 1"
            )
            return [content_id for (content_id,) in rows]

    def readable(self, ids: Collection[int]) -> set[int]:
        """Return those contents that an online file bears, as `a_file_of` would find it."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT content_id FROM files JOIN roots ON roots.id = root_id"
                f" WHERE content_id IN (SELECT value FROM json_each(?)) AND {_READABLE}",
                (_json(ids),),
            )
            return {content_id for (content_id,) in rows}

    def a_file_of(self, content_id: int) -> tuple[bytes, FileRow] | None:
        """Return (absolute path, file) of an online file that bears the content, if any."""
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT roots.path, {FILE_COLUMNS} FROM files JOIN roots ON roots.id = root_id"
                f" WHERE content_id = ? AND {_READABLE} ORDER BY files.id LIMIT 1",
                (content_id,),
            ).fetchone()
        if row is None:
            return None
        file = file_row(row[1:])
        return os.path.join(row[0], file.relative), file

    def store_hashes(self, version: int, hashes: Mapping[int, bytes]) -> None:
        """Keep looks by content id; those of another version are replaced."""
        with self._database.write_aside() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO looks VALUES (?, ?, ?)",
                [(content_id, version, look) for content_id, look in hashes.items()],
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
        """Return the pairs of hashes, the smaller first, that a person does not want to see."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT first_hash, second_hash FROM duplicate_decisions")
            return set(rows.fetchall())

    def ids_of(self, hashes: Collection[bytes]) -> dict[bytes, int]:
        """Return the ids of contents by hash."""
        found = {}
        with self._database.read() as connection:
            for name in hashes:
                row = connection.execute(
                    "SELECT id FROM contents WHERE hash = ?", (name,)
                ).fetchone()
                if row is not None:
                    found[name] = row[0]
        return found

    def facts(self, version: int, ids: Collection[int]) -> dict[int, CopyFacts]:
        """Return by content id what examining pictures told."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT content_id, facts FROM copy_facts WHERE version = ?"
                " AND content_id IN (SELECT value FROM json_each(?))",
                (version, _json(ids)),
            ).fetchall()
        return {content_id: _decode(facts) for content_id, facts in rows}

    def verdicts(
        self, version: int, pairs: Collection[tuple[int, int]]
    ) -> dict[tuple[int, int], Verdict]:
        """Return by pair of content ids, the lower first, what comparing them told."""
        found = {}
        with self._database.read() as connection:
            for pair in pairs:
                row = connection.execute(
                    "SELECT verdict FROM comparisons"
                    " WHERE first_id = ? AND second_id = ? AND version = ?",
                    (*pair, version),
                ).fetchone()
                if row is not None:
                    found[pair] = row[0]
        return found

    def store_comparisons(
        self,
        version: int,
        facts: Mapping[int, CopyFacts],
        verdicts: Mapping[tuple[int, int], Verdict],
    ) -> None:
        """Keep both; what is there of another version is replaced."""
        with self._database.write_aside() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO copy_facts VALUES (?, ?, ?)",
                [(content_id, version, _encode(each)) for content_id, each in facts.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO comparisons VALUES (?, ?, ?, ?)",
                [(*pair, version, verdict) for pair, verdict in verdicts.items()],
            )

    def waiting(self) -> int:
        """Return how many files that are there wait to be read or encoded."""
        with self._database.read() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM files JOIN roots ON roots.id = root_id"
                f" WHERE pending AND NOT {offline()}"
            ).fetchone()
            return int(count)


def _json(ids: Collection[int]) -> str:
    return json.dumps(list(ids))
