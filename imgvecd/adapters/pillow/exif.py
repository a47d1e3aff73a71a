"""What a camera wrote about a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from PIL.ExifTags import GPS, Base

from imgvecd.adapters.pillow.tiff_fields import Directory, Fields, Value
from imgvecd.core.files.photo_dates import moment
from imgvecd.core.files.photo_facts import (
    camera,
    each,
    exposure_of,
    f_number_of,
    named,
    parts,
    rating,
    stars,
)
from imgvecd.core.files.photo_positions import BELOW, of_parts, of_text, position
from imgvecd.core.files.photo_texts import by_people, legible, of_japan, of_wide, text_of
from imgvecd.types import Facts

_RATING, _RATING_PERCENT = 0x4746, 0x4749  # Microsoft's; Pillow has no names for them
_ZONE_HOURS = 0x882A  # of TIFF/EP
_ORIENTATIONS = 8
_MOST_ISO = 65_535  # in the field that all cameras write: "see the others"
_FURTHER_ISO = (Base.ISOSpeed, Base.RecommendedExposureIndex, Base.StandardOutputSensitivity)
_TIMES = (
    (Base.DateTimeOriginal, Base.OffsetTimeOriginal, Base.SubsecTimeOriginal),
    (Base.DateTimeDigitized, Base.OffsetTimeDigitized, Base.SubsecTimeDigitized),
)
_MODIFIED = (Base.DateTime, Base.OffsetTime, Base.SubsecTime)
_KIND_BYTES = 8  # of a comment's character code
_Time = tuple[int, int, int]


def facts(fields: Fields) -> Facts:
    """Return what is known, by standard names, with `taken_at` where the camera wrote it.

    A field that makes no sense takes no other along.
    """
    main, shot = fields.main, fields.exif
    return each(
        {
            "taken_at": lambda: next(filter(None, map(partial(_taken_at, fields), _TIMES)), ""),
            "camera": lambda: camera(*(named(_text(main, tag)) for tag in (Base.Make, Base.Model))),
            "lens": lambda: named(_text(shot, Base.LensModel)),
            "description": lambda: by_people(_descriptions(main, shot)),
            "creator": lambda: _text(main, Base.Artist) or _windows_text(main, Base.XPAuthor),
            "copyright": lambda: _copyright(main),
            "title": lambda: _windows_text(main, Base.XPTitle),
            "keywords": lambda: parts(_windows_text(main, Base.XPKeywords), ";"),
            "rating": lambda: _rating(main),
            "flash": lambda: _flash(shot),
            "orientation": lambda: _turned(fields),
            "exposure_bias_ev": lambda: _number(shot.get(Base.ExposureBiasValue)),
            # a camera that does not know one of these writes 0
            "focal_length_mm": lambda: _measure(shot, Base.FocalLength),
            "iso": lambda: _iso(shot),
            "exposure_s": lambda: (
                _measure(shot, Base.ExposureTime)
                or exposure_of(_number(shot.get(Base.ShutterSpeedValue)))
            ),
            "f_number": lambda: (
                _measure(shot, Base.FNumber) or f_number_of(_number(shot.get(Base.ApertureValue)))
            ),
        },
        lambda: _position(fields.gps),
    )


def modification(fields: Fields) -> Facts:
    """Return, as `taken_at`, when satellites were seen, or when the picture was last written."""
    return each({"taken_at": lambda: _located_at(fields.gps) or _taken_at(fields, _MODIFIED)})


def orientation(fields: Fields) -> int:
    """Return the orientation that EXIF gives, 1 to 8."""
    value = _number(fields.main.get(Base.Orientation))
    return value if isinstance(value, int) and 1 <= value <= _ORIENTATIONS else 1


def _turned(fields: Fields) -> int | None:
    value = orientation(fields)
    return value if value > 1 else None


def _taken_at(fields: Fields, tags: _Time) -> str:
    time, offset, fraction = (_anywhere(fields, tag) for tag in tags)
    return moment(time, offset=offset or _offset_beside(fields, time), fraction=fraction)


def _anywhere(fields: Fields, tag: int) -> str:
    return next(filter(None, (_text(place, tag) for place in (fields.exif, fields.main))), "")


def _offset_beside(fields: Fields, time: str) -> str:
    """Return the offset of another time that is the same, or is not told; else the camera's."""
    for other, tag, _ in (*_TIMES, _MODIFIED):
        offset = _anywhere(fields, tag)
        if offset and _anywhere(fields, other) in {"", time}:
            return offset
    hours = _number(fields.exif.get(_ZONE_HOURS) or fields.main.get(_ZONE_HOURS))
    return "" if hours is None else f"{hours:+03.0f}"


