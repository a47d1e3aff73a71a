"""What a camera wrote about a picture."""

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from imgvecd.core.files.photo_facts import camera, parts, said, stars
from imgvecd.types import Facts

logger = logging.getLogger(__name__)

DAMAGE = (OSError, SyntaxError, ValueError, KeyError, struct.error)
"""What Pillow raises over damaged EXIF."""

_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_RATING, _RATING_PERCENT = 0x4746, 0x4749  # Microsoft's; Pillow has no names for them
_ORIENTATIONS = 8
_NUMBERS = {
    "iso": Base.ISOSpeedRatings,
    "exposure_s": Base.ExposureTime,
    "f_number": Base.FNumber,
    "focal_length_mm": Base.FocalLength,
    "exposure_bias_ev": Base.ExposureBiasValue,
}
_TIMES = (
    (Base.DateTimeOriginal, Base.OffsetTimeOriginal),
    (Base.DateTimeDigitized, Base.OffsetTimeDigitized),
)
_MODIFIED = (Base.DateTime, Base.OffsetTime)


def fields_of(image: Image.Image) -> Image.Exif:
    """Return a picture's EXIF; empty if it is damaged, which does not keep it from being shown."""
    try:
        return image.getexif()
    except DAMAGE as error:
        logger.debug("unreadable EXIF: %s", error)
        return Image.Exif()


def facts(exif: Image.Exif) -> Facts:
    """Return what is known, by standard names, with `taken_at` where the camera wrote it."""
    fields = exif.get_ifd(IFD.Exif)
    found: Facts = {
        "taken_at": next(filter(None, (_taken_at(fields, *tags) for tags in _TIMES)), None),
        "camera": camera(_text(exif.get(Base.Make)), _text(exif.get(Base.Model))),
        "lens": _text(fields.get(Base.LensModel)),
        "description": _text(exif.get(Base.ImageDescription)),
        "creator": _text(exif.get(Base.Artist)),
        "copyright": _text(exif.get(Base.Copyright)),
        "title": _windows_text(exif.get(Base.XPTitle)),
        "keywords": parts(_windows_text(exif.get(Base.XPKeywords)), ";"),
        "rating": _rating(exif),
        "flash": _flash(fields.get(Base.Flash)),
        "orientation": _orientation(exif),
        **{name: _number(fields.get(tag)) for name, tag in _NUMBERS.items()},
        **_position(exif.get_ifd(IFD.GPSInfo)),
    }
    return said(found)


def subsecond(exif: Image.Exif) -> str:
    """Return the digits behind the second in which the picture was taken; empty if unknown."""
    try:
        fields = exif.get_ifd(IFD.Exif)
    except DAMAGE:
        return ""
    digits = _text(fields.get(Base.SubsecTimeOriginal)).rstrip("0")
    return digits if digits.isdigit() else ""


def modification(exif: Image.Exif) -> Facts:
    """Return, as `taken_at`, when a camera or a program last wrote the picture."""
    return said({"taken_at": _taken_at({**exif, **exif.get_ifd(IFD.Exif)}, *_MODIFIED)})


def _taken_at(fields: Mapping[int, Any], time: int, offset: int) -> str | None:
    moment = _moment(fields.get(time))
    return moment and moment + _offset(fields.get(offset))


def _moment(value: object) -> str | None:
    with contextlib.suppress(ValueError):
        # some write dashes; seconds may have a fraction
        text = _text(value).replace("-", ":")[:19]
        moment = datetime.datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007  # local time, of a zone that the file may not tell
        return moment.isoformat()
    return None


def _offset(value: object) -> str:
    text = _text(value)
    return text if _OFFSET.fullmatch(text) else ""


def _rating(exif: Image.Exif) -> int | float | None:
    rating = _number(exif.get(_RATING))
    if rating is not None:
        return rating
    percent = _number(exif.get(_RATING_PERCENT))
    return None if percent is None else stars(percent)


def _flash(value: object) -> bool | None:
    return bool(value & 1) if isinstance(value, int) else None


def _orientation(exif: Image.Exif) -> int | None:
    value = exif.get(Base.Orientation)
    return value if isinstance(value, int) and 1 < value <= _ORIENTATIONS else None


def _windows_text(value: object) -> str:
    """Return what Windows wrote: UTF-16, as bytes or as numbers."""
    if isinstance(value, tuple):
        value = bytes(value)
    return value.decode("utf-16-le", "replace").split("\0")[0] if isinstance(value, bytes) else ""


def _position(gps: Mapping[int, Any]) -> Facts:
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), 90)
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return {}  # cameras that know no position write zeros
    altitude = _number(gps.get(GPS.GPSAltitude))
    if altitude is not None and gps.get(GPS.GPSAltitudeRef) in {1, b"\1"}:
        altitude = -altitude  # below the sea
    return {"gps_latitude": latitude, "gps_longitude": longitude, "gps_altitude_m": altitude}


def _degrees(value: object, reference: object, limit: float) -> float | None:
    if not isinstance(value, tuple) or len(value) != 3:  # noqa: PLR2004  # degrees, minutes, seconds
        return None
    parts = [_number(part) for part in value]
    if None in parts:
        return None
    degrees = sum((part or 0.0) / 60.0**i for i, part in enumerate(parts))
    if degrees > limit:
        return None
    return round(-degrees if _text(reference).upper() in {"S", "W"} else degrees, 7)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.split("\0")[0].strip() if isinstance(value, str) else ""


def _number(value: object) -> int | float | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    if isinstance(value, int):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]  # a rational, or what a damaged file has
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return round(number, 6) if math.isfinite(number) else None
