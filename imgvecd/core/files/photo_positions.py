"""Where a picture was taken: degrees, however files and programs write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from imgvecd.types import Facts

_NUMBER = re.compile(
    r"[+\-\u2212]?\d+(?:\.\d+)?(?:/\d+|e[+\-]?\d{1,3}(?![\w.]))?", re.ASCII | re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+")
_MARKS = frozenset(" \t,;:°'′’\"″”")
_UNITS = frozenset({
    "d", "deg", "degree", "degrees", "m", "min", "minute", "minutes", "sec", "second", "seconds",
    "º",
})  # fmt: skip
# "51d30m28.8s", where the last letter is no direction; "51,508333", where no minutes are meant, and
# 51°30'28,8"
_SECONDS = re.compile(r"(?<=\d)(\s*m\s*[\d.]+\s*)s", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(\d{1,3}),(?=\d{3,}\s*[a-z]*$)|(?<=[°º'′])(\s*\d{1,2}),(?=\d+\s*[\"″”'′])",
    re.ASCII | re.IGNORECASE,
)
_HEIGHT = re.compile(r"[+\-\u2212]?\d{1,12}(?:[.,]\d{1,12}|/\d{1,12})?", re.ASCII)
BELOW = frozenset({"1", "3"})
"""EXIF's references of an altitude below the ellipsoid, or the sea."""
_FARTHEST_M = 1_000_000  # cameras that count below 0 without a sign are beyond
_LONGEST = 100  # characters: no way of writing a coordinate has more
_MOST_PARTS = 3  # degrees, minutes, seconds
_SIXTY = 60.0
_AXES = {"latitude": ("NS", 90.0), "longitude": ("EW", 180.0)}


def position(latitude: float | None, longitude: float | None, altitude: float | None) -> Facts:
    """Return a position as facts; none if half of it is missing, or both are 0 ("not known")."""
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return {}
    if altitude is not None and abs(altitude) > _FARTHEST_M:
        altitude = None
    return {"gps_latitude": latitude, "gps_longitude": longitude, "gps_altitude_m": altitude}


def altitude(text: str, reference: str = "") -> float | None:
    """Return metres above the sea, negative below, of "12.5", "125/10", "12,5 m Below Sea Level".

    Args:
        reference: what another field says of the direction: EXIF's number of it, or words.
    """
    found = _HEIGHT.match(text.strip()[:_LONGEST])
    value = _value(found[0].replace(",", ".")) if found else None
    if value is None:
        return None
    is_below = reference.strip() in BELOW or "below" in f"{text} {reference}".lower()
    return -abs(value) if is_below else value


def of_text(axis: str, text: str, reference: str = "") -> float | None:
    """Return degrees, south and west negative, of "51,30.48N", "-0.125", "51 deg 30' 28 N", ….

    Args:
        axis: "latitude" or "longitude".
        reference: what another field says of the direction, for a text that says none.
    """
    text = _DECIMAL_COMMA.sub(r"\1\2.", _SECONDS.sub(r"\1", text.strip()[:_LONGEST]))
    numbers, rest = _NUMBER.findall(text), _NUMBER.sub(" ", text)
    words = [word for word in _WORD.findall(rest) if word.lower() not in _UNITS]
    if not 1 <= len(numbers) <= _MOST_PARTS or len(words) > 1 or set(_WORD.sub("", rest)) - _MARKS:
        return None
    return of_parts(axis, [_value(number) for number in numbers], words[0] if words else reference)


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
    if first <= 0 and all(part <= 0 for part in rest):  # each with the sign of the whole
        first = math.copysign(first, min([first, *rest]))
        rest = [abs(part) for part in rest]
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
