"""Texts and names that are the same although they are spelled otherwise: Unicode's, and case.

"é" is one character or two (NFC, NFD), by the program and the file system that wrote it.
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Collection
from typing import Literal

_FORMATS = {"jpg": "jpeg", "tif": "tiff", "heic": "heif"}
_MOST_SPELLINGS = 64  # of one path: each is a look-up of its own
_LONGEST_NAME = 4096  # bytes, in any spelling: on disks 765 are the most, decomposed thrice that
# Marks in a row that are sorted among each other, as in the Stream-Safe Text Format (UAX #15).
_MOST_MARKS = 30
_LIKE_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"  # no marks themselves, but decomposed into some
_SHORT = 500  # characters: whatever they are, they take half a millisecond


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return the text in a normal form, in linear time.

    Unicode sorts the marks of a letter, and Python does so in quadratic time: 50,000 of them take
    four seconds. Of more than 30 in a row, each 30 are sorted by themselves.
    """
    if len(text) <= _SHORT or text.isascii():
        return unicodedata.normalize(form, text)
    pieces, start, marks = [], 0, 0
    for at, character in enumerate(text):
        is_mark = unicodedata.combining(character) or character in _LIKE_MARKS
        marks = marks + 1 if is_mark else 0
        if marks > _MOST_MARKS:
            pieces.append(unicodedata.normalize(form, text[start:at]))
            start, marks = at, 1
    return "".join([*pieces, unicodedata.normalize(form, text[start:])])


def composed(text: str) -> str:
    """Return the text in one spelling of its characters (NFC)."""
    return text if text.isascii() else normalized("NFC", text)


def folded(text: str) -> str:
    """Return the text in one spelling, and without case: Unicode's canonical caseless matching."""
    if text.isascii():
        return text.lower()
    return normalized("NFC", normalized("NFD", text).casefold())


def folded_words(text: str) -> str:
    """Return a tag, or a name, as `folded`, with wide, narrow and joined characters as others.

    The i's of Turkish are one: whose capital an I is, nobody can know.
    """
    if text.isascii():
        return text.lower()
    return folded(normalized("NFKC", text)).replace("i\u0307", "i").replace("ı", "i")


def folded_name(name: bytes) -> bytes:
    """Return a file's name in one spelling, and without case."""
    return os.fsencode(folded(os.fsdecode(name)))


def format_name(name: str) -> str:
    """Return a format's name as it is kept of images: "JPG" is "jpeg"."""
    lower = name.lower()
    return _FORMATS.get(lower, lower)


def spellings(path: bytes) -> list[bytes]:
    """Return a path as it may be spelled on disk, as given first.

    Each component is composed, decomposed, or as given; of very many combinations only some. Where
    one is longer than names can be, there is nothing to look for.
    """
    if path.isascii() or any(len(name) > _LONGEST_NAME for name in path.split(b"/")):
        return [path]
    components = os.fsdecode(path).split("/")
    choices = map(_spellings, components)
    wholly = zip(*map(_forms, components), strict=True)
    found = itertools.chain([tuple(components)], wholly, itertools.product(*choices))
    distinct = dict.fromkeys(itertools.islice(found, _MOST_SPELLINGS))
    return [os.fsencode("/".join(parts)) for parts in distinct]


def on_disk(path: bytes, known: Collection[bytes] = ()) -> bytes:
    """Return a path as it is spelled on disk, whatever spelling is given; else as given.

    Args:
        known: paths that may lie on a drive that is away.
    """
    same = spellings(path)
    if len(same) == 1 or path in known:
        return path
    there = (each for each in same if os.path.lexists(each))
    return next(there, None) or next((each for each in same if each in known), path)


def _forms(component: str) -> tuple[str, str]:
    return normalized("NFC", component), normalized("NFD", component)


def _spellings(component: str) -> list[str]:
    return list(dict.fromkeys([component, *_forms(component)]))
