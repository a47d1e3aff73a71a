"""Which words there are: in English, and in German, French, Spanish, Italian, Dutch and Portuguese.

`tools.make_words` makes the lists. They are read when they are first asked for, and take 5 MB then.
"""

from __future__ import annotations

import bisect
import functools
import importlib.resources
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.search.words import tokens
from imgvecd.types import UInt32Array

LANGUAGES = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}
"""Names of the languages other than English of which words are known."""

_LONGEST = 30  # letters of a word
_SHORTEST_PART = 4  # letters of each of the two words in "longboard"
_REMEMBERED = 4096  # words that were asked about: a query asks of each of its own a dozen times


def number_of(word: str) -> int:
    """Return what stands for a folded word in a list: one in 10,000 others has that of a word."""
    return zlib.crc32(word.encode())


@functools.lru_cache(_REMEMBERED)
def is_word(word: str, language: str = "en") -> bool:
    """Return whether a language has a word, whatever its case and accents.

    Args:
        language: a key of `LANGUAGES`, "en", or "rare" for the rare words of English, "foreign" for
            those that English hardly has, and another language often; "places" for names of places
            that are words as well.
    """
    return _has(" ".join(tokens(word)), language)


def _has(folded: str, language: str) -> bool:
    table, number = _numbers(language), np.uint32(number_of(folded))
    place = bisect.bisect_left(table, number)  # unlike numpy's, it keeps the interpreter
    return place < len(table) and bool(table[place] == number)


def is_known_anywhere(word: str) -> bool:
    """Return whether any language has a folded word, as far as is known, or it is two English ones.

    Numbers are no words; of words with letters beyond a to z too few are known to tell.
    """
    if not word.isascii():
        return True
    if not word.isalpha() or len(word) > _LONGEST:
        return False
    languages = ("en", "rare", *LANGUAGES)
    singular = word.removesuffix("s")
    return any(_has(word, each) or _has(singular, each) for each in languages) or any(
        _has(word[:place], "en") and _has(word[place:], "en")
        for place in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    )


def is_thing(words: str) -> bool:
    """Return whether words that have a place's name in them mean a thing: "canoe", "lima beans".

    Args:
        words: folded, in the singular or with an s.
    """
    return is_word(words, "things") or is_word(words.removesuffix("s"), "things")


def is_common(word: str) -> bool:
    """Return whether a word is frequent in English, as no mere name is."""
    return word.casefold() in _common()


def is_word_and_place(name: str) -> bool:
    """Return whether a place's folded name is a word as well: "cork", "mer", "essen".

    In English, German, French or Spanish. Countries and famous towns are none of them.
    """
    return is_common(name) or is_thing(name) or is_word(name, "places")


@functools.cache
def often() -> tuple[str, ...]:
    """Return English words, the most frequent first, without the rarest."""
    text: bytes = _table("often").tobytes()
    return tuple(text.decode().split("\n"))


@functools.cache
def _common() -> frozenset[str]:
    return frozenset(often()[: int(_table("common"))])


@functools.cache
def _numbers(language: str) -> UInt32Array:
    return np.asarray(_table(language), np.uint32)


def _table(name: str) -> NDArray[Any]:
    path = importlib.resources.files("imgvecd") / "data" / "words.npz"
    with path.open("rb") as file, np.load(file) as tables:
        return np.asarray(tables[name])
