"""Surroundings among the words of a query: "beach near Paris" is "beach", within 40 km of Paris.

A town is meant by any of its names if images were taken around it; so is a lake that has its name
of a town ("Lake Garda"). Of namesakes the largest around which images were taken counts. As with
places, what stands in quotes, names that the library has, and words that English has for something
else are left alone.
"""

from __future__ import annotations

import re

import msgspec

from imgvecd.api import Filters, SearchRequest, Understood
from imgvecd.core.search.query_places import NOT_BEFORE, Span, candidates
from imgvecd.core.search.vocabulary import is_common, is_thing, is_word
from imgvecd.core.search.words import SMALL_WORDS, is_of_small_words, small_words_less
from imgvecd.protocols import SearchStore
from imgvecd.types import Town

_BEYOND_KM = 25.0  # the edge of a town: an outing
_MOST_LOOKED_UP = 3  # names; each takes a tenth of a second once
_LEADING = 60  # characters before a name in which words such as "near" are looked for
_NEAR = re.compile(
    r"(?:\b(?:taken|photographed|aufgenommen|prises?|somewhere|irgendwo)\s+)?"
    r"(?:(?P<near>\b(?:near(?:by)?(?:\s+to)?|close\s+to|around|round|not\s+far\s+from|in\s+the\s+area\s+of"
    r"|(?:the\s+)?(?:outskirts|surroundings)\s+of|(?:in\s+der\s+|die\s+)?umgebung\s+von"
    r"|in\s+der\s+nähe\s+von|nahe(?:\s+bei)?|rund\s+um|um|nicht\s+weit\s+von"
    r"|(?:tout\s+)?près\s+de|autour\s+(?:de|du)|aux\s+(?:environs|alentours)\s+de"
    r"|cerca\s+(?:de|del)|alrededor\s+(?:de|del)|gần|quanh|xung\s+quanh)\s+"
    r"|(?:près|autour)\s+d['’])|[在离離]?)(?:(?:the|den|dem|der|le|la|lac|hồ)\s+)?$",
    re.IGNORECASE,
)
_BEHIND = re.compile(r"\s?(?:附近|周围|周圍|周边|周邊)")
_LAKE = re.compile(
    r"^(?:lake|lago\s+di|lago\s+de|lac\s+de|lac)\s+(?=\S)|(?<=\w\w\w)(?:er\s+)?see$", re.IGNORECASE
)


def taken_apart(
    request: SearchRequest, said: Understood | None, store: SearchStore
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with what its text is near to as a filter, and what was understood; blocks.

    It is as it was where it wants no places or has one, and where no image was taken there.

    Args:
        said: what was understood of its time; that is in its filters already.
    """
    text = (request.text or "") if said is None else said.text
    filters = request.filters
    has_place = filters.place is not None or filters.near is not None or filters.box is not None
    if not text or not request.places or has_place:
        return request, said
    found = _found(text, request, store)
    if found is None:
        return request, said
    start, end, town, around = found
    negation = NOT_BEFORE.search(text[:start])
    start = negation.start() if negation else start
    before = small_words_less(text[:start], last=True)
    left = " ".join(f"{before} {text[end:]}".split()).strip(" ,;.")
    left = "" if is_of_small_words(left) else left
    if not left and len(request.all_terms()) > 1:
        return request, said
    # in it or around it: what is told without a position counts, too
    either = (around, Filters(place=town.name))
    left_out = either if negation else (Filters(none_of=either),)
    filters = msgspec.structs.replace(filters, none_of=(*filters.none_of, *left_out))
    said = msgspec.structs.replace(
        said or Understood(text=""),
        text=left,
        place=None if negation else town.name,
        without=(town.name,) if negation else (),
        place_words=text[start:end].strip(" ,;"),
        near=around.near,
    )
    return msgspec.structs.replace(request, text=left or request.text, filters=filters), said


def _found(
    text: str, request: SearchRequest, store: SearchStore
) -> tuple[int, int, Town, Filters] | None:
    """Return where the words begin and end, the town, and the filter for what is around it."""
    for start, end, span in _spans(text)[:_MOST_LOOKED_UP]:
        if not _is_meant(text, span, request, store):
            continue
        for town in _towns(text, span, store):
            reach_km = round(town.reach_km + _BEYOND_KM)
            around = Filters(near=(town.latitude, town.longitude, reach_km))
            if len(store.matching(around)):
                return start, end, town, around
    return None


def _spans(text: str) -> list[tuple[int, int, Span]]:
    """Return where what may be a town, and a word such as "near", begin and end; longest first."""
    found = []
    for span in candidates(text):
        before = _NEAR.search(text, max(span.start - _LEADING, 0), span.start)
        behind = _BEHIND.match(text, span.end)
        is_lake = _LAKE.search(text[span.start : span.end]) is not None
        if before is not None and (before["near"] or behind or is_lake):
            found.append((before.start(), behind.end() if behind else span.end, span))
    return found


def _is_meant(text: str, span: Span, request: SearchRequest, store: SearchStore) -> bool:
    """Whether words may be a town: a capital letter says so, or English has no such words."""
    known = store.called([span.name]).get(span.name, ()) if request.names else ()
    *_, last = words = span.name.split()
    if last in SMALL_WORDS or any(name.kind == "person" for name in known):
        return False
    longer = [other.name for other in candidates(text) if other != span and other.holds(span)]
    if longer and store.places(longer):  # "Salt Lake City"
        return False
    is_plain = is_common(last) or is_thing(last) if len(words) == 1 else all(map(is_word, words))
    return text[span.start].isupper() or not is_plain or bool(store.places([span.name]))


def _towns(text: str, span: Span, store: SearchStore) -> list[Town]:
    """Return the towns of a name, and of that which a lake has its name of, the largest first."""
    typed = text[span.start : span.end]
    names = dict.fromkeys([span.name, _LAKE.sub("", typed)])
    towns = [town for name in names for town in store.towns(name)]
    return sorted(towns, key=lambda town: -town.reach_km)
