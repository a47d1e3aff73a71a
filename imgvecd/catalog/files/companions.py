"""Files beside images in the catalog: what belongs to what, and what sidecars say.

A content's `metadata` is what its file says, overlaid by the sidecars of the files that bear it;
what the file says alone is then kept in `own_facts`. Runs inside the transaction that changes
files.
"""

from __future__ import annotations

import functools
import json
import os
import sqlite3
from collections import ChainMap
from collections.abc import Iterable, Sequence

from imgvecd.catalog.files import dating
from imgvecd.core.files import exports, shots
from imgvecd.core.files.companions import (
    export_of,
    kind_beside,
    overlaid,
    sidecars_of,
    with_export,
)
from imgvecd.core.files.formats import is_export_name, is_sidecar_name
from imgvecd.types import Facts

Place = tuple[int, bytes, bytes]
"""Root id, folder, name."""
Beside = tuple[int, bytes, int | None]
"""Id, name and content of a file."""

_MOST_FILES = 100  # of one content, whose sidecars are read: copies beyond that say nothing new
_RANGES_AT_ONCE = 256  # of names, in one statement
_NOWHERE = (None,) * 6  # a range that no file is in
_NAMES_REMEMBERED = 1024  # pictures that searches find again and again; some 2 MB
_RESTORE = (
    "UPDATE contents SET taken_at = own_facts ->> 'taken_at', metadata = own_facts -> 'metadata',"
    " own_facts = NULL WHERE id = ? AND own_facts IS NOT NULL"
)


def beside(
    connection: sqlite3.Connection, root_id: int, directory: bytes, name: bytes
) -> list[Beside]:
    """Return the files that may be of the same shot, by their names."""
    (found,) = beside_each(connection, [(root_id, directory, name)])
    return found


def beside_each(connection: sqlite3.Connection, places: Sequence[Place]) -> list[list[Beside]]:
    """Return for each place the files that may be of the same shot, by their names."""
    found: list[dict[int, Beside]] = [{} for _ in places]
    wanted: list[tuple[object, ...]] = [
        (number, root_id, directory, *range_)
        for number, (root_id, directory, name) in enumerate(places)
        for range_ in _ranges(name)
    ]
    for start in range(0, len(wanted), _RANGES_AT_ONCE):
        some = wanted[start : start + _RANGES_AT_ONCE]
        # a few lengths only, so that SQLite has them prepared
        some += [_NOWHERE] * ((1 << (len(some) - 1).bit_length()) - len(some))
        rows = connection.execute(
            f"WITH wanted(number, root_id, dir, first, beyond, holding) AS"
            f" (VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * len(some))})"
            " SELECT number, files.id, name, content_id FROM wanted CROSS JOIN files"
            " ON files.root_id = wanted.root_id AND files.dir = wanted.dir"
            " AND name >= first AND name < beyond AND instr(name, holding) > 0",
            [value for each in some for value in each],
        )
        for number, file_id, name, content_id in rows:
            found[number][file_id] = (file_id, name, content_id)
    return [list(each.values()) for each in found]


@functools.lru_cache(_NAMES_REMEMBERED)
def _ranges(name: bytes) -> tuple[exports.Range, ...]:
    of_shot = () if is_export_name(os.fsdecode(name)) else shots.ranges(name)
    return (*(exports.Range(*each) for each in of_shot), *exports.ranges(name))


def developed(connection: sqlite3.Connection, raw_ids: Iterable[int]) -> dict[int, set[int]]:
    """Return the pictures made from RAW contents, by their ids; only where every file has one."""
    found: dict[int, set[int]] = {}
    for raw_id in raw_ids:
        files = connection.execute(
            "SELECT root_id, dir, name FROM files WHERE content_id = ?", (raw_id,)
        ).fetchall()
        made = [
            {
                content_id
                for _, other, content_id in beside(connection, *file)
                if content_id is not None and kind_beside(file[2], other) == "developed"
            }
            for file in files
        ]
        if made and all(made):
            found[raw_id] = set().union(*made)
    return found


