"""Milvus' expressions, evaluated as Python reads them, on rows as they are stored."""

import math
import random
import re

import pytest

from imgvecd.adapters.milvus.columns import facts_in, row_of
from imgvecd.adapters.milvus.filters import of_images
from imgvecd.api import Filters
from imgvecd.core.sharing.vector_engine import ImageFacts


def passes(filters, facts):
    """Evaluate an expression, which is Python as well."""
    row = row_of(7, facts)
    functions = {
        "array_contains_all": lambda words, wanted: set(wanted) <= set(words),
        "array_contains_any": lambda words, wanted: bool(set(wanted) & set(words)),
    }
    test = of_images(filters) or "True"
    return eval(test, {"__builtins__": {}}, {**row, **functions})  # noqa: S307  # of our own


def image(**facts):
    return ImageFacts(1, bytes(16), **facts)


@pytest.mark.parametrize(
    ("taken_at", "found"),
    [
        ("2023-05-17T18:30:11", True),
        ("2023-05-17", True),
        ("2023-05", True),
        ("2023", False),
        ("2023-06-01", False),
        ("2023-04-30T23:59:59", False),
        (None, False),
        ("%", False),
    ],
)
def test_a_time_passes_if_all_of_it_lies_between(taken_at, found):
    may = Filters(taken_from="2023-05-01", taken_to="2023-06-01")
    assert passes(may, image(taken_at=taken_at)) is found
    assert passes(Filters(none_of=(may,)), image(taken_at=taken_at)) is not found


@pytest.mark.parametrize(
    ("filters", "facts"),
    [
        (Filters(min_rating=0), {}),
        (Filters(min_width=0), {}),
        (Filters(orientation="square"), {}),
        (Filters(format=("",)), {}),
        (Filters(box=(-90, -180, 90, 180)), {}),
        (Filters(taken_to="2030"), {}),
        (Filters(tags=("x",)), {"folders": ("x",)}),
    ],
)
def test_what_is_not_known_passes_no_test(filters, facts):
    assert not passes(filters, image(**facts))
    assert passes(Filters(none_of=(filters,)), image(**facts))


def test_what_people_type_is_never_part_of_an_expression():
    odd = '") or (1 == 1 \\ \' "'
    wanted = Filters(tags=(odd,), folder=odd, format=(odd,))
    assert not set(re.findall(r"[^\w\s\[\](),<>=-]", of_images(wanted)))
    assert passes(Filters(tags=(odd,)), image(tags=(odd.lower(),)))
    assert not passes(Filters(tags=(odd,)), image())


@pytest.mark.parametrize("place", [(48.1, 11.5), (-33.0, 179.9), (89.5, 20.0), (0.0, -180.0)])
@pytest.mark.parametrize("kilometres", [0.2, 30, 900])
def test_a_circle_is_exact_but_for_its_rim(place, kilometres):
    chance = random.Random(5)
    for _ in range(300):
        reach = math.degrees(kilometres / 6371) * 1.5
        latitude = min(90.0, max(-90.0, place[0] + chance.uniform(-reach, reach)))
        width = min(180.0, reach / max(1e-3, math.cos(math.radians(latitude))))
        longitude = (place[1] + chance.uniform(-width, width) + 180) % 360 - 180
        away = distance_km(place, (latitude, longitude))
        if abs(away / kilometres - 1) > 0.05:
            found = passes(
                Filters(near=(*place, kilometres)), image(latitude=latitude, longitude=longitude)
            )
            assert found is (away < kilometres), (latitude, longitude, away)


def distance_km(place, other):
    a, b = math.radians(place[0]), math.radians(other[0])
    across = math.radians(other[1] - place[1])
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(across / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(min(1.0, half)))


def test_facts_come_back_and_too_many_paths_are_left_out():
    facts = image(
        format="jpeg",
        width=4,
        height=3,
        taken_at="2023",
        rating=1e308,
        latitude=1.5,
        longitude=-2.5,
        paths=('\n\t"', "é" * 200),
    )
    assert facts_in(row_of(7, facts)) == facts
    many = facts_in(row_of(7, image(paths=("é" * 4096,) * 8)))
    assert 1 <= len(many.paths) < 8
