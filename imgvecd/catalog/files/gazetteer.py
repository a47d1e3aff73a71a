"""The towns, regions and countries of the world, by position: GeoNames' data, in a file of ours.

`tools.make_places` makes the file, and beside it one that says which towns may have a name: to look
through all of them takes 0.2 s. They are opened when the first position or name is asked for, which
takes as long, and some MB.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
import sqlite3
import threading
import urllib.parse
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgvecd.types import Town

_KM_PER_DEGREE = 111.2
_IN_DEGREES = 1e-4
# What is farther from the next town than this lies in no town; than that, in no country (the sea).
_NEAR_TOWN_KM = 20.0
_NEAR_COUNTRY_KM = 200.0
# Cities reach as far as their people take room; this is how densely they live in many of them.
_PEOPLE_PER_CIRCLE_KM2 = 3000.0 * math.pi  # of one with a radius of 1 km
_WINDOWS_KM = (50.0, _NEAR_COUNTRY_KM)  # the largest city reaches 50 km; most positions have a town
_MOST_CITIES = 2  # around one place: a city, and the one that it has grown into
_MOST_NAMESAKES = 8
_REMEMBERED = 4096  # positions: photos are taken in rows
_DIGITS = 3  # of a degree, 100 m
# Of names: some 120 towns lie in each, which are looked at in a millisecond.
BUCKETS = 4096


def bucket_of(name: str) -> int:
    """Return the bucket of a folded name in the file of towns by their names."""
    return zlib.crc32(name.encode()) % BUCKETS


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a name.

    Attributes:
        kind: "town", "region" or "country".
        region, country: in which it lies; empty if none is known, or it is one itself.
        names: folded, in any language, its own among them.
    """

    kind: str
    name: str
    region: str = ""
    country: str = ""
    names: tuple[str, ...] = ()


