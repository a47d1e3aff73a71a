"""What is published to a shared engine: implements `LibraryFeeds`.

Vectors have their clocks. Facts get them from triggers, which are there only while the library is
shared; `facts_clock` has the clock at which what is known of a content last changed.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import find_meta, get_meta
from imgvecd.catalog.schema.stored_vectors import decoded
from imgvecd.catalog.work.embeddings import Embeddings
from imgvecd.catalog.work.models import model_dim, model_id
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.core.sharing.vector_engine import (
    DIGEST_BYTES,
    FACTS,
    FactStep,
    ImageFacts,
    VectorStep,
    no_ids,
)
from imgvecd.spelling import folded_words
from imgvecd.types import Int64Array, join

_MARKS = "shared marks of "
# How facts are written, `_facts_of`: where they were written otherwise, all are published anew.
_FORM, _FORM_NOW = "shared facts are of form", "2"
_MOST_PATHS = 8  # copies of one image within a library
# What engines hold at the most of an image; no file system has longer paths.
_MOST_TAGS = 200
_MOST_FOLDERS = 256
_LONGEST_WORD = 200
_LONGEST_PATH = 4096
_CHANGES = {
    "facts_of_new_file": "INSERT ON files",
    "facts_of_changed_file": "UPDATE OF root_id, dir, name, content_id ON files",
    "facts_of_gone_file": "DELETE ON files",
    "facts_of_new_content": "INSERT ON contents",
    "facts_of_changed_content": (
        "UPDATE OF live, format, width, height, taken_at, metadata, user_metadata ON contents"
    ),
    "facts_of_gone_content": "DELETE ON contents",
}


def _trigger(name: str, event: str) -> str:
    column = "content_id" if event.endswith("files") else "id"
    rows = ["NEW", "OLD"] if event.startswith("UPDATE") else ["NEW"]
    rows = ["OLD"] if event.startswith("DELETE") else rows
    # OR REPLACE would not hold: the statement that set the trigger off says what a conflict does
    notes = "".join(
        f" DELETE FROM facts_clock WHERE content_id = {row}.{column};"
        f" INSERT INTO facts_clock SELECT {row}.{column}, value FROM meta"
        f" WHERE key = 'clock' AND {row}.{column} IS NOT NULL;"
        for row in (rows if column == "content_id" else rows[:1])
    )
    return f"CREATE TRIGGER {name} AFTER {event} BEGIN{notes} END"


class SharedFeeds:
    """Read access to what is published, and the marks of what was. Thread-safe."""

    def __init__(self, database: Database, embeddings: Embeddings) -> None:
        self._database = database
        self._embeddings = embeddings

    def track(self) -> None:
        """Have changes of facts noted from now on; what was not noted is reconciled."""
        with self._database.read() as connection:
            tracks = _is_tracking(connection)
            if tracks and find_meta(connection, _FORM) == _FORM_NOW:
                return
        with self._database.write_aside() as connection:
            if not tracks:
                connection.execute(
                    "CREATE TABLE facts_clock"
                    " (content_id INTEGER PRIMARY KEY, clock INTEGER NOT NULL) STRICT"
                )
                connection.execute("CREATE INDEX facts_clock_clock ON facts_clock(clock)")
                connection.execute("INSERT INTO facts_clock SELECT id, clock FROM contents")
                for name, event in _CHANGES.items():
                    connection.execute(_trigger(name, event))
            connection.execute("DELETE FROM meta WHERE key = ?", (_MARKS + FACTS,))
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_FORM, _FORM_NOW))

    def stop_tracking(self) -> None:
        """Note changes of facts no more."""
        with self._database.read() as connection:
            if not _is_tracking(connection):
                return
        with self._database.write_aside() as connection:
            for name in _CHANGES:
                connection.execute(f"DROP TRIGGER IF EXISTS {name}")
            connection.execute("DROP TABLE facts_clock")

    def clock(self) -> int:
        """Return the catalog's change counter."""
        return self._embeddings.clock()

    def fact_step(self, since: int, limit: int, publish: Sequence[str]) -> FactStep:
        """Return what changed after a clock, about `limit` images; see `LibraryFeeds`."""
        with self._database.read() as connection:
            boundary = connection.execute(
                "SELECT clock FROM facts_clock WHERE clock > ? ORDER BY clock LIMIT 1 OFFSET ?",
                (since, max(limit - 1, 0)),
            ).fetchone()
            until = boundary[0] if boundary else int(get_meta(connection, "clock"))
            rows = connection.execute(
                "SELECT content_id FROM facts_clock WHERE clock > ? AND clock <= ?", (since, until)
            ).fetchall()
            return _facts(connection, until, [content_id for (content_id,) in rows], publish)

    def facts_of(self, ids: Sequence[int], publish: Sequence[str]) -> FactStep:
        """Return what is to be published of those ids; those that are none are removed."""
        with self._database.read() as connection:
            return _facts(connection, int(get_meta(connection, "clock")), ids, publish)

    def vector_step(self, fingerprint: str, since: int, limit: int) -> VectorStep:
        """Return the vectors that changed after a clock, about `limit` of them."""
        _, changes = self._embeddings.embedding_changes(fingerprint, since, limit)
        step = self.vectors_of(fingerprint, changes.added.tolist())
        return dataclasses.replace(step, clock=changes.clock, removed=changes.removed)

    def vectors_of(self, fingerprint: str, ids: Sequence[int]) -> VectorStep:
        """Return the vectors of those of `ids` that a file bears and that have one."""
        rows = []
        with self._database.read() as connection:
            model = model_id(connection, fingerprint)
            dim, base = model_dim(connection, model), model << KEY_BITS
            for content_id in ids:
                row = connection.execute(
                    "SELECT id, hash, pixels, vector FROM contents"
                    " JOIN embeddings ON key = id + ? WHERE id = ? AND live",
                    (base, content_id),
                ).fetchone()
                if row is not None:  # else it has gone since, which the next step says
                    rows.append(row)
        vectors, sound = decoded([vector for *_, vector in rows], dim)
        rows = [row for row, is_sound in zip(rows, sound, strict=True) if is_sound]
        return VectorStep(
            0,
            np.fromiter((row[0] for row in rows), np.int64, len(rows)),
            [row[1][:DIGEST_BYTES] for row in rows],
            [row[2] for row in rows],
            unpacked(vectors[sound]).astype(np.float16),
            no_ids(),
        )

    def keys(self, feed: str) -> tuple[Int64Array, list[bytes]]:
        """Return (ascending ids, digests of contents) of all that the engine should have."""
        with self._database.read() as connection:
            values: tuple[int, ...] = ()
            source = "contents WHERE live"
            if feed != FACTS:
                base = model_id(connection, feed) << KEY_BITS
                source = "contents JOIN embeddings ON key = id + ? WHERE live"
                values = (base,)
            rows = connection.execute(
                f"SELECT id, substr(hash, 1, {DIGEST_BYTES}) FROM {source} ORDER BY id", values
            ).fetchall()
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        return ids, [row[1] for row in rows]

    def marks(self, feed: str) -> tuple[str, ...]:
        """Return the marks of positions that this library may have written last."""
        with self._database.read() as connection:
            marks = find_meta(connection, _MARKS + feed)
        return () if marks is None else tuple(json.loads(marks))

    def note_marks(self, feed: str, marks: Sequence[str]) -> None:
        """Keep these instead."""
        with self._database.write_aside() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_MARKS + feed, json.dumps(marks))
            )

    def waiting(self, feed: str, since: int, most: int) -> int:
        """Return how many images changed after a clock; `most` stands for that or more."""
        with self._database.read() as connection:
            source, values = "facts_clock WHERE clock > ?", [since]
            if feed != FACTS:
                base = model_id(connection, feed) << KEY_BITS
                source = "embeddings WHERE clock > ? AND +key > ? AND +key < ?"
                values = [since, base, base + (1 << KEY_BITS)]
            ((count,),) = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {most:d})", values
            ).fetchall()
        return int(count)

    def ids_of(self, fingerprint: str, contents: Sequence[bytes]) -> dict[bytes, int]:
        """Return the images that a file bears and that have a vector, by digest of content."""
        found: dict[bytes, int] = {}
        with self._database.read() as connection:
            base = model_id(connection, fingerprint) << KEY_BITS
            for content in contents:
                row = connection.execute(
                    "SELECT id FROM contents WHERE hash >= ? AND hash < ? AND live"
                    " AND EXISTS (SELECT 1 FROM embeddings WHERE key = contents.id + ?)",
                    (content, content + b"\xff" * 17, base),
                ).fetchone()
                if row is not None:
                    found[content] = row[0]
        return found


