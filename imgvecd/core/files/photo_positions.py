"""Where a picture was taken: degrees, however files and programs write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from imgvecd.types import Facts

_NUMBER = re.compile(r"[+\-\u2212]?\d+(?:\.\d+)?(?:/\d+)?", re.ASCII)
_DIRECTION = re.compile(r"[NSEW]", re.IGNORECASE)
_LONGEST = 100  # characters: no way of writing a coordinate has more
_MOST_PARTS = 3  # degrees, minutes, seconds
_SIXTY = 60.0
_AXES = {"latitude": ("NS", 90.0), "longitude": ("EW", 180.0)}


def position(latitude: float | None, longitude: float | None, altitude: float | None) -> Facts:
    """Return a position as facts; none if half of it is missing, or both are 0 ("not known")."""
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return {}
    return {"gps_latitude": latitude, "gps_longitude": longitude, "gps_altitude_m": altitude}


def of_text(axis: str, text: str, reference: str = "") -> float | None:
    """Return degrees, south and west negative, of "51,30.48N", "-0.125", "51 deg 30' 28 N", ….

    Args:
        axis: "latitude" or "longitude".
        reference: what another field says of the direction, for a text that says none.
    """
    text = text.strip()[:_LONGEST]
    letters = _DIRECTION.findall(re.sub(r"(?i)deg(rees)?|min(utes)?|sec(onds)?", " ", text))
    numbers = _NUMBER.findall(text)
    if not 1 <= len(numbers) <= _MOST_PARTS or len(letters) > 1:
        return None
    values = [_value(number) for number in numbers]
    return of_parts(axis, values, letters[0] if letters else reference)


def of_parts(axis: str, parts: Sequence[float | None], reference: str = "") -> float | None:
    """Return degrees of (degrees, minutes, seconds), of which the last ones may be missing."""
    directions, limit = _AXES[axis]
    direction = reference.strip()[:1].upper()
    if direction and direction not in directions:
        return None
    if not 1 <= len(parts) <= _MOST_PARTS:
        return None
    first, *smaller = parts
    if first is None:
        return None
    # cameras that know no seconds write 0/0
    rest = [0.0 if part is None else part for part in smaller]
    if any(not 0 <= part <= _SIXTY for part in rest):
        return None
    degrees = abs(first) + sum(part / _SIXTY**i for i, part in enumerate(rest, 1))
    if not degrees <= limit:
        return None
    negative = direction in {"S", "W"} if direction else math.copysign(1.0, first) < 0
    return round(-degrees if negative else degrees, 7)


def _value(number: str) -> float | None:
    above, slash, below = number.replace("\u2212", "-").partition("/")
    if slash:
        return float(above) / float(below) if float(below) else None
    return float(above)