class Gazetteer:
    """Names places. Thread-safe; raises sqlite3.Error if its file cannot be read.

    Args:
        path: of the file of places.
        by_name: of the file of towns by their names: of each bucket in turn, the differences
            between the ascending ids of its towns, the first of them to 0, and a 0 at the end.
    """

    def __init__(self, path: str, by_name: str) -> None:
        self._path = path
        self._by_name = by_name
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._steps: np.ndarray[tuple[int], np.dtype[np.uint16]] | None = None
        self.around = functools.lru_cache(_REMEMBERED)(self._around)
        self.country = functools.lru_cache(_REMEMBERED)(self._country)
        self.towns = functools.lru_cache(_REMEMBERED)(self._towns)

    def at(self, latitude: float, longitude: float) -> tuple[Place, ...]:
        """Return where a position lies: towns, the largest first, then region and country."""
        return self.around(round(latitude, _DIGITS), round(longitude, _DIGITS))

    def _around(self, latitude: float, longitude: float) -> tuple[Place, ...]:
        with self._lock:
            connection = self._opened()
            chosen, nearest = self._chosen(latitude, longitude)
            if nearest is None:
                return ()
            rows = [
                connection.execute(
                    "SELECT towns.name, regions.name, countries.name, towns.names, regions.names,"
                    " countries.names FROM towns LEFT JOIN regions ON regions.id = region"
                    " JOIN countries ON code = country WHERE towns.id = ?",
                    (row + 1,),
                ).fetchone()
                for row in (*chosen, nearest)
            ]
        *towns, last = rows
        _, region, country, _, region_names, country_names = last
        return (
            *(
                Place("town", name, own_region or "", own_country, tuple(names.split("\n")))
                for name, own_region, own_country, names, _, _ in towns
            ),
            *(
                [Place("region", region, "", country, tuple(region_names.split("\n")))]
                if region
                else []
            ),
            Place("country", country, names=tuple(country_names.split("\n"))),
        )

    def _country(self, name: str) -> Place | None:
        """Return the country with a folded name, in any language."""
        with self._lock:
            row = (
                self._opened()
                .execute(
                    "SELECT name, names FROM countries"
                    " WHERE instr(char(10) || names || char(10), char(10) || ? || char(10))",
                    (name,),
                )
                .fetchone()
            )
        return None if row is None else Place("country", row[0], names=tuple(row[1].split("\n")))

    def _towns(self, name: str) -> tuple[Town, ...]:
        """Return the towns with a folded name, in any language, the largest first; a few at most.

        Raises:
            OSError, sqlite3.Error: a file cannot be read.
        """
        with self._lock:
            connection, ids = self._opened(), self._bucket(bucket_of(name))
            rows = connection.execute(
                "SELECT name, latitude, longitude, population FROM towns"
                f" WHERE id IN ({','.join(map(str, ids))})"
                " AND instr(char(10) || names || char(10), char(10) || ? || char(10))"
                " ORDER BY population DESC LIMIT ?",
                (name, _MOST_NAMESAKES),
            ).fetchall()
        return tuple(
            Town(
                town,
                round(latitude * _IN_DEGREES, 4),
                round(longitude * _IN_DEGREES, 4),
                math.sqrt(people / _PEOPLE_PER_CIRCLE_KM2),
            )
            for town, latitude, longitude, people in rows
        )

    def _chosen(self, latitude: float, longitude: float) -> tuple[list[int], int | None]:
        """Return (rows of the towns that a position lies in, the row of the nearest one)."""
        for window_km in _WINDOWS_KM:
            reach = window_km / _KM_PER_DEGREE
            first, end = np.searchsorted(
                self._latitudes,
                [(latitude - reach) / _IN_DEGREES, (latitude + reach) / _IN_DEGREES],
            )
            north = self._latitudes[first:end] * _IN_DEGREES - latitude
            east = (self._longitudes[first:end] * _IN_DEGREES - longitude + 180) % 360 - 180
            distances = _KM_PER_DEGREE * np.hypot(north, east * np.cos(np.radians(latitude)))
            if len(distances) and distances.min() <= window_km:
                break
        else:
            return [], None
        nearest = int(np.argmin(distances))
        within = np.flatnonzero(
            (distances <= self._reaches[first:end])
            & (self._countries[first:end] == self._countries[first + nearest])
        )
        largest = within[np.argsort(-self._reaches[first:end][within], kind="stable")][
            :_MOST_CITIES
        ]
        chosen = [int(row) for row in largest]
        if distances[nearest] <= _NEAR_TOWN_KM and nearest not in chosen:
            chosen.append(nearest)
        return [int(first) + row for row in chosen], int(first) + nearest

    def _bucket(self, number: int) -> list[int]:
        """Return the ids of the towns of which a name lies in a bucket."""
        if self._steps is None:
            self._steps = np.fromfile(self._by_name, "<u2")
            self._ends = np.flatnonzero(self._steps == 0)
        begin = int(self._ends[number - 1]) + 1 if number else 0
        ids: list[int] = self._steps[begin : self._ends[number]].cumsum(dtype=np.int64).tolist()
        return ids

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                f"file:{urllib.parse.quote(self._path)}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
            kinds = [("latitude", np.int32), ("longitude", np.int32), ("population", np.int32)]
            rows = connection.execute(
                "SELECT latitude, longitude, population, unicode(country) * 256"
                " + unicode(substr(country, 2)) FROM towns ORDER BY id"
            )
            table = np.fromiter(rows, np.dtype([*kinds, ("country", np.int32)]))
            self._latitudes = np.ascontiguousarray(table["latitude"])
            self._longitudes = np.ascontiguousarray(table["longitude"])
            self._countries = table["country"].astype(np.uint16)
            self._reaches = np.sqrt(table["population"] / _PEOPLE_PER_CIRCLE_KM2).astype(np.float32)
            self._connection = connection
        return self._connection


_DATA = Path(str(importlib.resources.files("imgvecd") / "data"))
GAZETTEER = Gazetteer(str(_DATA / "places.sqlite"), str(_DATA / "towns_by_name.u16"))
"""The one of this process: it holds data alone."""
