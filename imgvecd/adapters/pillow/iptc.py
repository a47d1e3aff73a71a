"""What a person or an agency wrote about a picture in IPTC's older format (IIM)."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping

from PIL import Image, IptcImagePlugin

from imgvecd.core.files.photo_facts import said
from imgvecd.types import Facts

_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"
_KEYWORDS = (2, 25)
_DATE, _TIME = (2, 55), (2, 60)
_TEXTS = {
    "title": (2, 5),
    "creator": (2, 80),
    "city": (2, 90),
    "country": (2, 101),
    "copyright": (2, 116),
    "description": (2, 120),
}

_Fields = Mapping[tuple[int, int], bytes | list[bytes]]


def facts(image: Image.Image) -> Facts:
    """Return what is known, by standard names, with `taken_at`."""
    fields: _Fields = IptcImagePlugin.getiptcinfo(image) or {}  # type: ignore[arg-type]  # any image
    encoding = "utf-8" if _all(fields, _CHARACTER_SET)[:1] == [_UTF8] else "cp1252"
    found: Facts = {
        name: " ".join(_texts(fields, tag, encoding)[:1]) for name, tag in _TEXTS.items()
    }
    found["keywords"] = _texts(fields, _KEYWORDS, encoding)
    found["taken_at"] = _moment(
        b"".join(_all(fields, _DATE)[:1]), b"".join(_all(fields, _TIME)[:1])
    )
    return said(found)


def _all(fields: _Fields, tag: tuple[int, int]) -> list[bytes]:
    value = fields.get(tag, [])
    return value if isinstance(value, list) else [value]


def _texts(fields: _Fields, tag: tuple[int, int], encoding: str) -> list[str]:
    return [text for value in _all(fields, tag) if (text := _text(value, encoding))]


def _text(value: bytes, encoding: str) -> str:
    """Decode; many programs wrote UTF-8 without saying so."""
    value = value.strip(b"\0 ")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(encoding, "replace")


def _moment(date: bytes, time: bytes) -> str:
    """Return "20230506" and "070809+0200" as `ImageInfo.taken_at`."""
    text = f"{date.decode('ascii', 'replace')} {time.decode('ascii', 'replace')}".strip()
    for form in ("%Y%m%d %H%M%S%z", "%Y%m%d %H%M%S", "%Y%m%d"):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form).isoformat()  # noqa: DTZ007  # local time, of a zone that the file may not tell
    return ""
