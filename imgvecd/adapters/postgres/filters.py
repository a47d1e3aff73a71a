"""From filters to conditions on `imgvecd.images`, as SQL with parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from imgvecd.api import Filters
from imgvecd.core.sharing.shared_filters import refuse_unknown
from imgvecd.spelling import folded_words, format_name, spellings

_ORIENTATIONS = {"landscape": ">", "portrait": "<", "square": "="}
_NORTH_OF_AND_SOUTH_OF = "i.latitude IS NOT NULL AND i.latitude BETWEEN %s AND %s"
_DISTANCE_KM = (  # by the haversine formula, as in the catalog
    "2 * 6371.0 * asin(sqrt(least(1, sind((i.latitude - %s) / 2) ^ 2"
    " + cosd(%s) * cosd(i.latitude) * sind((i.longitude - %s) / 2) ^ 2)))"
)


def of_images(filters: Filters) -> tuple[str, list[Any]]:
    """Return (condition, parameters) on a row of `imgvecd.images AS i`; empty if all pass.

    A time that is told as a year or a month passes if all of it lies between the dates.

    Raises:
        BadRequestError: a filter that the engine does not know; it names the field.
    """
    refuse_unknown(filters)
    tests = [*_of_facts(filters), *_of_place(filters), *_within(filters)]
    return " AND ".join(test for test, _ in tests), [v for _, values in tests for v in values]


def _of_facts(filters: Filters) -> Iterator[tuple[str, list[Any]]]:
    if filters.taken_from is not None:
        yield "i.taken || substr('YYYY-01-01', length(i.taken) + 1) >= %s", [filters.taken_from]
        yield "i.taken >= %s", [filters.taken_from[:4]]  # which an index answers
    if filters.taken_to is not None:
        yield "i.taken || substr('YYYY-12-31', length(i.taken) + 1) < %s", [filters.taken_to]
        yield "i.taken < %s", [filters.taken_to]
    if filters.format:
        yield "i.format = ANY (%s)", [list(map(format_name, filters.format))]
    if filters.orientation is not None:
        yield f"i.width {_ORIENTATIONS[filters.orientation]} i.height", []
    for column, least in (("width", filters.min_width), ("height", filters.min_height)):
        if least is not None:
            yield f"i.{column} >= %s", [least]
    if filters.min_rating is not None:
        yield "i.rating >= %s", [filters.min_rating]
    if filters.tags:
        yield "i.tags <> '{}' AND i.tags @> %s", [[folded_words(tag) for tag in filters.tags]]
    if filters.folder is not None:
        path = os.path.normpath(os.fsencode(filters.folder))
        yield (
            "i.folders <> '{}' AND i.folders && %s",
            [[same.decode(errors="replace") for same in spellings(path)]],
        )


def _of_place(filters: Filters) -> Iterator[tuple[str, list[Any]]]:
    if filters.has_gps is not None:
        yield f"i.latitude IS {'NOT ' if filters.has_gps else ''}NULL", []
    if filters.box is not None:
        south, west, north, east = filters.box
        joint = "AND" if west <= east else "OR"
        between = f"(i.longitude >= %s {joint} i.longitude <= %s)"
        yield f"{_NORTH_OF_AND_SOUTH_OF} AND {between}", [south, north, west, east]
    if filters.near is not None:
        latitude, longitude, kilometres = filters.near
        reach = kilometres / 111.0
        yield (
            f"{_NORTH_OF_AND_SOUTH_OF} AND {_DISTANCE_KM} <= %s",
            [
                latitude - reach,
                latitude + reach,
                latitude,
                latitude,
                longitude,
                kilometres,
            ],
        )


def _within(filters: Filters) -> Iterator[tuple[str, list[Any]]]:
    """Yield what filters within ask; what is not known of an image does not hold."""
    if filters.any_of:
        choices = [of_images(each) for each in filters.any_of]
        test = " OR ".join(f"coalesce({test or 'true'}, false)" for test, _ in choices)
        yield f"({test})", [value for _, values in choices for value in values]
    for each in filters.none_of:
        test, values = of_images(each)
        yield f"NOT coalesce({test or 'true'}, false)", values
