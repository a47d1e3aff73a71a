"""XMP packets, of a picture or of a sidecar file, to facts by standard names."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator
from functools import partial
from html import unescape
from xml.etree.ElementTree import Element

from imgvecd.adapters.xmp_packet import LARGEST, Properties, description_of
from imgvecd.core.files.photo_dates import moment
from imgvecd.core.files.photo_facts import (
    camera,
    each,
    exposure_of,
    f_number_of,
    named,
    parts,
    rating,
    several,
    stars,
)
from imgvecd.core.files.photo_positions import altitude, of_text, position
from imgvecd.core.files.photo_texts import described
from imgvecd.types import Facts

__all__ = ["LARGEST", "orientation", "read"]

_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_EXIF_EX = "{http://cipa.jp/exif/1.0/}"
_AUX = "{http://ns.adobe.com/exif/1.0/aux/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_LIGHTROOM = "{http://ns.adobe.com/lightroom/1.0/}"
_DIGIKAM = "{http://www.digikam.org/ns/1.0/}"
_MICROSOFT = "{http://ns.microsoft.com/photo/1.0/}"
_MP = "{http://ns.microsoft.com/photo/1.2/}"
_MP_REGION = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_MWG_REGIONS = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_IPTC_EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_ACDSEE_REGIONS = "{http://ns.acdsee.com/regions/}"
_ACDSEE = "{http://ns.acdsee.com/iptc/1.0/}"
_MEDIA_PRO = "{http://ns.iview-multimedia.com/mediapro/1.0/}"
_EXPRESSION_MEDIA = "{http://ns.microsoft.com/expressionmedia/1.0/}"
_MWG_KEYWORDS = "{http://www.metadataworkinggroup.com/schemas/keywords/}"
_PEOPLE = (_IPTC_EXT + "PersonInImage", _MEDIA_PRO + "People")

_TEXTS = {
    "title": (_DC + "title", _PHOTOSHOP + "Headline", _ACDSEE + "caption"),
    "copyright": (_DC + "rights", _TIFF + "Copyright"),
}
_LENSES = (_EXIF_EX + "LensModel", _AUX + "LensModel", _AUX + "Lens")
_DESCRIPTIONS = (
    _DC + "description", _ACDSEE + "notes", _TIFF + "ImageDescription", _EXIF + "UserComment"
)  # fmt: skip
# Where it was taken, and within which places that says the same.
_PLACES = {
    "city": (_PHOTOSHOP + "City", _IPTC_EXT + "City"),
    "country": (_PHOTOSHOP + "Country", _IPTC_EXT + "CountryName"),
}
_PLACE = _IPTC_EXT + "LocationCreated"
_MEASURES = {
    "iso": (_EXIF_EX + "PhotographicSensitivity", _EXIF + "ISOSpeedRatings"),
    "focal_length_mm": (_EXIF + "FocalLength",),
}
# When it was taken → what says its offset and its fraction of a second.
_TIMES = {
    _EXIF + "DateTimeOriginal": (
        (_EXIF_EX + "OffsetTimeOriginal", _EXIF + "OffsetTimeOriginal"),
        (_EXIF_EX + "SubSecTimeOriginal", _EXIF + "SubSecTimeOriginal"),
    ),
    _PHOTOSHOP + "DateCreated": ((), ()),
    _XMP + "CreateDate": ((), ()),
    _EXIF + "DateTimeDigitized": (
        (_EXIF_EX + "OffsetTimeDigitized", _EXIF + "OffsetTimeDigitized"),
        (_EXIF_EX + "SubSecTimeDigitized", _EXIF + "SubSecTimeDigitized"),
    ),
    _ACDSEE + "datetime": ((), ()),
}
# Paths of nested keywords, and what separates their parts.
_KEYWORD_PATHS = (
    (_LIGHTROOM + "hierarchicalSubject", "|"),
    (_DIGIKAM + "TagsList", "/"),
    (_MICROSOFT + "LastKeywordXMP", "/"),
    (_MEDIA_PRO + "CatalogSets", "|"),
    (_EXPRESSION_MEDIA + "CatalogSets", "|"),
)
_CATEGORY = re.compile(r"<Category\b[^<>]*>([^<>]+)")  # of ACDSee: XML in a text
# Where faces are → what says the name and the kind of one.
_REGIONS = {
    _MWG_REGIONS + "Regions": (_MWG_REGIONS + "Name", _MWG_REGIONS + "Type"),
    _ACDSEE_REGIONS + "Regions": (_ACDSEE_REGIONS + "Name", _ACDSEE_REGIONS + "Type"),
    _MP + "RegionInfo": (_MP_REGION + "PersonDisplayName", ""),
    _IPTC_EXT + "PersonInImageWDetails": (_IPTC_EXT + "PersonName", ""),
}
# A decimal, or a fraction; what is behind a blank is a unit, or a second value.
_NUMBER = re.compile(
    r"(?:f/)?(?P<above>[+\-]?\d{1,40}(?:[.,]\d{1,40})?(?:e[+\-]?\d{1,3})?)"
    r"(?:\s?/\s?(?P<below>[+\-]?\d{1,40}(?:[.,]\d{1,40})?))?(?:\s.*|mm|s)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ORIENTATIONS = 8


def read(packet: bytes) -> Facts:
    """Return what the packet says: names as in `ImageInfo.metadata`, and `taken_at`.

    A property that makes no sense takes no other along.

    Raises:
        ValueError: it is no XMP, or far too much of it.
    """
    said, elements = description_of(packet)
    return each(
        {
            **{name: partial(_first, said, tags) for name, tags in _TEXTS.items()},
            **{n: partial(_place, said, elements, *tags) for n, tags in _PLACES.items()},
            "description": lambda: described(t for n in _DESCRIPTIONS for t in said.get(n, ())),
            "lens": lambda: named(_first(said, _LENSES)),
            "creator": lambda: (
                several(said.get(_DC + "creator", ())) or _first(said, (_TIFF + "Artist",))
            ),
            "flash": lambda: _flash(said, elements),
            "exposure_bias_ev": partial(_number, said, (_EXIF + "ExposureBiasValue",)),
            # a program that does not know one of these writes 0
            **{name: partial(_measure, said, tags) for name, tags in _MEASURES.items()},
            "exposure_s": lambda: (
                _measure(said, (_EXIF + "ExposureTime",))
                or exposure_of(_number(said, (_EXIF + "ShutterSpeedValue",)))
            ),
            "f_number": lambda: (
                _measure(said, (_EXIF + "FNumber",))
                or f_number_of(_number(said, (_EXIF + "ApertureValue",)))
            ),
            "camera": lambda: camera(
                _first(said, (_TIFF + "Make",)), _first(said, (_TIFF + "Model",))
            ),
            "rating": lambda: _rating(said),
            "keywords": lambda: _keywords(said, elements),
            "people": lambda: _people(said, elements),
            "taken_at": lambda: _taken_at(said),
        },
        lambda: _position(said),
    )


def orientation(packet: bytes) -> int:
    """Return how the picture is to be turned, as in EXIF; 1 if the packet does not say.

    Raises:
        ValueError: as for `read`.
    """
    value = _number(description_of(packet)[0], (_TIFF + "Orientation",))
    return value if isinstance(value, int) and 1 <= value <= _ORIENTATIONS else 1


def number(text: str) -> int | float | None:
    """Return the value of a decimal or a fraction ("1/250", "f/2,8", "50.0 mm"), else None."""
    if (found := _NUMBER.fullmatch(text.strip())) is None:
        return None
    above, below = (part.replace(",", ".") for part in (found["above"], found["below"] or "1"))
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        value = float(above) / float(below)
        if math.isfinite(value):
            return int(value) if value.is_integer() else round(value, 6)
    return None


def _first(said: Properties, names: tuple[str, ...]) -> str:
    for name in names:
        for value in said.get(name, ()):
            if value:
                return value
    return ""


def _number(said: Properties, names: tuple[str, ...]) -> int | float | None:
    """Return the first value that is a number."""
    numbers = (number(value) for name in names for value in said.get(name, ()))
    return next((value for value in numbers if value is not None), None)


def _measure(said: Properties, names: tuple[str, ...]) -> int | float | None:
    return _number(said, names) or None


def _taken_at(said: Properties) -> str:
    for name, (offsets, fractions) in _TIMES.items():
        for value in said.get(name, ()):
            offset, fraction = _first(said, offsets), _first(said, fractions)
            if found := moment(value, offset=offset, fraction=fraction):
                return found
    return ""


def _rating(said: Properties) -> int | float | None:
    count = rating(_number(said, (_XMP + "Rating", _ACDSEE + "rating")))
    if count is not None:
        return count
    percent = _number(said, (_MICROSOFT + "Rating",))
    return None if percent is None else stars(percent)


def _keywords(said: Properties, elements: Iterable[Element]) -> list[str]:
    found = [*said.get(_DC + "subject", ()), *said.get(_ACDSEE + "keywords", ())]
    found += (
        _value(part, _MWG_KEYWORDS + "Keyword")
        for part in _inside(elements, {_MWG_KEYWORDS + "Keywords"})
    )
    for name, separator in _KEYWORD_PATHS:
        for path in said.get(name, ()):
            found += parts(path, separator)
    for categories in said.get(_ACDSEE + "categories", ()):
        found += (unescape(name).strip() for name in _CATEGORY.findall(categories))
    return list(dict.fromkeys(filter(None, found)))


def _people(said: Properties, elements: Iterable[Element]) -> list[str]:
    named = (name for tag in _PEOPLE for name in said.get(tag, ()))
    return list(dict.fromkeys(filter(None, [*_faces(elements), *named])))


def _place(said: Properties, elements: Iterable[Element], name: str, inside: str) -> str:
    places = (_value(part, inside) for part in _inside(elements, {_PLACE}))
    return _first(said, (name,)) or next(filter(None, places), "")


def _flash(said: Properties, elements: Iterable[Element]) -> bool | None:
    """Return whether it fired."""
    if isinstance(bits := _number(said, (_EXIF + "Flash",)), int):  # as in EXIF
        return bool(bits & 1)
    flashes = (_value(part, _EXIF + "Fired") for part in _inside(elements, {_EXIF + "Flash"}))
    fired = next(filter(None, flashes), "").lower()
    return fired in {"true", "1"} if fired in {"true", "false", "1", "0"} else None


def _faces(elements: Iterable[Element]) -> Iterator[str]:
    """Yield the names of people's regions, as several programs write them."""
    for regions, (name_tag, kind_tag) in _REGIONS.items():
        for element in _inside(elements, {regions}):
            is_face = _value(element, kind_tag).lower() in {"", "face"}
            if is_face and (name := _value(element, name_tag)):
                yield name


def _inside(elements: Iterable[Element], tags: set[str]) -> Iterator[Element]:
    """Yield the elements of these names, and all that is within them."""
    for element in elements:
        if element.tag in tags:
            yield from element.iter()


def _value(element: Element, name: str) -> str:
    """Return what an attribute says, or an element, be it in several languages."""
    if (attribute := element.get(name, "").strip()) or (child := element.find(name)) is None:
        return attribute
    return next(filter(None, map(str.strip, child.itertext())), "")


def _position(said: Properties) -> Facts:
    height = altitude(
        _first(said, (_EXIF + "GPSAltitude",)), _first(said, (_EXIF + "GPSAltitudeRef",))
    )
    latitude, longitude = (
        of_text(
            axis.lower(),
            _first(said, (f"{_EXIF}GPS{axis}",)),
            _first(said, (f"{_EXIF}GPS{axis}Ref",)),
        )
        for axis in ("Latitude", "Longitude")
    )
    return position(latitude, longitude, height)
