"""What programs write into PNG's own texts, by the names that its standard and ImageMagick use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from imgvecd.core.files.photo_dates import moment
from imgvecd.core.files.photo_facts import each
from imgvecd.core.files.photo_texts import by_people
from imgvecd.types import Facts

_TIMES = ("exif:datetimeoriginal", "datetimeoriginal", "creation time", "creationtime", "exif:datetimedigitized")  # noqa: E501 # fmt: skip
_OFFSETS = {"exif:datetimeoriginal": "exif:offsettimeoriginal"}
_TEXTS = {
    "title": ("title",),
    "creator": ("author", "artist"),
    "copyright": ("copyright",),
}
_DESCRIPTIONS = ("description", "comment")
_KEYWORDS = ("keywords", "keyword", "tags")


def facts(texts: Mapping[str, str]) -> Facts:
    """Return what is known, by standard names, with `taken_at`.

    Args:
        texts: by names in lower case.
    """
    return each(
        {
            **{name: partial(_first, texts, names) for name, names in _TEXTS.items()},
            "description": lambda: by_people(texts.get(name, "").strip() for name in _DESCRIPTIONS),
            "keywords": lambda: _keywords(_first(texts, _KEYWORDS)),
            "taken_at": lambda: _taken_at(texts),
        }
    )


def _first(texts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := texts.get(name, "").strip())), "")


def _keywords(text: str) -> list[str]:
    return [word for part in re.split(r"[;,\n]", text) if (word := part.strip())]


def _taken_at(texts: Mapping[str, str]) -> str:
    for name in _TIMES:
        offset = texts.get(_OFFSETS.get(name, ""), "")
        if found := moment(texts.get(name, ""), offset=offset):
            return found
    return ""
