"""From filters to the SQL condition that contents must meet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from imgvecd.api import Filters
from imgvecd.catalog.files import place_index
from imgvecd.catalog.files.offline_sql import offline
from imgvecd.errors import BadRequestError
from imgvecd.spelling import folded_words, format_name, spellings

Condition = tuple[str, tuple[object, ...]]

_POSITIONED = "contents.id {}IN (SELECT content_id FROM positions{})"
_RATING = (
    "coalesce(json_extract(contents.user_metadata, '$.rating'),"
    " json_extract(contents.metadata, '$.rating'))"
)
FAVORITE = (
    "coalesce(json_extract(contents.user_metadata, '$.favorite'),"
    " json_extract(contents.metadata, '$.favorite'), 0) IN (1, '1', 'true', 'yes')"
)
"""SQL: whether a content is a favorite; what the user says of it counts first."""
_HAS_TAG = (
    "contents.id IN (SELECT content_id FROM words WHERE kind IN ('tag', 'keyword', 'person')"
    # each word is folded once: LIMIT keeps SQLite from asking for every row
    " AND word IN (SELECT word FROM (SELECT DISTINCT word FROM words LIMIT -1)"
    " WHERE folded(word) = ?))"
)
# ->> has numbers as they were written, and 1 for true
_SAID_BY_USER = (
    "EXISTS (SELECT 1 FROM json_each(contents.user_metadata) AS each WHERE folded(each.key) = ?"
    " AND folded(CAST(contents.user_metadata ->> each.fullkey AS TEXT)) = ?)"
)
_TAKEN_IN = (
    "contents.id IN (SELECT content_id FROM content_places JOIN place_names USING (place_id)"
    " WHERE place_names.name = ?)"
)
_CONTENTS_OF_FILES = "SELECT files.content_id FROM files JOIN roots ON roots.id = files.root_id"
# A time that is told as a year or a month passes if all of that lies between the dates.
_FIRST_DAY, _LAST_DAY = (
    f"contents.taken_at || substr('{year}', length(contents.taken_at) + 1)"
    for year in ("YYYY-01-01", "YYYY-12-31")
)
_NOWHERE = "0"
_ORIENTATIONS = {"landscape": ">", "portrait": "<", "square": "="}
# One kilometre north is 1/111 of a degree; the exact distance is looked at afterwards.
_KM_PER_DEGREE = 111.0
_MOST_PLACES = 200  # names in one filter: more than a text can tell, and a depth that SQLite takes


def conditions(filters: Filters, roots: Sequence[tuple[int, bytes]]) -> list[Condition]:
    """Return what contents must meet, all of it, but for the glob and the exact distance.

    Args:
        roots: (id, path) of every root.

    Raises:
        BadRequestError: a folder under no root, a root that is none, a key that cannot be one.
    """
    return [
        *_of_files(filters, roots),
        *_of_facts(filters),
        *_of_place(filters),
        *_of_the_user(filters),
    ]


def _of_files(filters: Filters, roots: Sequence[tuple[int, bytes]]) -> Iterator[Condition]:
    tests: list[Condition] = []
    if filters.root is not None:
        path = os.fsencode(filters.root).rstrip(b"/") or b"/"
        by_path = {root: identity for identity, root in roots}
        chosen = [by_path[same] for same in spellings(path) if same in by_path]
        if not chosen:
            raise BadRequestError(f"`root`: {filters.root} is not a watched folder")
        tests.append(("files.root_id = ?", (chosen[0],)))
    if filters.raw_path():
        tests.append(_of_file(os.path.normpath(filters.raw_path()), roots))
    if filters.folder is not None:
        path = os.path.normpath(os.fsencode(filters.folder))
        tests.append(_any_of(_of_folder, path, roots))
        if tests[-1][0] == _NOWHERE:
            raise BadRequestError(f"`folder`: {filters.folder} lies under no watched folder")
    if filters.online:
        tests.append((f"NOT {offline()}", ()))
    if tests:
        where = " AND ".join(f"({sql})" for sql, _ in tests)
        values = tuple(value for _, some in tests for value in some)
        yield f"contents.id IN ({_CONTENTS_OF_FILES} WHERE {where})", values


def _any_of(
    condition: Callable[[bytes, Sequence[tuple[int, bytes]]], Condition],
    path: bytes,
    roots: Sequence[tuple[int, bytes]],
) -> Condition:
    """Return the condition for a path however it is spelled on disk."""
    found = [condition(same, roots) for same in spellings(path)]
    tests = [sql for sql, _ in found if sql != _NOWHERE]
    return " OR ".join(tests) or _NOWHERE, tuple(value for _, values in found for value in values)


def _of_file(path: bytes, roots: Sequence[tuple[int, bytes]]) -> Condition:
    """Return the condition for a file: the one that is spelled so, else one spelled otherwise."""
    exactly, values = _of_path(path, roots)
    same, more = _any_of(_of_path, path, roots)
    if same == exactly:
        return exactly, values
    other = f"NOT EXISTS (SELECT 1 FROM files WHERE {exactly}) AND ({same})"
    return f"({exactly}) OR ({other})", (*values, *values, *more)


def _of_path(path: bytes, roots: Sequence[tuple[int, bytes]]) -> Condition:
    tests: list[str] = []
    values: list[object] = []
    for identity, root in roots:
        if path.startswith(os.path.join(root, b"")):
            directory, name = os.path.split(os.path.relpath(path, root))
            tests.append("files.root_id = ? AND files.dir = ? AND files.name = ?")
            values += [identity, directory, name]
    return " OR ".join(f"({test})" for test in tests) or _NOWHERE, tuple(values)


def _of_folder(path: bytes, roots: Sequence[tuple[int, bytes]]) -> Condition:
    tests: list[str] = []
    values: list[object] = []
    for identity, root in roots:
        if path.startswith(b"/"):
            inside = os.path.relpath(path, root)
            above = os.path.commonpath([path, root]) == path
            if inside.split(b"/")[0] == b".." and not above:
                continue
            inside = b"." if above else inside
        else:
            inside = path
        tests.append(
            "files.root_id = ?"
            if inside == b"."
            else "files.root_id = ? AND (files.dir = ? OR files.dir > ? AND files.dir < ?)"
        )
        # "0" comes right after "/": everything that begins with the folder and a slash
        values += [identity] if inside == b"." else [identity, inside, inside + b"/", inside + b"0"]
    return " OR ".join(f"({test})" for test in tests) or _NOWHERE, tuple(values)


def _of_facts(filters: Filters) -> Iterator[Condition]:
    if filters.taken_from is not None:
        yield f"{_FIRST_DAY} >= ?", (filters.taken_from,)
    if filters.taken_to is not None:
        yield f"{_LAST_DAY} < ?", (filters.taken_to,)
    if filters.months:
        marks = ", ".join("?" * len(filters.months))
        yield f"CAST(substr(contents.taken_at, 6, 2) AS INTEGER) IN ({marks})", filters.months
    for name, wanted in (("camera", filters.camera), ("lens", filters.lens)):
        if wanted is not None:
            found = f"folded(json_extract(contents.metadata, '$.{name}'))"
            yield f"instr({found}, ?) > 0", (folded_words(wanted),)
    if filters.format:
        marks = ", ".join("?" * len(filters.format))
        yield f"contents.format IN ({marks})", tuple(map(format_name, filters.format))
    if filters.orientation is not None:
        yield f"contents.width {_ORIENTATIONS[filters.orientation]} contents.height", ()
    for column, least in (
        ("width", filters.min_width),
        ("height", filters.min_height),
        ("size_bytes", filters.min_size_bytes),
    ):
        if least is not None:
            yield f"contents.{column} >= ?", (least,)


def _of_place(filters: Filters) -> Iterator[Condition]:
    if filters.place is not None:
        yield _in_a_place(filters.place)
    if filters.has_gps is not None:
        yield _POSITIONED.format("" if filters.has_gps else "NOT ", ""), ()
    if filters.box is not None:
        south, west, north, east = filters.box
        joint = "AND" if west <= east else "OR"
        within = f" WHERE latitude BETWEEN ? AND ? AND (longitude >= ? {joint} longitude <= ?)"
        yield _POSITIONED.format("", within), (south, north, west, east)
    if filters.near is not None:
        latitude, _, kilometres = filters.near
        reach = kilometres / _KM_PER_DEGREE
        band = _POSITIONED.format("", " WHERE latitude BETWEEN ? AND ?")
        yield band, (latitude - reach, latitude + reach)


def _in_a_place(place: str) -> Condition:
    """Return what has all names between commas, of any place between semicolons."""
    places = [
        [name for part in each.split(",") if (name := place_index.folded(part))]
        for each in place.split(";")
    ]
    places = [names for names in places if names]
    if not places:
        raise BadRequestError("`place` is empty: give a town, a region or a country")
    if sum(map(len, places)) > _MOST_PLACES:
        raise BadRequestError(f"`place` has more than {_MOST_PLACES} names")
    tests = [" AND ".join([_TAKEN_IN] * len(names)) for names in places]
    return f"({' OR '.join(tests)})", tuple(name for names in places for name in names)


def _of_the_user(filters: Filters) -> Iterator[Condition]:
    if filters.min_rating is not None:
        # a text is above every number
        yield f"typeof({_RATING}) != 'text' AND {_RATING} >= ?", (filters.min_rating,)
    if filters.favorite is not None:
        yield FAVORITE if filters.favorite else f"NOT {FAVORITE}", ()
    for tag in filters.tags:
        yield _HAS_TAG, (folded_words(tag),)
    for key, value in filters.metadata.items():
        if '"' in key or not key:
            raise BadRequestError(f"`metadata`: {key!r} cannot be a key")
        yield _SAID_BY_USER, (folded_words(key), folded_words(value))
