"""The step of the schema that counts positions by cells of a map, at every scale.

The earth is cut into 2 by 2 cells, each of these into 2 by 2, and so on. `map_cells` has every
third of these levels, so a map of whatever scale reads some ten thousand rows of a million
positions. Triggers on `positions` keep it in step: whoever writes need not know of it.
"""

from __future__ import annotations

LEVELS = range(3, 19, 3)
"""A cell of a level is 360° / 2^level wide and high: the last are 150 m at the equator."""

UNITS_PER_DEGREE = 10_000_000
"""Sums are integers, so that what goes takes away exactly what had come."""

_FINEST = LEVELS[-1]
_ON_EARTH = "{0}latitude BETWEEN -90 AND 90 AND {0}longitude BETWEEN -180 AND 180"


def _cell(degrees: str, offset: int) -> str:
    return f"CAST(({degrees} + {offset}) / 360.0 * {1 << _FINEST} AS INTEGER)"


def _units(degrees: str) -> str:
    return f"CAST(round({degrees} * {UNITS_PER_DEGREE}) AS INTEGER)"


def _cells_of(row: str) -> str:
    """Return a table of the cells that a position is in, one a level."""
    levels = " UNION ALL ".join(f"SELECT {each} AS level" for each in LEVELS)
    y, x = _cell(f"{row}.latitude", 90), _cell(f"{row}.longitude", 180)
    return (
        f"(SELECT level, {y} >> {_FINEST} - level AS y, {x} >> {_FINEST} - level AS x"
        f" FROM ({levels}))"
    )


def _leave(level: int) -> str:
    """Return statements that take a position out of its cell of one level."""
    bits = _FINEST - level
    y = f"{_cell('OLD.latitude', 90)} >> {bits}"
    x = f"{_cell('OLD.longitude', 180)} >> {bits}"
    this = f"level = {level} AND y = {y} AND x = {x}"
    return f"""
    DELETE FROM map_cells WHERE {this} AND images = 1;
    UPDATE map_cells SET images = images - 1, latitudes = latitudes - {_units("OLD.latitude")},
        longitudes = longitudes - {_units("OLD.longitude")},
        sample = CASE sample WHEN OLD.content_id THEN ({_another(level)}) ELSE sample END
    WHERE {this};"""


def _another(level: int) -> str:
    """Return a query for an image of a cell, by the cells in it, whose own are right already."""
    if level == _FINEST:
        size = 360.0 / (1 << level)
        return f"""coalesce((SELECT content_id FROM positions
            WHERE latitude BETWEEN map_cells.y * {size} - 90 AND (map_cells.y + 1) * {size} - 90
            AND longitude BETWEEN map_cells.x * {size} - 180 AND (map_cells.x + 1) * {size} - 180
            LIMIT 1), sample)"""
    rows = ", ".join(f"map_cells.y * 8 + {i}" for i in range(8))
    return f"""SELECT inner_cells.sample FROM map_cells AS inner_cells
            WHERE inner_cells.level = {level + 3} AND inner_cells.y IN ({rows})
            AND inner_cells.x BETWEEN map_cells.x * 8 AND map_cells.x * 8 + 7 LIMIT 1"""


_COARSER = "".join(
    f"""
INSERT INTO map_cells SELECT {level}, y >> 3 AS up, x >> 3 AS over, sum(images), sum(latitudes),
    sum(longitudes), max(sample) FROM map_cells WHERE level = {level + 3} GROUP BY up, over;"""
    for level in reversed(LEVELS[:-1])
)

MAP_CELLS = f"""
CREATE TABLE map_cells (
    level INTEGER NOT NULL,
    y INTEGER NOT NULL,
    x INTEGER NOT NULL,
    images INTEGER NOT NULL,
    latitudes INTEGER NOT NULL,
    longitudes INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    PRIMARY KEY (level, y, x)
) STRICT, WITHOUT ROWID;

INSERT INTO map_cells
    SELECT {_FINEST}, {_cell("latitude", 90)} AS y, {_cell("longitude", 180)} AS x, count(*),
    sum({_units("latitude")}), sum({_units("longitude")}), max(content_id)
    FROM positions WHERE {_ON_EARTH.format("")} GROUP BY y, x;
{_COARSER}

CREATE TRIGGER positions_come AFTER INSERT ON positions
WHEN {_ON_EARTH.format("NEW.")} BEGIN
    INSERT INTO map_cells SELECT level, y, x, 1, {_units("NEW.latitude")},
        {_units("NEW.longitude")}, NEW.content_id FROM {_cells_of("NEW")} WHERE true
    ON CONFLICT (level, y, x) DO UPDATE SET images = images + 1,
        latitudes = latitudes + excluded.latitudes, longitudes = longitudes + excluded.longitudes,
        sample = excluded.sample;
END;
CREATE TRIGGER positions_go AFTER DELETE ON positions
WHEN {_ON_EARTH.format("OLD.")} BEGIN
    {"".join(_leave(level) for level in reversed(LEVELS))}
END;
"""
"""The statements, in order."""