def _is_tracking(connection: sqlite3.Connection) -> bool:
    return bool(
        connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'facts_clock'").fetchone()
    )


def _facts(
    connection: sqlite3.Connection, clock: int, ids: Sequence[int], publish: Sequence[str]
) -> FactStep:
    found = [_facts_of(connection, content_id, publish) for content_id in ids]
    return FactStep(
        clock,
        [facts for facts in found if facts is not None],
        [content_id for content_id, facts in zip(ids, found, strict=True) if facts is None],
    )


def _facts_of(
    connection: sqlite3.Connection, content_id: int, publish: Sequence[str]
) -> ImageFacts | None:
    row = connection.execute(
        "SELECT hash, format, width, height, taken_at, coalesce(user_metadata ->> '$.rating',"
        " metadata ->> '$.rating'), latitude, longitude FROM contents"
        " LEFT JOIN positions ON positions.content_id = contents.id"
        " WHERE contents.id = ? AND live",
        (content_id,),
    ).fetchone()
    if row is None:
        return None
    digest, kind, width, height, *said = row
    taken_at, rating, latitude, longitude = said if "metadata" in publish else (None,) * 4
    tags = _tags(connection, content_id) if "metadata" in publish else ()
    paths, folders = _places(connection, content_id) if "paths" in publish else ((), ())
    return ImageFacts(
        content_id=content_id,
        content=digest[:DIGEST_BYTES],
        format=kind,
        width=width,
        height=height,
        taken_at=None if taken_at is None else _text(taken_at)[:_LONGEST_WORD],
        rating=_number(rating),
        latitude=_number(latitude),
        longitude=_number(longitude),
        tags=tags,
        paths=paths,
        folders=folders,
    )


