"""Positions become towns, regions and countries."""

import contextlib
import importlib.resources
import random
import sqlite3
import time

import pytest

from imgvecd.catalog.files.gazetteer import GAZETTEER

PLACES = str(importlib.resources.files("imgvecd") / "data" / "places.sqlite")


@pytest.mark.parametrize(
    ("position", "town", "region", "country"),
    [
        ((16.0544, 108.2022), "Da Nang", "Da Nang", "Vietnam"),
        ((21.0285, 105.8542), "Hanoi", "Hanoi", "Vietnam"),
        ((48.8584, 2.2945), "Paris", "Île-de-France", "France"),
        ((40.6782, -73.9442), "New York City", "New York", "United States"),
        ((38.7223, -9.1393), "Lisbon", "Lisbon", "Portugal"),
        ((48.137, 11.575), "Munich", "Bavaria", "Germany"),
        ((-33.8568, 151.2153), "Sydney", "New South Wales", "Australia"),
        ((64.1466, -21.9426), "Reykjavík", "Capital Region", "Iceland"),
        ((-17.8, 177.42), "Nadi", "Western", "Fiji"),
    ],
)
def test_where_a_position_lies(position, town, region, country):
    first, *_ = places = GAZETTEER.at(*position)
    assert (first.kind, first.name, first.region, first.country) == ("town", town, region, country)
    assert [place.name for place in places if place.kind == "region"] == [region]
    assert places[-1].kind == "country"
    assert places[-1].name == country


def test_a_borough_is_in_its_city():
    names = [place.name for place in GAZETTEER.at(40.6782, -73.9442)]
    assert "Brooklyn" in names
    assert "New York City" in names


@pytest.mark.parametrize("position", [(0, -30), (90, 0), (-90, 180), (-60, -180)])
def test_the_sea_and_the_poles_are_nowhere(position):
    assert GAZETTEER.at(*position) == ()


def test_far_from_any_town_there_is_still_a_country():
    places = GAZETTEER.at(47.2, -115.0)  # mountains between two small towns
    assert places[-1].name == "United States"
    assert "region" in {place.kind for place in places}


def test_both_sides_of_the_date_line_are_near():
    for longitude in (179.99, -179.99):
        assert GAZETTEER.at(-16.8, longitude)[-1].name == "Fiji"


def test_towns_regions_and_countries_have_names_in_many_languages():
    names = {name for place in GAZETTEER.at(48.137, 11.575) for name in place.names}
    assert {"munchen", "munich", "bayern", "baviere", "deutschland", "allemagne", "duc"} <= names
    assert "muc" not in names  # a code, and no name
    assert GAZETTEER.country("allemagne").name == "Germany"
    assert GAZETTEER.country("nowhere") is None


def test_towns_are_found_by_each_of_their_names():
    with contextlib.closing(sqlite3.connect(PLACES)) as connection:
        rows = connection.execute("SELECT name, names, population FROM towns").fetchall()
    bearers = {}
    for town, names, people in rows:
        for name in names.split("\n"):
            bearers.setdefault(name, []).append((-people, town))
    for name in random.Random(1).sample(sorted(bearers), 500):
        (_, largest), *_ = sorted(bearers[name])
        found = [town.name for town in GAZETTEER.towns(name)]
        assert largest in found, name
        assert len(found) == min(len(bearers[name]), 8)
    assert GAZETTEER.towns("no such town") == ()


def test_positions_cost_little():
    GAZETTEER.at(0, 0)
    started = time.process_time()
    for step in range(1000):
        GAZETTEER.at(40 + step * 0.01, step * 0.017)
    assert time.process_time() - started < 5
