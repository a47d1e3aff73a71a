"""Which images a search may find, and what it orders and samples them by."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sqlite3
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from imgvecd import globs
from imgvecd.api import Filters
from imgvecd.catalog.files import name_index, place_index
from imgvecd.catalog.files.companions import developed
from imgvecd.catalog.files.gazetteer import GAZETTEER
from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.queries.filters import conditions
from imgvecd.catalog.queries.known_names import KnownNames
from imgvecd.catalog.queries.query_texts import QueryTexts
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.work.models import model_id
from imgvecd.core.search.name_words import expression
from imgvecd.core.search.remembered import Remembered
from imgvecd.types import Float32Array, Int64Array, KnownName, Town, join

logger = logging.getLogger(__name__)

_EARTH_KM = 6371.0  # mean radius
# What the queries of a few people ask of names, places and RAW files: 4 MB if all find so much.
_REMEMBERED = 512
_MOST_IDS = 1000
_FIRST_FILE = (
    "SELECT contents.taken_at, roots.path, files.dir, files.name FROM contents"
    " JOIN files ON files.content_id = contents.id JOIN roots ON roots.id = files.root_id"
    f" WHERE contents.id = ? ORDER BY {offline()}, files.id LIMIT 1"
)
# first encoded: no other model knew it before, so a change of models makes nothing new
_NEW = (
    "SELECT embeddings.clock, contents.id FROM embeddings"
    " JOIN contents ON contents.id = embeddings.key - :base"
    " WHERE (embeddings.clock > :clock OR embeddings.clock = :clock AND contents.id > :id)"
    " AND embeddings.clock >= :clock AND +embeddings.key > :base AND +embeddings.key < :end"
    " AND contents.live AND NOT EXISTS (SELECT 1 FROM models JOIN embeddings AS other"
    f" ON other.key = (models.id << {KEY_BITS}) + contents.id"
    " WHERE models.id != :model AND other.clock < embeddings.clock)"
    # nor does an edit of the metadata in a file, which leaves the pixels as they were
    " AND NOT EXISTS (SELECT 1 FROM embeddings AS same WHERE same.pixels = embeddings.pixels"
    " AND same.key > :base AND same.key < :end AND same.clock < embeddings.clock)"
    " ORDER BY embeddings.clock, contents.id LIMIT :limit"
)
# Of few embeddings all hashes are sorted; of many, hashes are gone through in their order, and most
# have one.
_FEW = 8192
_SOME_ENCODED = (
    "SELECT count(*) FROM (SELECT 1 FROM embeddings WHERE key > :base AND key < :end LIMIT :few)"
)
_FEW_BY_HASH = (
    "SELECT contents.id FROM embeddings CROSS JOIN contents ON contents.id = embeddings.key - :base"
    " WHERE embeddings.key > :base AND embeddings.key < :end AND contents.live"
    " ORDER BY contents.hash LIMIT :count"
)
_MANY_BY_HASH = (
    "SELECT contents.id FROM contents CROSS JOIN embeddings ON embeddings.key = :base + contents.id"
    " WHERE contents.hash > x'' AND +contents.live ORDER BY contents.hash LIMIT :count"
)


class SearchRows:
    """Implements `SearchStore`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts = QueryTexts(database)
        self._known = KnownNames(database)
        self._remembered: Remembered[Hashable, Any] = Remembered(
            lambda: database.changes, _REMEMBERED, lambda answer: len(answer) <= _MOST_IDS
        )

    @property
    def state(self) -> Hashable:
        """What the answers of all else here depend on: while it is the same, so are they."""
        return self._database.changes, self._known.edition

    def one_moment(self) -> contextlib.AbstractContextManager[None]:
        """Have all that this thread asks here, of images and of embeddings be of one moment."""
        return self._database.one_moment()

    def matching(self, filters: Filters) -> Int64Array:
        """Return the sorted ids of live contents that pass.

        Args:
            filters: `taken_from` and `taken_to` are local times, beginning and end (left out).

        Raises:
            BadRequestError: a folder under no root, a root that is none, a key that cannot be one.
        """
        with self._database.read() as connection:
            roots = connection.execute("SELECT id, path FROM roots").fetchall()
            tests = [("contents.live", ()), *conditions(filters, roots)]
            where = " AND ".join(f"({sql})" for sql, _ in tests)
            values = tuple(value for _, some in tests for value in some)
            rows = connection.execute(
                "SELECT id, json_extract(metadata, '$.gps_latitude'),"
                f" json_extract(metadata, '$.gps_longitude') FROM contents WHERE {where}"
                " ORDER BY id"
                if filters.near
                else f"SELECT id, 0, 0 FROM contents WHERE {where} ORDER BY id",
                values,
            ).fetchall()
            fitting = _fitting_glob(connection, filters.glob) if filters.glob else None
        if filters.near is not None:
            latitude, longitude, reach = filters.near
            rows = [row for row in rows if _distance_km(latitude, longitude, *row[1:]) <= reach]
        ids = [row[0] for row in rows if fitting is None or row[0] in fitting]
        return np.asarray(ids, np.int64)

    def order_keys(self, ids: Sequence[int]) -> dict[int, tuple[str | None, bytes]]:
        """Return (taken_at, path of a file, an online one if there is one) by content id."""
        with self._database.read() as connection:
            # one statement at a time: each one left open would be prepared anew, ever more slowly
            rows = (
                (identity, connection.execute(_FIRST_FILE, (identity,)).fetchone())
                for identity in ids
            )
            return {
                identity: (row[0], os.path.join(row[1], join(row[2], row[3])))
                for identity, row in rows
                if row is not None
            }

    def developed(self, ids: Sequence[int]) -> dict[int, set[int]]:
        """Return those of `ids` that are RAW, with the pictures made from each."""
        some = tuple(ids)

        def look() -> dict[int, set[int]]:
            with self._database.read() as connection:
                raw = connection.execute(
                    "SELECT id FROM contents WHERE format = 'raw'"
                    " AND id IN (SELECT value FROM json_each(?))",
                    (json.dumps(some),),
                ).fetchall()
                return developed(connection, [content_id for (content_id,) in raw])

        if len(some) > _MOST_IDS:
            return look()
        found: dict[int, set[int]] = self._remembered.answer(("developed", some), look)
        return found

    def named(self, text: str, limit: int, *, whole_words: bool = False) -> Int64Array:
        """Return the sorted ids of live contents whose names and metadata have all words of a text.

        Where none has, those that have words which begin so.

        Args:
            limit: the newest of them, if there are more.
            whole_words: no beginnings.
        """
        found: Int64Array = self._remembered.answer(
            ("named", text, limit, whole_words),
            lambda: np.sort(
                np.asarray(self._having(text, limit, whole_words=whole_words), np.int64)
            ),
        )
        return found

    def named_by(self, columns: str, text: str, ids: Sequence[int]) -> set[int]:
        """Return those of `ids` of which some columns of the names have all words of a text.

        Args:
            columns: of "file" (files and folders), "told" (metadata), "seen" (text in pictures).
        """
        return set(self._having(text, len(ids), columns=columns, among=ids))

    def _having(
        self,
        text: str,
        limit: int,
        *,
        whole_words: bool = False,
        columns: str | None = None,
        among: Sequence[int] | None = None,
    ) -> list[int]:
        before = None
        for beginnings in (False,) if whole_words else (False, True):
            wanted = expression(text, beginnings=beginnings)
            if wanted is not None and wanted != before:
                where = wanted if columns is None else f"{{{columns}}} : ({wanted})"
                if rows := self._names_matching(where, limit, among):
                    return rows
            before = wanted
        return []

    def _names_matching(
        self, wanted: str, limit: int, among: Sequence[int] | None = None
    ) -> list[int]:
        some = "" if among is None else "AND rowid IN (SELECT value FROM json_each(:ids))"
        with self._database.read() as connection:
            try:
                rows = connection.execute(
                    f"SELECT rowid FROM names WHERE names MATCH :wanted {some}"
                    " ORDER BY rowid DESC LIMIT :limit",
                    {"wanted": wanted, "limit": limit, "ids": json.dumps(list(among or ()))},
                ).fetchall()
            except sqlite3.DatabaseError as error:
                if not name_index.is_damage(error):
                    raise
                logger.error("the words of names are damaged: made anew")  # noqa: TRY400
                rows = None
        if rows is None:
            with self._database.write_aside() as writer:
                name_index.rebuild(writer)
            return []
        return [content_id for (content_id,) in rows]

    def fill_names(self) -> bool:
        """Take in some names and places not yet looked for; return whether there are more."""
        with self._database.read() as connection:
            names, places = name_index.is_filling(connection), place_index.is_filling(connection)
        if names:
            with self._database.write_aside() as connection:
                names = name_index.fill(connection)
        if places:
            with self._database.write():  # which takes in some
                pass
        return names or places

    def places(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return those folded names that places of images have, with each such place."""

        def look() -> dict[str, list[str]]:
            with self._database.read() as connection:
                return place_index.called(connection, names)

        found: dict[str, list[str]] = self._remembered.answer(("places", tuple(names)), look)
        return found

    def towns(self, name: str) -> Sequence[Town]:
        """Return the towns of the world with a name, in any language, the largest first.

        A few at most. Blocks, for 0.2 s at the first time.
        """
        folded = place_index.folded(name)
        try:
            return GAZETTEER.towns(folded) if folded else ()
        except (sqlite3.Error, OSError) as error:  # no reason not to search
            logger.warning("the file of places cannot be read: %s", error)
            return ()

    def called(self, names: Sequence[str]) -> dict[str, list[KnownName]]:
        """Return those folded names that something in the library has, and what has them."""
        return self._known.called(names)

    def spellings(self) -> Sequence[str]:
        """Return names that something in the library or one of its places has, folded.

        With them stand the single words that they are made of, and what places are called in other
        languages comes last.
        """
        return self._known.spellings()

    def bearing(self, names: Sequence[KnownName]) -> Int64Array:
        """Return the sorted ids of live images, the newest if there are many, that bear one."""
        return self._known.bearing(names)

    def sample_ids(self, fingerprint: str, count: int) -> list[int]:
        """Return up to `count` live contents with an embedding: those whose hashes come first.

        So they are drawn evenly from all, and the order in which images came is no matter.
        """
        with self._database.read() as connection:
            keys = {**_keys(connection, fingerprint), "few": _FEW, "count": count}
            (encoded,) = connection.execute(_SOME_ENCODED, keys).fetchone()
            sample = _FEW_BY_HASH if encoded < _FEW else _MANY_BY_HASH
            return [row[0] for row in connection.execute(sample, keys)]

    def new_embeddings(
        self, fingerprint: str, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """Return (clock, content id) of images first encoded after that pair, in this order."""
        with self._database.read() as connection:
            keys = _keys(connection, fingerprint)
            return connection.execute(
                _NEW, {**keys, "clock": after[0], "id": after[1], "limit": limit}
            ).fetchall()

    def texts(self, fingerprint: str, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return the embeddings, shape (dim,), of those texts that are kept."""
        return self._texts.texts(fingerprint, texts)

    def keep_texts(self, fingerprint: str, vectors: Mapping[str, Float32Array]) -> None:
        """Keep embeddings of texts; does nothing where the catalog is read only."""
        self._texts.keep_texts(fingerprint, vectors)


def _keys(connection: sqlite3.Connection, fingerprint: str) -> dict[str, int]:
    model = model_id(connection, fingerprint)
    return {"model": model, "base": model << KEY_BITS, "end": (model + 1) << KEY_BITS}


def _fitting_glob(connection: sqlite3.Connection, glob: str) -> set[int]:
    wanted = globs.of_path(glob)
    rows = connection.execute(
        "SELECT files.content_id, roots.path, files.dir, files.name FROM files"
        " JOIN roots ON roots.id = files.root_id WHERE files.content_id IS NOT NULL"
    )
    fitting: set[int] = set()
    folder, state = None, wanted.start
    for content_id, root, directory, name in rows:
        if folder != (root, directory):  # files mostly come folder by folder
            folder = root, directory
            state = wanted.after(wanted.start, os.path.join(root, directory, b""))
        if wanted.after(state, name).accepts:
            fitting.add(content_id)
    return fitting


def _distance_km(latitude: float, longitude: float, other: float, other_longitude: float) -> float:
    """Return the great-circle distance, by the haversine formula."""
    a, b = math.radians(latitude), math.radians(other)
    d = math.radians(other_longitude - longitude)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(d / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(h)))
