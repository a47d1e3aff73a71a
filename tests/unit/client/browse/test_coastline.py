"""The coastline of the page's map lies where the earth has one."""

import importlib.resources
import json
import math

import pytest

SIDE = 1 << 14  # as `tools/page/land.py` has it


def points(ring):
    """Return a ring's points, read as the page reads them."""
    numbers, value, shift = [], 0, 0
    for letter in ring:
        five = ord(letter) - 63
        value |= (five & 31) << shift
        shift += 5
        if five < 32:
            numbers.append(-((value + 1) >> 1) if value & 1 else value >> 1)
            value = shift = 0
    x = y = 0
    found = []
    for over, down in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + over, y + down
        found.append((x, y))
    return found


def crossings(ring, x, y):
    """Return how often a line from a point to the east crosses the ring."""
    sides = zip(ring, ring[1:] + ring[:1], strict=True)
    return sum(
        (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
        for (x1, y1), (x2, y2) in sides
    )


@pytest.fixture(scope="module")
def rings():
    file = importlib.resources.files("imgvecd") / "web" / "vendor" / "land.json"
    return [points(ring) for ring in json.loads(file.read_text())]


@pytest.mark.parametrize(
    ("latitude", "longitude", "on_land"),
    [
        (47.4, 8.5, True),  # Zürich
        (-33.0, 147.0, True),  # New South Wales
        (64.8, -18.5, True),  # Iceland
        (55.7, 37.6, True),  # Moscow
        (-10.0, -55.0, True),  # Brazil
        (67.0, 179.5, True),  # Chukotka, on either side of the date line
        (67.0, -178.5, True),
        (-80.0, 0.0, True),  # Antarctica
        (40.0, -40.0, False),  # the Atlantic
        (0.0, 175.0, False),  # the Pacific
        (38.0, 5.0, False),  # the Mediterranean
    ],
)
def test_land_is_where_it_is(rings, latitude, longitude, on_land):
    sine = math.sin(math.radians(latitude))
    y = (0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * SIDE
    x = (longitude / 360 + 0.5) * SIDE
    # the page draws the earth again on either side: what goes on beyond the edge is seen there
    turns = (-SIDE, 0, SIDE) if abs(longitude) > 160 else (0,)
    inside = any(crossings(ring, x + turn, y) % 2 for ring in rings for turn in turns)
    assert inside == on_land


def test_land_goes_on_a_little_beyond_the_date_line_only(rings):
    everywhere = [x for ring in rings for x, _ in ring]
    assert -0.06 * SIDE <= min(everywhere) <= max(everywhere) <= 1.06 * SIDE
