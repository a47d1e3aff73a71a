"""Make the page's coastline of Natural Earth's: projected, simplified, and small.

    python tools/page/land.py land-50m.json > imgvecd/web/vendor/land.json

The input is npm's `world-atlas` (TopoJSON). The output is a list of rings: each the numbers x and y
of its first point and then the steps to the next ones, in a square of `SIDE` units that holds the
earth in Mercator's projection, from 180° west and 85° north. Numbers are written as in Google's
encoded polylines: five bits a character, lowest first, doubled, odd if negative.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise

SIDE = 1 << 14  # a unit is 2.4 km at the equator
_TOLERANCE = 0.9  # units at the equator: what may lie beside a line without being seen
_SMALLEST = 1.0  # square units there: islands below that are left out
_NORTH = 85.0511  # degrees: where the square ends

Point = tuple[float, float]


def land(topology: dict) -> bytes:
    """Return the rings as JSON, the same for the same input on any machine."""
    (scale_x, scale_y), (left, bottom) = (topology["transform"][k] for k in ("scale", "translate"))
    arcs = []
    for steps in topology["arcs"]:
        x = y = 0
        arcs.append([])
        for step_x, step_y in steps:
            x, y = x + step_x, y + step_y
            arcs[-1].append(_projected(x * scale_x + left, y * scale_y + bottom))
    rings = []
    for polygon in topology["objects"]["land"]["geometries"][0]["arcs"]:
        for chosen in polygon:
            points: list[Point] = []
            for arc in chosen:
                points += arcs[arc] if arc >= 0 else arcs[~arc][::-1]
            points = _continuous(points)
            kept = [(round(x), round(y)) for x, y in _simplified(points)]
            if _area(kept) >= _SMALLEST * _stretch(kept[0][1]) ** 2:
                rings.append(_written(kept))
    return json.dumps(rings, separators=(",", ":")).encode()


def _projected(longitude: float, latitude: float) -> Point:
    sine = math.sin(math.radians(min(max(latitude, -_NORTH), _NORTH)))
    north = math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
    return (longitude / 360 + 0.5) * SIDE, (0.5 - north) * SIDE


def _continuous(points: list[Point]) -> list[Point]:
    """Return a ring that goes on beyond the edge where it crosses the date line."""
    ring = points[:1]
    turns = 0
    for (before, _), (x, y) in pairwise(points):
        turns += round((before - x) / SIDE)
        ring.append((x + turns * SIDE, y))
    middle = (min(x for x, _ in ring) + max(x for x, _ in ring)) / 2
    ring = [(x - middle // SIDE * SIDE, y) for x, y in ring]
    if turns:  # it goes around the pole, and is closed below the edge
        ring += [(ring[-1][0], SIDE + 9.0), (ring[0][0], SIDE + 9.0)]
    return ring


def _simplified(points: list[Point]) -> list[Point]:
    """Return the points that Douglas and Peucker keep."""
    kept = {0, len(points) - 1}
    parts = [(0, len(points) - 1)]
    while parts:
        first, last = parts.pop()
        far, place = 0.0, first
        for i in range(first + 1, last):
            distance = _distance(points[i], points[first], points[last])
            if distance > far:
                far, place = distance, i
        if far > _TOLERANCE * _stretch(points[place][1]):
            kept.add(place)
            parts += [(first, place), (place, last)]
    return [points[i] for i in sorted(kept)]


def _stretch(y: float) -> float:
    """Return how many times larger the projection shows what lies there than at the equator."""
    return math.cosh((0.5 - y / SIDE) * 2 * math.pi)


def _distance(point: Point, start: Point, end: Point) -> float:
    over, down = end[0] - start[0], end[1] - start[1]
    length = over * over + down * down
    x, y = point[0] - start[0], point[1] - start[1]
    share = min(max((x * over + y * down) / length, 0), 1) if length else 0
    return math.hypot(x - share * over, y - share * down)


def _area(ring: list[tuple[int, int]]) -> float:
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return abs(sum(x * below - y * right for (x, y), (right, below) in pairs)) / 2


def _written(ring: list[tuple[int, int]]) -> str:
    text = ""
    last = (0, 0)
    for point in ring:
        for value, before in zip(point, last, strict=True):
            rest = 2 * (value - before) if value >= before else 2 * (before - value) - 1
            while rest >= 32:
                text += chr(95 + (rest & 31))
                rest >>= 5
            text += chr(63 + rest)
        last = point
    return text


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.buffer.write(land(json.load(file)))
