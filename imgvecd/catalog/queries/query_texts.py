"""What searching keeps: embeddings of texts, and searches with names."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from imgvecd.api import SavedSearch, SearchRequest
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.work.models import model_dim, model_id
from imgvecd.errors import BadRequestError, CatalogError, NotFoundError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.spelling import composed
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

_KEPT_TEXTS = 20_000  # of all models together: 40 MB at 512 dimensions
_MOST_SAVED = 1000  # searches with names; each may hold a picture
_AT_ONCE = 256  # looked for in one statement
_KEPT_AT_ONCE = 64  # likewise: SQLite lets go of the interpreter for each, not for each row
_UNIT_TOLERANCE = 1e-3  # as the index has it of queries
_USE_NS = 86_400 * 10**9  # a use is recorded once a day, so that repeated queries write nothing


class QueryTexts:
    """Embeddings of texts by model. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def texts(self, fingerprint: str, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return the embeddings, shape (dim,), of those texts that are kept."""
        with self._database.read() as connection:
            model = model_id(connection, fingerprint)
            dim = model_dim(connection, model)
            rows = [
                row
                for start in range(0, len(texts), _AT_ONCE)
                for row in _kept(connection, model, texts[start : start + _AT_ONCE])
            ]
        now = time.time_ns()
        try:
            self._mark_used(model, now, [text for text, _, used in rows if now - used > _USE_NS])
        except CatalogError as error:  # on a full disk nothing is dropped either
            logger.debug("the use of texts is not recorded: %s", error)
        return {
            text: vector
            for text, stored, _ in rows
            if (vector := _believed(stored, dim)) is not None  # others are encoded again
        }

    def keep_texts(self, fingerprint: str, vectors: Mapping[str, Float32Array]) -> None:
        """Keep embeddings of texts; does nothing where the catalog is read only."""
        if self._database.read_only:
            return
        now = time.time_ns()
        with self._database.write_aside(alters=False) as connection:
            model = model_id(connection, fingerprint)
            rows = [(model, text, vector.tobytes(), now) for text, vector in vectors.items()]
            for start in range(0, len(rows), _KEPT_AT_ONCE):
                some = rows[start : start + _KEPT_AT_ONCE]
                places = ", ".join(["(?, ?, ?, ?)"] * len(some))
                connection.execute(
                    f"INSERT OR REPLACE INTO texts VALUES {places}",
                    list(itertools.chain.from_iterable(some)),
                )
            connection.execute(
                "DELETE FROM texts WHERE used_ns <"
                " (SELECT used_ns FROM texts ORDER BY used_ns DESC LIMIT 1 OFFSET ?)",
                (_KEPT_TEXTS,),
            )

    def _mark_used(self, model: int, now: int, texts: Sequence[str]) -> None:
        if texts and not self._database.read_only:
            with self._database.write_aside(alters=False) as connection:
                connection.executemany(
                    "UPDATE texts SET used_ns = ? WHERE model_id = ? AND text = ?",
                    [(now, model, text) for text in texts],
                )


def _kept(
    connection: sqlite3.Connection, model: int, texts: Sequence[str]
) -> list[tuple[str, bytes, int]]:
    # a few lengths only, so that SQLite has them prepared
    places = 1 << (len(texts) - 1).bit_length()
    return connection.execute(
        "SELECT text, vector, used_ns FROM texts WHERE model_id = ? AND text IN"
        f" ({', '.join('?' * places)})",
        (model, *texts, *[None] * (places - len(texts))),
    ).fetchall()


def _believed(stored: bytes, dim: int) -> Float32Array | None:
    """Return a kept vector; None if a disk has made it something else."""
    if len(stored) != 4 * dim:
        return None
    vector: Float32Array = np.frombuffer(stored, np.float32)
    return vector if abs(np.linalg.norm(vector) - 1) <= _UNIT_TOLERANCE else None


def _search(name: str, text: str) -> SearchRequest | None:
    try:
        return msgspec.json.decode(text, type=SearchRequest)
    except UNDECODABLE as error:
        logger.warning("the saved search %r is of another version, and left alone: %s", name, error)
        return None


def _as_kept(connection: sqlite3.Connection, name: str) -> str:
    """Return a search's name as it is kept, in whichever spelling of its characters."""
    kept = (known for (known,) in connection.execute("SELECT name FROM saved_searches"))
    return next((known for known in kept if composed(known) == composed(name)), composed(name))


class SavedSearchTable:
    """Searches with names: implements `SavedSearchStore`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def saved(self) -> list[SavedSearch]:
        """Return all, by name, less those that another version has written and this cannot read."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, search FROM saved_searches ORDER BY name"
            ).fetchall()
        readable = ((name, _search(name, search)) for name, search in rows)
        return [SavedSearch(name=name, search=search) for name, search in readable if search]

    def save(self, search: SavedSearch) -> None:
        """Keep a search; one of the same name is replaced.

        Raises:
            BadRequestError: there are as many as may be.
        """
        text = msgspec.json.encode(search.search).decode()
        with self._database.write_aside() as connection:
            name = _as_kept(connection, search.name)
            (others,) = connection.execute(
                "SELECT count(*) FROM saved_searches WHERE name != ?", (name,)
            ).fetchone()
            if others >= _MOST_SAVED:
                raise BadRequestError(f"there are {_MOST_SAVED:,} saved searches: drop one first")
            connection.execute("INSERT OR REPLACE INTO saved_searches VALUES (?, ?)", (name, text))

    def forget(self, name: str) -> None:
        """Drop a search.

        Raises:
            NotFoundError: there is none of this name.
        """
        with self._database.write_aside() as connection:
            kept = _as_kept(connection, name)
            gone = connection.execute("DELETE FROM saved_searches WHERE name = ?", (kept,))
        if not gone.rowcount:
            raise NotFoundError(f"there is no saved search {name!r}")
