"""The names that the library has: of people, tags, cameras and folders, and which images bear one.

Their spellings, and those of places, are what a misspelt name is compared with.

Names are looked up in memory. They are read from the catalog when they are asked for, as often as
costs a twentieth of the time at the most, so that a large library's are some seconds old at worst.
"""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import get_meta
from imgvecd.core.search.words import tokens
from imgvecd.types import Int64Array, KnownName

_SHARE = 20  # times as long as reading them takes, they are kept
_MOST = 20_000  # names of a kind
_MOST_IMAGES = 10_000  # that bear one, the newest
_LONGEST = 200  # characters of a name that is looked at
_MOST_NAMESAKES = 100
_SHORTEST = 2  # letters of a part of a person's name

# One step of the index a name, whatever number of images bears it.
_WORDS = (
    "WITH RECURSIVE each(word) AS (SELECT min(word) FROM words WHERE kind = :kind UNION ALL"
    " SELECT (SELECT min(word) FROM words WHERE kind = :kind AND word > each.word) FROM each"
    " WHERE word IS NOT NULL) SELECT word FROM each WHERE word IS NOT NULL LIMIT :most"
)
_FOLDERS = (
    "WITH RECURSIVE each(root, dir) AS (SELECT id, (SELECT min(dir) FROM files WHERE root_id = id)"
    " FROM roots UNION ALL SELECT root, (SELECT min(dir) FROM files WHERE root_id = root"
    " AND dir > each.dir) FROM each WHERE dir IS NOT NULL)"
    " SELECT dir FROM each WHERE dir IS NOT NULL LIMIT :most"
)
_PLACES = "SELECT name FROM places LIMIT ?"
_PLACE_NAMES = "SELECT name FROM place_names LIMIT ?"
_KINDS: Mapping[str, tuple[str, ...]] = {
    "person": ("person",), "tag": ("tag", "keyword"), "camera": ("camera",),
}  # fmt: skip


class KnownNames:
    """Looks names up. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._names: dict[str, list[KnownName]] = {}
        self._spellings: tuple[str, ...] | None = None
        self._clock = -1
        self._changes = -1
        self._outdated = False
        self._reads = 0
        self._fresh_until = 0.0

    @property
    def edition(self) -> int:
        """Which names are told now: another number once they are read again, or may be."""
        return self._reads + (self._outdated and time.monotonic() >= self._fresh_until)

    def called(self, names: Sequence[str]) -> dict[str, list[KnownName]]:
        """Return those folded names that something in the library has, and what has them."""
        with self._lock:
            known = self._current()
        return {name: known[name] for name in names if name in known}

    def spellings(self) -> Sequence[str]:
        """Return names that something in the library or one of its places has, folded.

        With them stand the single words that they are made of, and what places are called in other
        languages comes last.
        """
        with self._lock:
            known = self._current()
            if self._spellings is None:
                with self._database.read() as connection:
                    places, translated = (
                        [" ".join(tokens(name)) for (name,) in connection.execute(sql, (_MOST,))]
                        for sql in (_PLACES, _PLACE_NAMES)
                    )
                own = [*known, *places]
                words = [word for name in own for word in name.split()]
                self._spellings = tuple(dict.fromkeys([*own, *words, *translated]))
            return self._spellings

    def bearing(self, names: Sequence[KnownName]) -> Int64Array:
        """Return the sorted ids of live images, the newest if there are many, that bear one."""
        found: set[int] = set()
        with self._database.read() as connection:
            for name in names:
                for kind in _KINDS.get(name.kind, ()):
                    found |= {
                        content_id
                        for (content_id,) in connection.execute(
                            "SELECT content_id FROM words WHERE kind = ? AND word = ?"
                            " ORDER BY content_id DESC LIMIT ?",
                            (kind, name.name, _MOST_IMAGES),
                        )
                    }
                if name.kind == "folder":
                    folder = os.fsencode(name.name)
                    found |= {
                        content_id
                        for (content_id,) in connection.execute(
                            "SELECT DISTINCT content_id FROM files WHERE root_id IN"
                            " (SELECT id FROM roots) AND (dir = ?1 OR dir > ?1 || x'2f' AND"
                            " dir < ?1 || x'30') AND content_id IS NOT NULL"
                            " ORDER BY content_id DESC LIMIT ?2",
                            (folder, _MOST_IMAGES),
                        )
                    }
        return np.sort(np.fromiter(found, np.int64))

    def _current(self) -> Mapping[str, list[KnownName]]:
        changes = self._database.changes
        if changes == self._changes:
            return self._names
        with self._database.read() as connection:
            clock = get_meta(connection, "clock")
            self._outdated = clock != self._clock
            if not self._outdated:
                self._changes = changes
            if not self._outdated or time.monotonic() < self._fresh_until:
                return self._names
            began = time.monotonic()
            self._names = collections.defaultdict(list)
            for kind, words in _KINDS.items():
                for word in words:
                    asked = {"kind": word, "most": _MOST}
                    for (name,) in connection.execute(_WORDS, asked):
                        self._add(KnownName(kind, name, name))
            for folder in _with_parents(connection.execute(_FOLDERS, {"most": _MOST})):
                shown = os.path.basename(folder).decode(errors="replace")
                self._add(KnownName("folder", os.fsdecode(folder), shown))
            self._spellings = None
        self._clock, self._changes = clock, changes
        self._outdated = False
        self._reads += 1
        self._fresh_until = time.monotonic() + _SHARE * (time.monotonic() - began)
        return self._names

    def _add(self, name: KnownName) -> None:
        for key in dict.fromkeys(_keys(name)):
            if len(self._names[key]) < _MOST_NAMESAKES:
                self._names[key].append(name)


def _with_parents(rows: Iterable[tuple[bytes]]) -> set[bytes]:
    """Return folders that hold images, and those around them below their roots."""
    found: set[bytes] = set()
    for (folder,) in rows:
        path = folder
        while path and path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return found


def _keys(name: KnownName) -> Iterator[str]:
    """Yield by what a name is looked up: as a whole, people by its parts, too, and cameras by less.

    A camera's begins with its maker's, which people leave out.
    """
    parts = tokens(name.shown[:_LONGEST])
    yield " ".join(parts)
    if name.kind == "person":
        yield from (part for part in parts if len(part) >= _SHORTEST and part.isalpha())
    if name.kind == "camera":
        yield " ".join(parts[1:])
