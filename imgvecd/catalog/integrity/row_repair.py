"""What must be true of a sound file's rows, and how to make it true again."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
from dataclasses import dataclass

import numpy as np

from imgvecd.catalog.files import name_index
from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.stored_vectors import decoded
from imgvecd.catalog.work.models import model_dim

_BATCH = 4096  # vectors held at once: 4 MiB at 512 dimensions
_ID = f"(key & ((1 << {KEY_BITS}) - 1))"
_MODEL = f"(key >> {KEY_BITS})"
_IS_BORNE = "EXISTS (SELECT 1 FROM files WHERE content_id = contents.id)"
_WANTED = (
    " FROM models, contents WHERE models.active AND contents.live AND contents.failure IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM embeddings"
    f" WHERE key = (models.id << {KEY_BITS}) + contents.id)"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Something that no row may be, and the statement that mends it.

    Attributes:
        broken: FROM and WHERE of the rows that are.
    """

    what: str
    remedy: str
    broken: str
    mend: str


_RULES = (
    _Rule(
        "embeddings belong to no image or no model",
        "delete them",
        f"FROM embeddings WHERE {_ID} NOT IN (SELECT id FROM contents)"
        f" OR {_MODEL} NOT IN (SELECT id FROM models)",
        f"DELETE FROM embeddings WHERE {_ID} NOT IN (SELECT id FROM contents)"
        f" OR {_MODEL} NOT IN (SELECT id FROM models)",
    ),
    _Rule(
        "images are searchable without a file, or have a file and are not",
        "go by their files",
        f"FROM contents WHERE live != {_IS_BORNE}",
        f"UPDATE contents SET live = 1 - live, clock = :clock WHERE live != {_IS_BORNE}",
    ),
    _Rule(
        "images wait to be encoded that need not be",
        "take them from the queue",
        "FROM encode_queue WHERE content_id IN (SELECT id FROM contents WHERE NOT live)"
        " OR model_id IN (SELECT id FROM models WHERE NOT active)"
        f" OR (model_id << {KEY_BITS}) + content_id IN (SELECT key FROM embeddings)",
        "DELETE FROM encode_queue"
        " WHERE content_id IN (SELECT id FROM contents WHERE NOT live)"
        " OR model_id IN (SELECT id FROM models WHERE NOT active)"
        f" OR (model_id << {KEY_BITS}) + content_id IN (SELECT key FROM embeddings)",
    ),
    _Rule(
        "images lack their embedding and do not wait for it",
        "have them encoded",
        f"{_WANTED} AND NOT EXISTS (SELECT 1 FROM encode_queue WHERE model_id = models.id"
        " AND content_id = contents.id)",
        f"INSERT OR IGNORE INTO encode_queue SELECT models.id, contents.id {_WANTED}",
    ),
)


class RowRepair:
    """Compares the rows of a catalog with each other. For a catalog that nobody else uses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def findings(self) -> list[tuple[str, str]]:
        """Return (what is wrong, what `mend` does about it)."""
        found = []
        bad = len(self._bad_vectors())
        if bad:
            found.append((f"{bad} embeddings are not unit vectors", "have the images encoded anew"))
        with self._database.read() as connection:
            for rule in _RULES:
                ((count,),) = connection.execute(f"SELECT count(*) {rule.broken}").fetchall()
                if count:
                    found.append((f"{count} {rule.what}", rule.remedy))
            lacking = name_index.mismatches(connection)
        if lacking or self._names_damaged():
            found.append(("words of names and metadata are not as they must be", "make them anew"))
        return found

    def _names_damaged(self) -> bool:
        """Return whether the words' table is damaged; FTS5 tells only who may write."""
        address = f"file:{urllib.parse.quote(self._database.path)}?mode=rw"
        with contextlib.closing(
            sqlite3.connect(address, uri=True, isolation_level=None)
        ) as connection:
            try:
                connection.execute("BEGIN")
                return name_index.is_damaged(connection)
            except sqlite3.OperationalError:  # the folder may be read only: then nobody can tell
                return False
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def mend(self) -> None:
        """Make everything true, in one transaction."""
        bad = self._bad_vectors()
        with self._database.write() as (connection, clock):
            connection.executemany("DELETE FROM embeddings WHERE key = ?", [(key,) for key in bad])
            for rule in _RULES:
                named = {"clock": clock} if ":clock" in rule.mend else {}
                connection.execute(rule.mend, named)
            name_index.rebuild(connection)

    def _bad_vectors(self) -> list[int]:
        bad: list[int] = []
        with self._database.read() as connection:
            for (model,) in connection.execute("SELECT id FROM models").fetchall():
                dim = model_dim(connection, model)
                cursor = connection.execute(
                    "SELECT key, vector FROM embeddings WHERE key > ? AND key < ?",
                    (model << KEY_BITS, (model + 1) << KEY_BITS),
                )
                while rows := cursor.fetchmany(_BATCH):
                    _, sound = decoded([vector for _, vector in rows], dim)
                    bad += [rows[row][0] for row in np.flatnonzero(~sound)]
        return bad
