"""JSON that exports put beside pictures, to facts by standard names.

Google Takeout's own form, and what ExifTool and osxphotos write (`exiftool -json`). JSON of any
other form says nothing. Each field is read by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from imgvecd.core.files import photo_names
from imgvecd.core.files.photo_dates import moment, of_instant
from imgvecd.core.files.photo_facts import each, parts, rating
from imgvecd.core.files.photo_positions import altitude, of_text, position
from imgvecd.types import Facts

LARGEST = 4_000_000
"""Bytes of a file: Takeout's have some thousand, ExifTool's of everything some hundred thousand."""

_GOOGLE = {"photoTakenTime", "geoData", "geoDataExif", "creationTime", "googlePhotosOrigin"}
_EXIFTOOL = "SourceFile"
_TIMES = (
    ("DateTimeOriginal", "OffsetTimeOriginal", "SubSecTimeOriginal"),
    ("CreateDate", "OffsetTimeDigitized", "SubSecTimeDigitized"),
    ("DateCreated", "", ""),
)
_TEXTS = {
    "title": ("Title", "ObjectName"),
    "description": ("Description", "ImageDescription", "Caption-Abstract"),
    "creator": ("Creator", "Artist", "By-line"),
    "copyright": ("Rights", "Copyright", "CopyrightNotice"),
    "city": ("City",),
    "country": ("Country", "Country-PrimaryLocationName"),
}
# Tags with words, and what separates the parts of nested ones.
_KEYWORDS = {
    "Subject": "\n", "Keywords": "\n", "TagsList": "/", "HierarchicalSubject": "|",
    "LastKeywordXMP": "/",
}  # fmt: skip
_PEOPLE = {"PersonInImage": "\n", "RegionName": "\n"}


def read(data: bytes) -> Facts:
    """Return what the file says: names as in `ImageInfo.metadata`, and `taken_at`.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        value = json.loads(data.decode("utf-8-sig") if data.startswith(b"\xef\xbb\xbf") else data)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: byte {error.start} is not text") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    if _GOOGLE & value.keys():
        return _of_google(value)
    return _of_exiftool(value) if _EXIFTOOL in value else {}


def _of_google(said: Mapping[str, object]) -> Facts:
    return each(
        {
            "taken_at": lambda: _instant(said),
            "description": lambda: _text(said.get("description")),
            "people": lambda: _names(said.get("people")),
            "favorite": lambda: said.get("favorited") is True or None,
        },
        lambda: next(filter(None, map(partial(_place, said), ("geoData", "geoDataExif"))), {}),
    )


def _instant(said: Mapping[str, object]) -> str:
    time = said.get("photoTakenTime")
    if not isinstance(time, dict):
        return ""
    seconds = _number(time.get("timestamp"))
    if seconds is None:
        shown = photo_names.taken_at(_text(time.get("formatted")))
        if not shown.endswith("+00:00"):
            return ""  # in a language that is not known, or it does not say where
        seconds = datetime.fromisoformat(shown).timestamp()
    return of_instant(seconds)


def _place(said: Mapping[str, object], name: str) -> Facts:
    place = said.get(name)
    if not isinstance(place, dict):
        return {}
    latitude, longitude = (
        None if (degrees := _number(place.get(axis))) is None else of_text(axis, f"{degrees:.7f}")
        for axis in ("latitude", "longitude")
    )
    return position(latitude, longitude, _number(place.get("altitude")) or None)


def _names(people: object) -> list[str]:
    if not isinstance(people, list):
        return []
    found = (_text(each.get("name")) for each in people if isinstance(each, dict))
    return list(dict.fromkeys(filter(None, found)))


def _of_exiftool(said: Mapping[str, object]) -> Facts:
    """Read tags with or without their groups in front ("EXIF:Title", "Title")."""
    tags: dict[str, object] = {}
    for name, value in said.items():
        tags.setdefault(name.rpartition(":")[2], value)
    return each(
        {
            **{name: partial(_first, tags, names) for name, names in _TEXTS.items()},
            "taken_at": lambda: _local_time(tags),
            "keywords": lambda: _words(tags, _KEYWORDS),
            "people": lambda: _words(tags, _PEOPLE),
            "rating": lambda: rating(_number(tags.get("Rating"))),
        },
        lambda: _position(tags),
    )


def _local_time(tags: Mapping[str, object]) -> str:
    for name, offset, fraction in _TIMES:
        extra = {"offset": _text(tags.get(offset)), "fraction": _text(tags.get(fraction))}
        if found := moment(_text(tags.get(name)), **extra):
            return found
    return ""


def _position(tags: Mapping[str, object]) -> Facts:
    latitude, longitude = (
        of_text(axis.lower(), _text(tags.get(f"GPS{axis}")), _text(tags.get(f"GPS{axis}Ref")))
        for axis in ("Latitude", "Longitude")
    )
    height = altitude(_text(tags.get("GPSAltitude")), _text(tags.get("GPSAltitudeRef")))
    return position(latitude, longitude, height)


def _first(tags: Mapping[str, object], names: Sequence[str]) -> str:
    return next(filter(None, (_text(tags.get(name)) for name in names)), "")


def _words(tags: Mapping[str, object], separators: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for name, separator in separators.items():
        value = tags.get(name)
        for word in value if isinstance(value, list) else [value]:
            found += parts(_text(word), separator)
    return list(dict.fromkeys(found))


def _text(value: object) -> str:
    """Return a text without what no database keeps: halves of characters, zeros."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "").strip()


def _number(value: object) -> float | None:
    """Return a number, also one that is written as a text; whole ones as such."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
