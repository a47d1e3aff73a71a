"""From filters to Milvus' expressions over the columns of an image: of numbers only."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from imgvecd.adapters.milvus.columns import NO_DEGREES, NO_TIME, SHAPES, digest, span_of
from imgvecd.api import Filters
from imgvecd.core.sharing.shared_filters import refuse_unknown
from imgvecd.spelling import folded_words, format_name, spellings

NOBODY = "source < 0"
"""An expression that no image passes."""

_BANDS = 32  # of latitude, that a circle is made of
_KILOMETRES = 6371.0 * math.pi / 180  # a degree of latitude
_POLE = 1e-6


def of_images(filters: Filters) -> str:
    """Return the expression; empty if all pass.

    A time that is told as a year or a month passes if all of it lies between the dates. `near` is
    32 bands instead of a circle, which is exact to some 3 % of its radius.

    Raises:
        BadRequestError: a filter that the engine does not know; it names the field.
    """
    refuse_unknown(filters)
    return " and ".join([*_of_facts(filters), *_of_place(filters), *_within(filters)])


def _of_facts(filters: Filters) -> Iterator[str]:
    if filters.taken_from is not None:
        yield f"taken_first >= {span_of(filters.taken_from)[0]:d}"
    if filters.taken_to is not None:
        yield f"taken_last < {span_of(filters.taken_to)[0]:d} and taken_last > {NO_TIME:d}"
    if filters.format:
        yield f"format in {[digest(format_name(name)) for name in filters.format]}"
    if filters.orientation is not None:
        yield f"shape == {SHAPES[filters.orientation]:d}"
    for column, least in (("width", filters.min_width), ("height", filters.min_height)):
        if least is not None:
            yield f"{column} >= {least:d}"
    if filters.min_rating is not None:
        yield f"rating >= {float(filters.min_rating)!r}"
    if filters.tags:
        yield f"array_contains_all(tags, {[digest(folded_words(tag)) for tag in filters.tags]})"
    if filters.folder is not None:
        path = os.path.normpath(os.fsencode(filters.folder))
        same = [digest(one.decode(errors="replace")) for one in spellings(path)]
        yield f"array_contains_any(folders, {same})"


def _of_place(filters: Filters) -> Iterator[str]:
    if filters.has_gps is not None:
        yield f"latitude {'>' if filters.has_gps else '=='} {NO_DEGREES!r}"
    if filters.box is not None:
        yield _box(*map(float, filters.box))
    if filters.near is not None:
        latitude, longitude, kilometres = map(float, filters.near)
        yield f"({' or '.join(_bands(latitude, longitude, kilometres))})"


def _within(filters: Filters) -> Iterator[str]:
    """Yield what filters within ask; what is not known of an image does not hold."""
    if filters.any_of:
        choices = [of_images(each) for each in filters.any_of]
        if all(choices):
            yield f"({' or '.join(f'({choice})' for choice in choices)})"
    for each in filters.none_of:
        test = of_images(each)
        yield f"not ({test})" if test else NOBODY


def _box(south: float, west: float, north: float, east: float) -> str:
    joint = "and" if west <= east else "or"
    between = f"(longitude >= {west!r} {joint} longitude <= {east!r})"
    return f"(latitude >= {south!r} and latitude <= {north!r} and {between})"


def _bands(latitude: float, longitude: float, kilometres: float) -> Iterator[str]:
    """Yield the boxes that a circle is made of: each as wide as it is in the band's middle."""
    reach = kilometres / _KILOMETRES
    south, north = max(-90.0, latitude - reach), min(90.0, latitude + reach)
    height = (north - south) / _BANDS
    for band in range(_BANDS):
        bottom = south + band * height
        width = _half_width(latitude, bottom + height / 2, math.radians(reach))
        if width >= 180:  # noqa: PLR2004  # degrees: all around
            yield _box(bottom, -180.0, bottom + height, 180.0)
        else:
            west, east = longitude - width, longitude + width
            yield _box(bottom, _wrapped(west), bottom + height, _wrapped(east))


def _half_width(latitude: float, other: float, reach: float) -> float:
    """Return how many degrees of longitude a circle spans to each side at another latitude."""
    here, there = math.radians(latitude), math.radians(other)
    if math.cos(here) < _POLE or math.cos(there) < _POLE or reach >= math.pi:
        return 180.0
    cosine = (math.cos(reach) - math.sin(here) * math.sin(there)) / (
        math.cos(here) * math.cos(there)
    )
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180
