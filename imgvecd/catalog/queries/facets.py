"""Which cameras, words, people, folders and places there are, and how many images each has."""

from __future__ import annotations

import math
import os

from imgvecd.api import Cluster, Clusters, Facet, FacetKind, Path
from imgvecd.catalog.files.place_index import line
from imgvecd.catalog.queries.filters import FAVORITE
from imgvecd.catalog.queries.timeline import SHORT_HASH
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.map_cells import LEVELS, UNITS_PER_DEGREE
from imgvecd.spelling import folded_words

_KINDS = {"camera": ("camera",), "tag": ("tag", "keyword"), "person": ("person",)}
_CLUSTERS = 4096  # at the most: 64 rows of 64 cells, or half of what 64 columns can have


class FacetTable:
    """Counts by what images have in common. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def facets(self, kind: FacetKind, contains: str, limit: int) -> list[Facet]:
        """Return the values that most images have.

        Args:
            contains: only values with this in them, whatever its case and Unicode's spelling.
        """
        if kind == "place":
            return self._places(contains, limit)
        if kind == "folder":
            return self._folders(contains, limit)
        if kind == "favorite":
            return self._favorites(contains)
        return self._words(_KINDS[kind], contains, limit)

    def _words(self, kinds: tuple[str, ...], contains: str, limit: int) -> list[Facet]:
        """Count words, those that the filter takes for one together, as most have it spelled."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT word, count(DISTINCT content_id) AS images FROM words"
                f" WHERE kind IN ({_marks(kinds)}) GROUP BY word ORDER BY images DESC, word",
                kinds,
            ).fetchall()
        wanted = folded_words(contains)
        counts: dict[str, Facet] = {}
        for word, images in rows:
            key = folded_words(word)
            if wanted in key:
                known = counts.get(key, Facet(value=word, count=0))
                counts[key] = Facet(value=known.value, count=known.count + images)
        ordered = sorted(counts.values(), key=lambda facet: (-facet.count, facet.value))
        return ordered[:limit]

    def _favorites(self, contains: str) -> list[Facet]:
        with self._database.read() as connection:
            (images,) = connection.execute(
                f"SELECT count(*) FROM contents WHERE live AND {FAVORITE}"
            ).fetchone()
        is_wanted = images and folded_words(contains) in "favorite"
        return [Facet(value="favorite", count=images)] if is_wanted else []

    def _folders(self, contains: str, limit: int) -> list[Facet]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT roots.path, dir, files FROM (SELECT root_id, dir, count(*) AS files"
                " FROM files WHERE NOT companion GROUP BY root_id, dir)"
                " JOIN roots ON roots.id = root_id"
                " WHERE instr(folded(CAST(roots.path || '/' || dir AS TEXT)), folded(?)) > 0"
                " ORDER BY files DESC, roots.path, dir LIMIT ?",
                (contains, limit),
            ).fetchall()
        named = ((Path.of(os.path.join(root, inside).rstrip(b"/")), n) for root, inside, n in rows)
        return [Facet(value=path.path, value_base64=path.path_base64, count=n) for path, n in named]

    def _places(self, contains: str, limit: int) -> list[Facet]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, region, country, images FROM (SELECT place_id, count(*) AS images"
                " FROM content_places GROUP BY place_id) JOIN places ON places.id = place_id"
                " WHERE instr(folded(name || ', ' || region || ', ' || country), folded(?))"
                " ORDER BY images DESC, name, region, country LIMIT ?",
                (contains, 2 * limit),
            ).fetchall()
        counts: dict[str, int] = {}
        for *place, images in rows:  # a city that is a region by itself is told once
            counts.setdefault(line(*place), images)
        return [Facet(value=place, count=images) for place, images in counts.items()][:limit]

    def clusters(self, box: tuple[float, float, float, float], columns: int) -> Clusters:
        """Return where images were taken, those of one cell of the map together.

        Args:
            box: south, west, north, east; west > east crosses the date line.
            columns: how many cells lie from west to east at the least; up to twice as many do.
        """
        south, west, north, east = box
        width = (east - west) % 360 or 360.0
        wanted = math.ceil(math.log2(360 * columns / max(width, 1e-9)))
        shown = min(max(wanted, LEVELS[0]), LEVELS[-1])
        level = next(level for level in LEVELS if level >= shown)
        joint = "AND" if west <= east else "OR"
        ends = (math.floor(south * UNITS_PER_DEGREE), math.ceil(north * UNITS_PER_DEGREE))
        sides = (math.floor(west * UNITS_PER_DEGREE), math.ceil(east * UNITS_PER_DEGREE))
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT *, (SELECT {SHORT_HASH} FROM contents WHERE id = sample) FROM ("
                # what lies in the box by its mean is in it
                "SELECT sum(latitudes) * 1.0 / sum(images), sum(longitudes) * 1.0 / sum(images),"
                " sum(images) AS count, max(sample) AS sample FROM map_cells"
                f" WHERE level = ? AND y BETWEEN ? AND ? AND (x >= ? {joint} x <= ?)"
                " AND latitudes BETWEEN ? * images AND ? * images"
                f" AND (longitudes >= ? * images {joint} longitudes <= ? * images)"
                " GROUP BY y >> ?, x >> ? ORDER BY count DESC LIMIT ?) ORDER BY count DESC",
                (
                    *(level, _row(south + 90, level), _row(north + 90, level)),
                    *(_row(west + 180, level), _row(east + 180, level), *ends, *sides),
                    *(level - shown, level - shown, _CLUSTERS),
                ),
            ).fetchall()
        found = (
            Cluster(
                latitude=latitude / UNITS_PER_DEGREE,
                longitude=longitude / UNITS_PER_DEGREE,
                count=count,
                id=identity,
                hash=digest,
            )
            for latitude, longitude, count, identity, digest in rows
        )
        return Clusters(clusters=tuple(found), cell_degrees=360 / (1 << shown))


def _row(degrees: float, level: int) -> int:
    return math.floor(degrees / 360 * (1 << level))


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))
