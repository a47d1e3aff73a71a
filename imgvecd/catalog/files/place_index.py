"""Where images were taken, by name: places, their names in many languages, and who was there.

Derived from positions (`catalog.files.gazetteer`) and from the city and country that files tell.
Triggers note the contents whose place may have changed. `catch_up` places these before the
transaction ends, the newest first and a bounded number at a time; the rest, such as all that was
there before the tables, waits for the next transaction.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from imgvecd.catalog.files.gazetteer import GAZETTEER, Place
from imgvecd.catalog.schema.queues import enqueue_once
from imgvecd.core.search.words import tokens

logger = logging.getLogger(__name__)

_BATCH = 256  # contents placed in one transaction: 0.1 s
_LONGEST_NAME = 200  # characters

_OF_PLACE = "FROM content_places WHERE place_id = ?"
# Damaged JSON tells of no place, and must not stop who writes the row.
_TOLD = " OR ".join(
    f"CASE WHEN json_valid({{row}}.metadata) THEN {{row}}.metadata ->> '$.{field}' END IS NOT NULL"
    for field in ("gps_latitude", "city", "country")
)


_TOLD_OF_EITHER = f"{_TOLD.format(row='NEW')} OR {_TOLD.format(row='OLD')}"

PLACES = f"""
CREATE TABLE places (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    country TEXT NOT NULL,
    UNIQUE (kind, name, region, country)
) STRICT;
CREATE TABLE place_names (
    name TEXT NOT NULL,
    place_id INTEGER NOT NULL REFERENCES places(id),
    PRIMARY KEY (name, place_id)
) STRICT, WITHOUT ROWID;
-- rank: from the most telling place on, for one line about an image.
CREATE TABLE content_places (
    place_id INTEGER NOT NULL REFERENCES places(id),
    content_id INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    PRIMARY KEY (place_id, content_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX content_places_content ON content_places(content_id);
CREATE TABLE places_due (content_id INTEGER PRIMARY KEY) STRICT;
INSERT INTO places_due SELECT id FROM contents WHERE live
    AND ({_TOLD.format(row="contents")});

CREATE TRIGGER places_content_changed AFTER UPDATE OF live, metadata ON contents
WHEN OLD.live != NEW.live OR OLD.metadata != NEW.metadata BEGIN
    {enqueue_once("places_due", "NEW.id", _TOLD_OF_EITHER)};
END;
CREATE TRIGGER places_content_gone AFTER DELETE ON contents BEGIN
    DELETE FROM content_places WHERE content_id = OLD.id;
    DELETE FROM places_due WHERE content_id = OLD.id;
END;
"""
"""The statements that make the tables, in order."""


def catch_up(connection: sqlite3.Connection) -> None:
    """Place some of the contents that wait for it, the newest first."""
    due = connection.execute(
        f"SELECT content_id FROM places_due ORDER BY content_id DESC LIMIT {_BATCH}"
    ).fetchall()
    for (content_id,) in due:
        _place(connection, content_id)
    connection.executemany("DELETE FROM places_due WHERE content_id = ?", due)


def is_filling(connection: sqlite3.Connection) -> bool:
    """Whether contents wait to be placed."""
    return connection.execute("SELECT 1 FROM places_due LIMIT 1").fetchone() is not None


def called(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, list[str]]:
    """Return those folded names that places of images have, with each such place in one line."""
    rows = connection.execute(
        "SELECT asked.value, places.name, places.region, places.country FROM json_each(?) AS asked"
        " JOIN place_names ON place_names.name = asked.value JOIN places ON places.id = place_id"
        f" WHERE EXISTS (SELECT 1 {_OF_PLACE.replace('?', 'places.id')})",
        (json.dumps(list(names)),),
    )
    found: dict[str, list[str]] = {}
    for name, *parts in rows:
        found.setdefault(name, []).append(line(*parts))
    return found


def lines_of(connection: sqlite3.Connection, content_ids: Sequence[int]) -> dict[int, str]:
    """Return in one line each where images were taken, by content id, as far as known."""
    rows = connection.execute(
        "SELECT content_id, name, region, country FROM content_places"
        " JOIN places ON places.id = place_id"
        " WHERE content_id IN (SELECT value FROM json_each(?)) ORDER BY rank DESC",
        (json.dumps(list(content_ids)),),
    )
    return {content_id: line(*parts) for content_id, *parts in rows}  # the last is the nearest


def line(name: str, region: str, country: str) -> str:
    """Return a place in one line: "Portland, Oregon, United States"."""
    return ", ".join(dict.fromkeys(part for part in (name, region, country) if part))


def folded(name: str) -> str:
    """Return a name as names of places are compared."""
    return " ".join(tokens(name[:_LONGEST_NAME]))


def _place(connection: sqlite3.Connection, content_id: int) -> None:
    former = connection.execute(
        "DELETE FROM content_places WHERE content_id = ? RETURNING place_id", (content_id,)
    ).fetchall()
    _place_anew(connection, content_id)
    for place in former:
        if not connection.execute(f"SELECT 1 {_OF_PLACE} LIMIT 1", place).fetchone():
            connection.execute("DELETE FROM place_names WHERE place_id = ?", place)
            connection.execute("DELETE FROM places WHERE id = ?", place)


def _place_anew(connection: sqlite3.Connection, content_id: int) -> None:
    row = connection.execute(
        "SELECT metadata FROM contents WHERE id = ? AND live", (content_id,)
    ).fetchone()
    if row is None:
        return
    metadata = json.loads(row[0])
    try:
        places = list(_places_of(metadata))
    except sqlite3.Error as error:  # no reason not to index
        logger.warning("the file of places cannot be read: %s", error)
        return
    ids = dict.fromkeys(_id_of(connection, place) for place in places)
    connection.executemany(
        "INSERT INTO content_places VALUES (?, ?, ?)",
        [(place_id, content_id, rank) for rank, place_id in enumerate(ids)],
    )


def _places_of(metadata: dict[str, Any]) -> Iterator[Place]:
    """Yield where an image was taken, as its position has it, and as its file tells it."""
    latitude = _degrees(metadata.get("gps_latitude"), 90)
    longitude = _degrees(metadata.get("gps_longitude"), 180)
    if latitude is not None and longitude is not None:
        yield from GAZETTEER.at(latitude, longitude)
    city, country = (_told(metadata.get(field)) for field in ("city", "country"))
    known = GAZETTEER.country(folded(country)) if country else None
    nation = known.name if known else country
    if city:
        yield Place("town", city, country=nation, names=(folded(city),))
    if nation:
        yield known or Place("country", nation, names=(folded(nation),))


def _degrees(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        return None
    return float(value)


def _told(value: object) -> str:
    text = " ".join(value.split())[:_LONGEST_NAME] if isinstance(value, str) else ""
    return text if folded(text) else ""


def _id_of(connection: sqlite3.Connection, place: Place) -> int:
    key = place.kind, place.name, place.region, place.country
    row = connection.execute(
        "SELECT id FROM places WHERE kind = ? AND name = ? AND region = ? AND country = ?", key
    ).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO places (kind, name, region, country) VALUES (?, ?, ?, ?) RETURNING id", key
        ).fetchone()
        names = dict.fromkeys([folded(place.name), *place.names])
        connection.executemany(
            "INSERT INTO place_names VALUES (?, ?)", [(name, row[0]) for name in names if name]
        )
    return int(row[0])