def refresh(connection: sqlite3.Connection, places: Iterable[Place]) -> None:
    """Bring the metadata of images at these places, and of those whose sidecars are there, up."""
    some = list(places)
    _date_anew(connection, some)
    if any(is_sidecar_name(os.fsdecode(name)) for _, _, name in some) or _has_sidecars(connection):
        touched = {content for place in some for content in _touched(connection, place)}
        overlay(connection, touched - {None})


def overlay(connection: sqlite3.Connection, content_ids: Iterable[int | None]) -> None:
    """Date these contents if their files do not, and lay over it all what sidecars say."""
    some = list(content_ids)
    restore(connection, some)
    dating.date(connection, some)
    if not _has_sidecars(connection):
        return
    for content_id in some:
        sidecars, exported = _sidecars(connection, content_id)
        if sidecars or exported:
            taken_at, metadata = connection.execute(
                "SELECT taken_at, metadata FROM contents WHERE id = ?", (content_id,)
            ).fetchone()
            own = {"taken_at": taken_at, "metadata": json.loads(metadata)}
            taken_at, facts = with_export(taken_at, own["metadata"], dict(ChainMap(*exported)))
            taken_at, facts = overlaid(taken_at, facts, sidecars)
            connection.execute(
                "UPDATE contents SET taken_at = ?, metadata = ?, own_facts = ? WHERE id = ?",
                (taken_at, _json(facts), _json(own), content_id),
            )


def _date_anew(connection: sqlite3.Connection, places: Iterable[Place]) -> None:
    """Date what files at these places bear; a rename may give or take a date."""
    for place in places:
        content = connection.execute(
            "SELECT content_id FROM files WHERE root_id = ? AND dir = ? AND name = ?", place
        ).fetchone()
        if content is not None and content[0] is not None:
            overlay(connection, [content[0]])


def restore(connection: sqlite3.Connection, content_ids: Iterable[int | None]) -> None:
    """Leave these contents what their files say themselves."""
    connection.executemany(_RESTORE, [(content_id,) for content_id in content_ids])


def keep_facts(connection: sqlite3.Connection, file_id: int, facts: Facts | None) -> None:
    """Keep what a sidecar says; None for a file that says nothing to be kept."""
    if facts is None:
        connection.execute("DELETE FROM sidecars WHERE file_id = ?", (file_id,))
    else:
        connection.execute("INSERT OR REPLACE INTO sidecars VALUES (?, ?)", (file_id, _json(facts)))


def _has_sidecars(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sidecars LIMIT 1").fetchone() is not None


def _touched(connection: sqlite3.Connection, place: Place) -> Iterable[int | None]:
    """Yield the content of the image at a place, or those that a sidecar there may belong to."""
    root_id, directory, name = place
    sidecar = is_sidecar_name(os.fsdecode(name))
    for _, other, content_id in beside(connection, root_id, directory, name):
        if other == name or (sidecar and kind_beside(other, name) == "sidecar"):
            yield content_id


def _sidecars(
    connection: sqlite3.Connection, content_id: int | None
) -> tuple[list[Facts], list[Facts]]:
    """Return what XMP sidecars and what the side files of exports say, what counts most first."""
    files = connection.execute(
        "SELECT root_id, dir, name FROM files WHERE content_id = ? ORDER BY id LIMIT ?",
        (content_id, _MOST_FILES),
    ).fetchall()
    sidecars: list[Facts] = []
    exported: list[Facts] = []
    for root_id, directory, name in files:
        ids = {other: file_id for file_id, other, _ in beside(connection, root_id, directory, name)}
        sidecars += (_said(connection, ids[other]) for other in sidecars_of(name, ids))
        if (other := export_of(name, ids)) is not None:
            exported.append(_said(connection, ids[other]))
    return list(filter(None, sidecars)), list(filter(None, exported))


def _said(connection: sqlite3.Connection, file_id: int) -> Facts:
    row = connection.execute("SELECT facts FROM sidecars WHERE file_id = ?", (file_id,)).fetchone()
    facts: Facts = json.loads(row[0]) if row is not None else {}
    return facts


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
