"""Places among the words of a query: "beach in Portugal" is "beach", taken in Portugal.

Only places where images were taken count, by any of their names. What stands in quotes is never
taken apart. A word that English has for something else ("nice", "turkey", "reading") is a place
with a capital letter, or after a word such as "in".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search.vocabulary import is_common
from imgvecd.core.search.words import (
    SMALL_WORDS,
    UNSPACED,
    is_of_small_words,
    outside_quotes,
    tokens,
)

Places = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns what places are called, by those folded names that places of images have; blocks."""

_MOST_TOKENS = 5  # of a name
_LONGEST = 500  # characters: what is longer is no query that a person typed
_REMEMBERED = 128  # texts, each looked at for places and for names; some 10 kB
_SHORTEST = 3  # letters, where letters are no words
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:['’.-][^\W_{UNSPACED}]+)*")
_APART = re.compile(r"[\s,]*")
_BEFORE = re.compile(
    r"(?:(?:taken|photographed|aufgenommen|prises?)\s+)?"
    r"(?:\b(?:in|at|near|around|from|aus|bei|um|nahe|nach|à|au|aux|en|dans|près\s+de|"
    r"ở|tại|tai|desde|cerca\s+de|em)\s+(?:(?:the|der|die|den|dem|la|le|les|el|los)\s+)?"
    r"|(?:l|d)['’]|(?<!\w)[在])$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a text that may name a place.

    Attributes:
        name: folded, as names of places are.
        words: how many there are.
    """

    start: int
    end: int
    name: str
    words: int


@functools.lru_cache(_REMEMBERED)
def candidates(text: str) -> tuple[Span, ...]:
    """Return the words in a row that may name a place, the longest first."""
    if len(text) > _LONGEST:
        return ()
    words = [match.span() for match in outside_quotes(_WORD, text)]
    return tuple(sorted(_spans(text, words), key=lambda span: (-span.words, span.start)))


def _spans(text: str, words: list[tuple[int, int]]) -> Iterator[Span]:
    for count in range(1, _MOST_TOKENS + 1):
        for first, last in zip(words, words[count - 1 :], strict=False):
            start, end = first[0], last[1]
            name = " ".join(tokens(text[start:end]))
            if not any(mark in text[start:end] for mark in '",;') and _may_name(name):
                yield Span(start, end, name, count)


def _may_name(name: str) -> bool:
    return name not in SMALL_WORDS and (len(name) >= _SHORTEST or name == "uk")


def taken_out(text: str, known: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return (the text without its place, the place's words, the place); None if it names none.

    Args:
        known: what places are called, in one line with what they lie in, by folded name.
    """
    named = [span for span in candidates(text) if span.name in known and _is_meant(text, span)]
    if not named:
        return None
    first = named[0]
    start, end, place = first.start, first.end, text[first.start : first.end]
    for other in named:
        if _is_beside(text, start, end, other) and _lies_in(known[first.name], known[other.name]):
            start, end = min(start, other.start), max(end, other.end)
            place += f", {text[other.start : other.end]}"
    before = _BEFORE.search(text[:start])
    start = before.start() if before else start
    return (f"{text[:start]} {text[end:]}", text[start:end].strip(), place)


def taken_apart(
    request: SearchRequest, said: Understood | None, places: Places
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with the place in its text as a filter, and what was understood.

    It is as it was where it wants none or has one. A text that tells nothing but a place stays,
    since something has to be looked for.

    Args:
        said: what was understood of its time; that is in its filters already.
    """
    text = (request.text or "") if said is None else said.text
    if not text or not request.places or request.filters.place is not None:
        return request, said
    names = dict.fromkeys(span.name for span in candidates(text))
    found = taken_out(text, places(list(names))) if names else None
    if found is None:
        return request, said
    left, words, place = found
    left = " ".join(left.split()).strip(" ,;.")
    if is_of_small_words(left):
        left = ""
    if not left and len(request.all_terms()) > 1:
        return request, said
    filters = msgspec.structs.replace(request.filters, place=place)
    said = msgspec.structs.replace(
        said or Understood(text=""), text=left, place=place, place_words=words
    )
    return msgspec.structs.replace(request, text=left or request.text, filters=filters), said


def _is_meant(text: str, span: Span) -> bool:
    words = text[span.start : span.end]
    if not words.isascii() or span.words > 1 or not is_common(span.name):
        return True
    return words[0].isupper() or _BEFORE.search(text[: span.start]) is not None


def _is_beside(text: str, start: int, end: int, other: Span) -> bool:
    between = text[end : other.start] if other.start >= end else text[other.end : start]
    apart = other.start >= end or other.end <= start
    return apart and _APART.fullmatch(between) is not None


def _lies_in(place: str, other: str) -> bool:
    """Whether one of two places, each with what it lies in, lies in the other."""
    name, *around = place.split(", ")
    other_name, *other_around = other.split(", ")
    return other_name in around or name in other_around
