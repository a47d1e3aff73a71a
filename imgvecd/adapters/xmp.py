"""XMP packets, of a picture or of a sidecar file, to facts by standard names.

defusedxml parses them, which refuses document types and entities. XMP allows a small part of RDF,
which is read here: properties are attributes or elements of descriptions, alone or in a Bag, Seq
or Alt.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from imgvecd.core.files.photo_facts import camera, parts, said, stars
from imgvecd.types import Facts

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
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
_MP_REGION = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_MWG_REGIONS = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_PERSON = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}PersonInImage"

_TEXTS = {
    "title": (_DC + "title",),
    "description": (_DC + "description",),
    "creator": (_DC + "creator",),
    "copyright": (_DC + "rights",),
    "city": (_PHOTOSHOP + "City",),
    "country": (_PHOTOSHOP + "Country",),
    "lens": (_EXIF_EX + "LensModel", _AUX + "LensModel", _AUX + "Lens"),
}
_NUMBERS = {
    "iso": (_EXIF_EX + "PhotographicSensitivity", _EXIF + "ISOSpeedRatings"),
    "exposure_s": (_EXIF + "ExposureTime",),
    "exposure_bias_ev": (_EXIF + "ExposureBiasValue",),
    "f_number": (_EXIF + "FNumber",),
    "focal_length_mm": (_EXIF + "FocalLength",),
}
_TIMES = (_EXIF + "DateTimeOriginal", _PHOTOSHOP + "DateCreated", _XMP + "CreateDate")
# Paths of nested keywords, and what separates their parts.
_KEYWORD_PATHS = (
    (_LIGHTROOM + "hierarchicalSubject", "|"),
    (_DIGIKAM + "TagsList", "/"),
    (_MICROSOFT + "LastKeywordXMP", "/"),
)
# Bytes of a packet: those with the most edits in them have some hundred thousand, and the tree of a
# larger one takes a decoder's whole time and memory.
LARGEST = 16_000_000
_DEGREES = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])")


def read(packet: bytes) -> Facts:
    """Return what the packet says: names as in `ImageInfo.metadata`, and `taken_at`.

    Raises:
        ValueError: it is no XMP, or far too much of it.
    """
    if len(packet) > LARGEST:
        raise ValueError(f"XMP has {LARGEST:,} bytes at most")
    try:
        root = defusedxml.ElementTree.fromstring(packet.strip(b"\0 \r\n\t"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError) as error:  # an unknown encoding, too
        raise ValueError(f"no XMP: {error}") from error
    properties: dict[str, list[str]] = {}
    for description in root.iter(_RDF + "Description"):
        for name, values in _properties(description):
            properties.setdefault(name, []).extend(values)
    facts: Facts = {
        **{name: _first(properties, tags) for name, tags in _TEXTS.items()},
        **{name: number(_first(properties, tags)) for name, tags in _NUMBERS.items()},
        "camera": camera(
            _first(properties, (_TIFF + "Make",)), _first(properties, (_TIFF + "Model",))
        ),
        "rating": _rating(properties),
        "keywords": _keywords(properties),
        "people": list(dict.fromkeys([*_faces(root), *properties.get(_PERSON, [])])),
        "taken_at": next(filter(None, (moment(_first(properties, (tag,))) for tag in _TIMES)), ""),
        **_position(properties),
    }
    return said(facts)


def moment(text: str) -> str:
    """Return an ISO 8601 time as `ImageInfo.taken_at`; empty if it is none, or only a part."""
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text.strip()).isoformat(timespec="seconds")
    return ""


def number(text: str) -> int | float | None:
    """Return the value of a decimal or a fraction ("1/250"), None if it is neither."""
    above, slash, below = text.strip().partition("/")
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        value = float(above) / float(below) if slash else float(above)
        if math.isfinite(value):
            return int(value) if value.is_integer() else round(value, 6)
    return None


def _properties(description: Element) -> Iterator[tuple[str, list[str]]]:
    for name, value in description.attrib.items():
        yield name, [value.strip()]
    for child in description:
        items = [
            (item.text or "").strip()
            for container in child
            if container.tag in {_RDF + "Bag", _RDF + "Seq", _RDF + "Alt"}
            for item in container
        ]
        yield child.tag, items or [(child.text or "").strip()]


def _first(properties: dict[str, list[str]], names: tuple[str, ...]) -> str:
    for name in names:
        for value in properties.get(name, ()):
            if value:
                return value
    return ""


def _rating(properties: dict[str, list[str]]) -> int | float | None:
    rating = number(_first(properties, (_XMP + "Rating",)))
    if rating is not None:
        return rating
    percent = number(_first(properties, (_MICROSOFT + "Rating",)))
    return None if percent is None else stars(percent)


def _keywords(properties: dict[str, list[str]]) -> list[str]:
    found = list(properties.get(_DC + "subject", ()))
    for name, separator in _KEYWORD_PATHS:
        for path in properties.get(name, ()):
            found += parts(path, separator)
    return list(dict.fromkeys(filter(None, found)))


def _faces(root: Element) -> Iterator[str]:
    """Yield the names of regions, of the Metadata Working Group's kind and of Microsoft's."""
    for element in root.iter():
        if _value(element, _MWG_REGIONS + "Type") in {"", "Face"} and (
            name := _value(element, _MWG_REGIONS + "Name")
        ):
            yield name
        if name := _value(element, _MP_REGION + "PersonDisplayName"):
            yield name


def _value(element: Element, name: str) -> str:
    return (element.get(name) or element.findtext(name) or "").strip()


def _position(properties: dict[str, list[str]]) -> Facts:
    latitude = _degrees(_first(properties, (_EXIF + "GPSLatitude",)), "NS", 90)
    longitude = _degrees(_first(properties, (_EXIF + "GPSLongitude",)), "EW", 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return {}
    altitude = number(_first(properties, (_EXIF + "GPSAltitude",)))
    if altitude is not None and _first(properties, (_EXIF + "GPSAltitudeRef",)) == "1":
        altitude = -altitude
    return {"gps_latitude": latitude, "gps_longitude": longitude, "gps_altitude_m": altitude}


def _degrees(text: str, directions: str, limit: float) -> float | None:
    match = _DEGREES.fullmatch(text)
    if match is None or match[4] not in directions:
        return None
    degrees = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    if degrees > limit:
        return None
    return round(-degrees if match[4] in "SW" else degrees, 7)
