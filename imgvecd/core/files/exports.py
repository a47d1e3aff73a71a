"""Side files of exports (JSON): which ones a picture may have, and whose one is, by names alone.

Google Takeout writes `a.jpg.json`, later `a.jpg.supplemental-metadata.json`, cut to 46 characters
without ".json"; of pictures of the same name the number comes last (`a.jpg(1).json` beside
`a(1).jpg`); an edit has the side file of its original. ExifTool and osxphotos write `a.jpg.json`.
"""

from __future__ import annotations

import functools
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from imgvecd.core.files import shots
from imgvecd.core.files.formats import CUT_LENGTHS, SUPPLEMENT, export_title, utf16_length
from imgvecd.spelling import composed, folded, spellings

_NUMBERED = re.compile(r"(?P<stem>.+?)(?P<number>\(\d{1,9}\))", re.DOTALL)
_CUT_STEM = 47  # characters to which Takeout cuts the name of a picture, without its extension
_EXTENSIONS = ("jpg", "heic", "jpeg", "png", "webp", "dng")  # of what is edited, and is a JPEG then
_LAST = b"\xff"  # no name in UTF-8 goes on with it


class Range(NamedTuple):
    """Names from `first` up to, and without, `beyond` that hold `holding`, as bytes."""

    first: bytes
    beyond: bytes
    holding: bytes = b""


def rank(picture: bytes, side_file: bytes) -> int | None:
    """Return how close a side file's name is to a picture's, 0 is closest; None: it is not its."""
    return _ranks(os.fsdecode(picture)).get(folded(os.fsdecode(side_file)))


def ranges(name: bytes) -> Iterator[Range]:
    """Yield where to look for the side files of a picture, or for the pictures of a side file.

    For a picture, beyond the names that begin as its shot does (`shots.ranges`).
    """
    text = os.fsdecode(name)
    found = export_title(text)
    if found is not None:
        yield from _ranges_of_pictures(*found)
        return
    is_long = utf16_length(text) >= min(CUT_LENGTHS)
    for title, number in dict.fromkeys(_titles(text)):
        for form in _forms(title) if number or is_long else ():
            for spelled in spellings(os.fsencode(f"{form}{number}.json")):
                yield Range(spelled, spelled + b"\0")


def _ranges_of_pictures(title: str, number: str, whole: bool) -> Iterator[Range]:
    stem, dot, extension = title.rpartition(".")
    if dot and stem:
        named = os.fsencode(f"{stem}{number}.{extension}")
        yield from (Range(*each) for each in shots.ranges(named))
    if not whole:
        for spelled in spellings(os.fsencode(title)):
            yield Range(spelled, spelled + _LAST, number.encode())


@functools.lru_cache(maxsize=64)
def _ranks(picture: str) -> dict[str, int]:
    """Return the names of all side files that a picture may have → how close each is."""
    found: dict[str, int] = {}
    for title, number in dict.fromkeys(_titles(picture)):
        for form in _forms(title):
            found.setdefault(folded(f"{form}{number}.json"), len(found))
    return found


def _titles(picture: str) -> Iterator[tuple[str, str]]:
    """Yield (name, number) under which what a picture shows may have been exported."""
    yield picture, ""
    stem, _, extension = picture.rpartition(".")
    numbered = _NUMBERED.fullmatch(stem)
    base, number = (numbered["stem"], numbered["number"]) if numbered else (stem, "")
    if numbered:
        yield f"{base}.{extension}", number
    for original in _unedited(base):
        twice = None if number else _NUMBERED.fullmatch(original)
        for each in dict.fromkeys((extension, *_EXTENSIONS, *map(str.upper, _EXTENSIONS))):
            yield f"{original}.{each}", number
            if twice:
                yield f"{twice['stem']}.{each}", twice["number"]


def _unedited(stem: str) -> Iterator[str]:
    """Yield what was edited, by the name of the edit; that may be cut within its ending."""
    stem = composed(stem)
    least = 2 if utf16_length(stem) >= _CUT_STEM - 1 else _CUT_STEM
    for edit in shots.EDIT_ENDINGS:
        for length in range(len(edit), min(least, len(edit)) - 1, -1):
            ending = edit[:length]
            if stem.lower().endswith(ending) and len(stem) > length:
                yield stem[:-length]
                break


def _forms(title: str) -> list[str]:
    """Return what stands before number and ".json" for a picture's name: it, more, or less."""
    supplements = (f"{title}.{SUPPLEMENT[:end]}" for end in range(len(SUPPLEMENT), -1, -1))
    cuts = (cut for length in sorted(CUT_LENGTHS) for cut in _cuts(title, length))
    return list(dict.fromkeys((title, *supplements, *cuts)))


def _cuts(title: str, length: int) -> Iterator[str]:
    if len(title) > length:
        yield title[:length]
    if utf16_length(title) > length:
        ends = list(accumulate(1 + (character > "\uffff") for character in title))
        yield title[: bisect_right(ends, length)]
