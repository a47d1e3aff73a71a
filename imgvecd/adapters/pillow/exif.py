"""What a camera wrote about a picture."""

from __future__ import annotations

import contextlib
import datetime
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

Metadata: TypeAlias = dict[str, str | int | float | bool | list[str]]

_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_RATING = 0x4746  # Microsoft's; Pillow has no name for it
_NUMBERS = {
    "iso": Base.ISOSpeedRatings,
    "exposure_s": Base.ExposureTime,
    "f_number": Base.FNumber,
    "focal_length_mm": Base.FocalLength,
}
_TIMES = (
    (Base.DateTimeOriginal, Base.OffsetTimeOriginal),
    (Base.DateTimeDigitized, Base.OffsetTimeDigitized),
)


def taken_at(exif: Image.Exif) -> str | None:
    """Return when the picture was taken, as `ImageInfo.taken_at`."""
    fields = exif.get_ifd(IFD.Exif)
    for time, offset in _TIMES:
        if moment := _moment(fields.get(time)):
            return moment + _offset(fields.get(offset))
    return _moment(exif.get(Base.DateTime))


def facts(exif: Image.Exif) -> Metadata:
    """Return what is known besides the time, by standard names."""
    fields = exif.get_ifd(IFD.Exif)
    found: dict[str, str | float | None] = {
        "camera": _camera(_text(exif.get(Base.Make)), _text(exif.get(Base.Model))),
        "lens": _text(fields.get(Base.LensModel)),
        "description": _text(exif.get(Base.ImageDescription)),
        "rating": _number(exif.get(_RATING)),
        **{name: _number(fields.get(tag)) for name, tag in _NUMBERS.items()},
        **_position(exif.get_ifd(IFD.GPSInfo)),
    }
    return {name: value for name, value in found.items() if value not in {None, ""}}


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


def _camera(make: str, model: str) -> str:
    """Return maker and model, once: many models begin with the maker's name."""
    maker = make.partition(" ")[0]
    return model if model.lower().startswith(maker.lower()) else f"{make} {model}".strip()


def _position(gps: Mapping[int, Any]) -> dict[str, float | None]:
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), 90)
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), 180)
    if latitude is None or longitude is None:
        return {}
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