def _tags(connection: sqlite3.Connection, content_id: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT DISTINCT word FROM words WHERE content_id = ?"
        " AND kind IN ('tag', 'keyword', 'person') LIMIT ?",
        (content_id, _MOST_TAGS),
    ).fetchall()
    return tuple(sorted({_text(folded_words(word))[:_LONGEST_WORD] for (word,) in rows}))


def _places(
    connection: sqlite3.Connection, content_id: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (paths of the files, all folders that they lie in or below)."""
    rows = connection.execute(
        "SELECT roots.path, dir, name FROM files JOIN roots ON roots.id = root_id"
        " WHERE content_id = ? ORDER BY files.id LIMIT ?",
        (content_id, _MOST_PATHS),
    ).fetchall()
    folders: dict[str, None] = {}
    for root, directory, _ in rows:
        absolute = os.path.join(root, directory) if directory else root
        for folder in (*_and_above(absolute), *_and_above(directory)):
            if len(folders) < _MOST_FOLDERS:
                folders[_shown(folder)] = None
    return (
        tuple(_shown(os.path.join(root, join(directory, name))) for root, directory, name in rows),
        tuple(folders),
    )


def _and_above(folder: bytes) -> Iterator[bytes]:
    while folder not in {b"", b"/"}:
        yield folder
        folder = os.path.dirname(folder)


def _shown(path: bytes) -> str:
    return _text(path.decode(errors="replace"))[:_LONGEST_PATH]


def _text(value: Any) -> str:  # noqa: ANN401  # as stored
    """Return a text as engines take it: without NUL, and with nothing that is no character."""
    return str(value).replace("\0", "").encode(errors="replace").decode()


def _number(value: Any) -> float | None:  # noqa: ANN401  # as stored
    """Return a number that engines take; None for anything else."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