def _located_at(gps: Directory) -> str:
    """Return the time of satellites, which is UTC."""
    clock = gps.get(GPS.GPSTimeStamp)
    if not isinstance(clock, tuple) or not all(map(math.isfinite, clock[:2])):
        return moment(_text(gps, GPS.GPSDateStamp))
    time = ":".join(f"{int(part):02d}" for part in clock if math.isfinite(part))
    return moment(f"{_text(gps, GPS.GPSDateStamp)} {time}", offset="Z")


def _copyright(main: Directory) -> str:
    """Return the photographer's, or the editor's behind it where that one is blank."""
    value = main.get(Base.Copyright)
    if not isinstance(value, bytes):
        return _text(main, Base.Copyright)
    photographer, _, editor = value.partition(b"\0")
    return text_of(photographer) or text_of(editor)


def _descriptions(main: Directory, shot: Directory) -> Iterator[str]:
    yield _text(main, Base.ImageDescription)
    yield _windows_text(main, Base.XPComment)
    yield _windows_text(main, Base.XPSubject)
    yield legible(_comment(shot))


def _comment(shot: Directory) -> str:
    """Return what a program let a user say, behind eight bytes that name its characters."""
    value = shot.get(Base.UserComment)
    if not isinstance(value, bytes):
        return ""
    kind, text = value[:_KIND_BYTES].strip(b"\0 ").upper(), value[_KIND_BYTES:]
    if kind == b"UNICODE" or (not kind and b"\0" in text.rstrip(b"\0")):
        return of_wide(text, big=shot.is_big_endian)
    if kind == b"JIS":
        return of_japan(text)
    if kind in {b"ASCII", b""}:
        return text_of(text)
    return text_of(value)  # without a kind, as some programs write it


def _iso(shot: Directory) -> int | float | None:
    found = _measure(shot, Base.ISOSpeedRatings)
    if found is not None and found < _MOST_ISO:
        return found
    return next(filter(None, (_measure(shot, tag) for tag in _FURTHER_ISO)), found)


def _rating(main: Directory) -> int | float | None:
    said = rating(_number(main.get(_RATING)))
    if said is not None:
        return said
    percent = _number(main.get(_RATING_PERCENT))
    return None if percent is None else stars(percent)


def _flash(shot: Directory) -> bool | None:
    value = _number(shot.get(Base.Flash))
    return bool(value & 1) if isinstance(value, int) else None


def _measure(shot: Directory, tag: int) -> int | float | None:
    return _number(shot.get(tag)) or None


def _windows_text(main: Directory, tag: int) -> str:
    """Return what Windows wrote: UTF-16, as bytes or, by some programs, as numbers."""
    value = main.get(tag)
    if isinstance(value, tuple):
        units = [int(unit) for unit in value if 0 <= unit < 1 << 16]
        width = 1 if max(units, default=0) < 1 << 8 else 2
        value = b"".join(unit.to_bytes(width, "little") for unit in units)
    return of_wide(value or b"")


def _position(gps: Directory) -> Facts:
    altitude = _number(gps.get(GPS.GPSAltitude))
    if altitude is not None and str(_number(gps.get(GPS.GPSAltitudeRef))) in BELOW:
        altitude = -abs(altitude)  # below the sea
    return position(
        _degrees("latitude", gps, GPS.GPSLatitude, GPS.GPSLatitudeRef),
        _degrees("longitude", gps, GPS.GPSLongitude, GPS.GPSLongitudeRef),
        altitude,
    )


def _degrees(axis: str, gps: Directory, tag: int, reference_tag: int) -> float | None:
    value = gps.get(tag)
    reference = _text(gps, reference_tag)
    if isinstance(value, bytes):
        return of_text(axis, text_of(value), reference)
    if not value:
        return None
    return of_parts(axis, [None if math.isnan(part) else part for part in value], reference)


def _text(directory: Directory, tag: int) -> str:
    value = directory.get(tag)
    if isinstance(value, tuple):  # by programs that take no care of types
        value = bytes(int(unit) for unit in value)
    return text_of(value or b"")


def _number(value: Value | Sequence[float] | None) -> int | float | None:
    if isinstance(value, bytes):  # one byte, or digits
        number = float(value[0]) if len(value) == 1 else float(text_of(value) or "nan")
    elif value:
        number = float(value[0])
    else:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else round(number, 6)
