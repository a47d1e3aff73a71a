"""Places among the words of a query: "beach in Portugal" is "beach", taken in Portugal.

Only places where images were taken count, by any of their names. What stands in quotes is never
taken apart, and no part of a longer name that the library has ("Paris Hilton") or another town
("Santiago de Compostela", where it has only Santiago). A word that English has for
something else ("nice", "turkey", "reading") is a place with a capital letter, or after a word such
as "in" where it ends the text ("in nice", but "in the bath", "in nice weather").
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from imgvecd.api import Filters, SearchRequest, Understood
from imgvecd.core.search.time_words import BUT, NOT, listed
from imgvecd.core.search.vocabulary import is_common, is_thing, is_word, is_word_and_place
from imgvecd.core.search.wording import singular
from imgvecd.core.search.words import (
    SMALL_WORDS,
    UNSPACED,
    VIETNAMESE,
    is_of_small_words,
    outside_quotes,
    small_words_less,
    tokens,
)
from imgvecd.types import KnownName, Town

Places = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""Returns which places of images have those folded names, each in one line with what it lies in."""

Names = Callable[[Sequence[str]], Mapping[str, Sequence[KnownName]]]
"""Returns what in the library has those folded names; blocks."""

Towns = Callable[[str], Sequence[Town]]
"""Returns the towns of the world with a name; blocks."""

_MOST_TOKENS = 5  # of a name
_LONGEST = 500  # characters: what is longer is no query that a person typed
_MOST_LOOKED_UP = 16  # names of towns; each takes a millisecond once
_REMEMBERED = 128  # texts, each looked at for places and for names; some 10 kB
_SHORTEST = 3  # letters, where letters are no words
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:['’.-][^\W_{UNSPACED}]+)*")
_APART = re.compile(r"[\s,]*")
_BEFORE = re.compile(
    r"(?:(?:taken|photographed|aufgenommen|prises?)\s+)?"
    r"(?:\b(?:in|at|near|around|from|between|aus|bei|um|nahe|nach|zwischen|à|au|aux|en|dans|entre|près\s+de|"
    r"ở|tại|tai|desde|cerca\s+de|em|city\s+of|thành\s+phố|tp\.?|nước|bên)\s+"
    r"(?P<article>(?:the|der|die|den|dem|la|le|les|el|los)\s+)?"
    r"|(?:l|d)['’]|(?<!\w)[在])$",
    re.IGNORECASE,
)
NOT_BEFORE = re.compile(
    rf"(?:[,;]\s*)?(?:(?<!\w)(?:{listed(BUT)}\s+)?{listed(NOT)}\s+|但?(?:除了|不在|不是|没有|沒有))(?:(?:the|der|die|den|dem|la|le|les|el)\s+)?$",
    re.IGNORECASE,
)
"""What stands before a name if all but what bears it is meant."""

_OR = re.compile(
    r"\s*(?:,|/|&|–|\s-\s|\s(?:or|and|to|nor|bis|nach|oder|und|noch|ou|et|ni|o|y|hoặc|và)\s|[或和])\s*(?:(?:in|from|aus|à|en|ở)\s+)?",
    re.IGNORECASE,
)
BUT_BEHIND = re.compile(r"\s?(?:以外|之外|除外)")
"""What stands behind it, in Chinese."""

_ENDS = re.compile(r"\s*(?:$|[,;.!?])")
_NEW = re.compile(r"new \w+")  # "New Mexico" is no part of Mexico
_GOES_ON = re.compile(r"\s+(?!(?:and|or|und|oder|et|ou|y|o|và|hoặc)\s)[a-zà-ÿ]")
_GOES_ON_ANYHOW = re.compile(r"\s+[a-zà-ÿ]")
_AFTER_A_WORD = re.compile(r"(?<!\w)[a-zà-ÿ]\w*\s+$")
_TIMES_TOO = re.compile(r"(?:bei|nach|um|zwischen)\b", re.IGNORECASE)  # "nach Regen"
_COLOURS = frozenset("bordeaux burgundy gold golden magenta olive orange scarlet turquoise".split())  # noqa: SIM905
# Vietnamese syllables that name a country or a town with a capital letter, and else mostly do not.
_SYLLABLES = frozenset("anh đức hàn lào nga pháp viên viện".split())  # noqa: SIM905
_GIVEN_NAMES = frozenset(
    """
    adelaide alexandria austin brooklyn carolina charlotte chelsea dallas denver diego elizabeth
    florence georgia houston israel jackson jordan kenya lincoln lorraine lourdes madison milan
    nancy orlando paris salvador santiago savannah sienna sofia sydney valencia verona victoria
    vienna virginia
    """.split()  # noqa: SIM905
)
# what only people do, or have: "charlotte with a kite"
_DOES = re.compile(
    r"['’]s\s|\s+(?:is\s+)?(?:with\s+(?:an?|her|his)\b|(?:and|in|on|at)\s+(?:her|his)\b"
    r"|in\s+an?\s(?!\w*storm\b|heat\s?wave|blizzard)"
    r"|(?:blow|cook|cry|danc|drink|eat|feed|hold|hugg|jump|kiss|laugh|look|open|paint|play|point|read"
    r"|rid|runn|sing|sitt|sleep|smil|stand|swimm|throw|walk|wav|wear)(?:ing|s|es)\b"
    r"(?!\s(?:class|club|competition|festival|hall|lesson|path|pool|room|school|tour|trail)))",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(r"outside|außerhalb|hors|fuera|ngoài", re.IGNORECASE)
# "made in China" says nothing of where it was photographed
_MADE = re.compile(
    r"\b(?:made|manufactured|produced|printed|assembled|brewed|bottled|grown|imported|hecho|fabricado"
    r"|fabriqué|hergestellt|sản\s+xuất)e?s?\s+(?:in|from|en|au|aux|tại|ở)\s+(?:the\s+|la\s+)?$",
    re.IGNORECASE,
)
# what is in a glass or on a plate is none either: "a glass of bordeaux"
_SERVED = re.compile(
    r"\b(?:(?:glass(?:es)?|bottles?|cups?|mugs?|pints?|bowls?|plates?|slices?|pieces?)\s+of"
    r"|(?:glas|gläser|flaschen?|tassen?|teller|scheiben?|stück)"
    r"|(?:verres?|bouteilles?|tasses?|assiettes?)\s+de"
    r"|(?:copas?|vasos?|botellas?|tazas?|platos?)\s+de|(?:ly|cốc|chai|tách))\s+$"
    r"|[杯瓶盘碗]$",
    re.IGNORECASE,
)
_MADE_BEHIND = re.compile(r"\s?(?:制造|製造|生产|生產)")
_SHORT = {
    "US": "United States",
    "USA": "United States",
    "UK": "United Kingdom",
    "UAE": "United Arab Emirates",
    "NYC": "New York City",
    "HCM": "Ho Chi Minh City",
    "HCMC": "Ho Chi Minh City",
    "TPHCM": "Ho Chi Minh City",
    "SF": "San Francisco",
}
# As people write them behind towns; alone, most are words.
_STATES = {
    code: name.replace("_", " ")
    for code, name in (
        pair.split("=")
        for pair in """
        AL=Alabama AK=Alaska AZ=Arizona AR=Arkansas CA=California CO=Colorado CT=Connecticut
        DE=Delaware FL=Florida GA=Georgia HI=Hawaii ID=Idaho IL=Illinois IN=Indiana IA=Iowa
        KS=Kansas KY=Kentucky LA=Louisiana ME=Maine MD=Maryland MA=Massachusetts MI=Michigan
        MN=Minnesota MS=Mississippi MO=Missouri MT=Montana NE=Nebraska NV=Nevada
        NH=New_Hampshire NJ=New_Jersey NM=New_Mexico NY=New_York NC=North_Carolina
        ND=North_Dakota OH=Ohio OK=Oklahoma OR=Oregon PA=Pennsylvania RI=Rhode_Island
        SC=South_Carolina SD=South_Dakota TN=Tennessee TX=Texas UT=Utah VT=Vermont VA=Virginia
        WA=Washington WV=West_Virginia WI=Wisconsin WY=Wyoming DC=District_of_Columbia
        """.split()  # noqa: SIM905  # one can read it
    )
}


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a text that may name a place.

    Attributes:
        name: folded, as names of places are.
        words: how many there are.
        place: what they stand for, if they are short for it.
    """

    start: int
    end: int
    name: str
    words: int
    place: str | None = None

    def holds(self, other: Span) -> bool:
        """Whether another one is a part of it, or it."""
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Taken:
    """A place that was taken out of a text.

    Attributes:
        left: the text without it.
        words: that tell it.
        is_without: all but what was taken there is meant.
    """

    left: str
    words: str
    place: str
    is_without: bool


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
            typed = text[start:end]
            bare = typed.replace(".", "")
            place = _SHORT.get(bare.upper() if len(bare) >= _SHORTEST else bare)
            place = place or _STATES.get(bare)
            name = " ".join(tokens(place or typed))
            if not any(mark in typed for mark in '",;') and _may_name(name, typed):
                yield Span(start, end, name, count, place)


def _may_name(name: str, typed: str) -> bool:
    if typed[0].isupper() and not typed.isascii():  # "Ý" is Italy
        return True
    return len(name) >= _SHORTEST and name not in SMALL_WORDS


def taken_out(
    text: str,
    known: Mapping[str, Sequence[str]],
    longer: Sequence[Span] = (),
    *,
    negated: bool = False,
) -> Taken | None:
    """Return what a text is without its place; None if it names none.

    Args:
        known: the places, each in one line with what it lies in, by folded name.
        longer: words that name something else, of which no part is a place.
        negated: only one that is said not to be meant.
    """
    named = [
        span
        for span in candidates(text)
        if span.name in known and not any(other.holds(span) for other in longer)
    ]
    meant = [
        span
        for span in named
        if _is_meant(text, span) and (not negated or _negation(text, span.start))
    ]
    if not meant:
        return None
    first = min(meant, key=lambda span: (-span.words, span.start))
    start, end, place = _with_what_it_lies_in(text, first, named, known)
    others = sorted(meant, key=lambda span: span.start)
    for other in others:
        if _OR.fullmatch(text[end : other.start]):
            _, end, another = _with_what_it_lies_in(text, other, named, known)
            place += f"; {another}"
    for other in reversed(others):
        if _OR.fullmatch(text[other.end : start]):
            start, _, another = _with_what_it_lies_in(text, other, named, known)
            place += f"; {another}"
    negation = _negation(text, start)
    start = negation.start() if negation else _led(text, start)
    end = but.end() if negation and (but := BUT_BEHIND.match(text, end)) else end
    words = text[start:end].strip(" ,;")
    behind = text[end:].removeprefix("的")
    left = f"{small_words_less(text[:start], last=True)} {behind}"
    return Taken(left, words, place, negation is not None)


def _led(text: str, start: int) -> int:
    """Return where a word such as "in" before a place begins; where the place does if none is."""
    before = _BEFORE.search(text[:start])
    return before.start() if before else start


def _negation(text: str, start: int) -> re.Match[str] | None:
    """Return what says that a place is not meant: "not in Rome", "outside Rome".

    But not in "a dog outside in Rome".
    """
    led = _led(text, start)
    found = NOT_BEFORE.search(text[:led])
    return None if found and led < start and _OUTSIDE.search(found[0]) else found


def _with_what_it_lies_in(
    text: str, first: Span, named: Sequence[Span], known: Mapping[str, Sequence[str]]
) -> tuple[int, int, str]:
    """Return where a place begins and ends in a text, and it with what it lies in beside it."""
    start, end, place = first.start, first.end, _said(text, first)
    for other in named:
        if _is_beside(text, start, end, other) and _lies_in(known[first.name], known[other.name]):
            start, end = min(start, other.start), max(end, other.end)
            place += f", {_said(text, other)}"
    return start, end, place


def _said(text: str, span: Span) -> str:
    return span.place or text[span.start : span.end]


def taken_apart(
    request: SearchRequest, said: Understood | None, places: Places, called: Names, towns: Towns
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with the place in its text as a filter, and what was understood.

    It is as it was where it wants none or has one. Of a text that has told one before, only another
    that is said not to be meant is taken. A text that tells nothing but a place stays,
    since something has to be looked for.

    Args:
        said: what was understood of its time; that is in its filters already.
    """
    text = (request.text or "") if said is None else said.text
    is_placed = said is not None and (said.place is not None or said.near is not None)
    has_place = request.filters.place is not None and not is_placed
    if not text or not request.places or has_place:
        return request, said
    spans = candidates(text)
    known = places(list({span.name for span in spans})) if spans else {}
    longer = [span for span in spans if span.words > 1 and span.name not in known] if known else []
    named = called([span.name for span in longer]) if request.names and longer else {}
    maybe = [span for span in longer if _may_be_elsewhere(text, span, spans, known)]
    elsewhere = {span.name for span in maybe[:_MOST_LOOKED_UP] if towns(span.name)}
    longer = [
        span
        for span in longer
        if span.name in named
        or span.name in elsewhere
        or is_thing(span.name)
        or _NEW.fullmatch(span.name)
    ]
    found = taken_out(text, known, longer, negated=is_placed)
    if found is None:
        return request, said
    left = " ".join(found.left.split()).strip(" ,;.")
    if is_of_small_words(left):
        left = ""
    if not left and len(request.all_terms()) > 1:
        return request, said
    filters, said = request.filters, said or Understood(text="")
    if found.is_without:
        without = Filters(place=found.place)
        filters = msgspec.structs.replace(filters, none_of=(*filters.none_of, without))
        said = msgspec.structs.replace(said, without=(*said.without, found.place))
    else:
        filters = msgspec.structs.replace(filters, place=found.place)
        said = msgspec.structs.replace(said, place=found.place)
    words = ", ".join(filter(None, [said.place_words, found.words]))
    said = msgspec.structs.replace(said, text=left, place_words=words)
    return msgspec.structs.replace(request, text=left or request.text, filters=filters), said


def _may_be_elsewhere(
    text: str, span: Span, spans: Sequence[Span], known: Mapping[str, Sequence[str]]
) -> bool:
    """Whether words with a place in them may be another town: "Santiago de Compostela".

    Words that are frequent in English say something of the place: "north", "beach".
    """
    held = [other for other in spans if other.name in known and span.holds(other)]
    others = set(span.name.split()).difference(SMALL_WORDS, *(o.name.split() for o in held))
    if all(map(is_common, others)):
        return False
    return any(other.start in {span.start, _led(text, other.start)} for other in held)


def _is_meant(text: str, span: Span) -> bool:
    """Whether a known name is that of the place, and not a word, nor what something is called."""
    words = text[span.start : span.end]
    is_made = _MADE.search(text[: span.start]) or _MADE_BEHIND.match(text, span.end)
    is_served = _SERVED.search(text[: span.start])
    if words in _STATES or is_made or is_served or _is_person(text, span):
        return False
    is_led = _is_led(text, span)
    if words in _SYLLABLES:
        return is_led
    if VIETNAMESE.search(words.casefold()) or not _may_be_a_word(span):
        return True
    if is_word(span.name, "de"):  # nouns have capitals there, too
        is_led = is_led and not _TIMES_TOO.match(text, _led(text, span.start))
        if words[0].isupper() and (is_led or not _is_among_german_words(text, span)):
            return True
    elif words[0].isupper():
        # where a phone sets a capital, but no second one
        begins = not text[: span.start].strip() and not (span.words > 1 and words.istitle())
        return not (begins and _GOES_ON.match(text, span.end))
    return is_led and words not in _COLOURS and bool(_ENDS.match(text, span.end))


def _is_person(text: str, span: Span) -> bool:
    """Whether a given name is somebody's, by what is said of it: "charlotte with a kite"."""
    is_given = span.name in _GIVEN_NAMES and not _is_led(text, span)
    return is_given and _DOES.match(text, span.end) is not None


def _is_led(text: str, span: Span) -> bool:
    """Whether a word such as "in" stands before it, and no article."""
    before = _BEFORE.search(text[: span.start])
    return before is not None and not before["article"]


def _may_be_a_word(span: Span) -> bool:
    return any(map(is_word_and_place, (span.name, singular(span.name) or "")))


def _is_among_german_words(text: str, span: Span) -> bool:
    """Whether words with small letters stand beside it: "leckeres Essen", "Essen gehen"."""
    before = _AFTER_A_WORD.search(text[: span.start])
    return before is not None or _GOES_ON_ANYHOW.match(text, span.end) is not None


def _is_beside(text: str, start: int, end: int, other: Span) -> bool:
    between = text[end : other.start] if other.start >= end else text[other.end : start]
    apart = other.start >= end or other.end <= start
    return apart and _APART.fullmatch(between) is not None


def _lies_in(places: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one of some places, each in one line with what it lies in, lies in one of others."""
    for place, other in itertools.product(places, others):
        name, *around = place.split(", ")
        other_name, *other_around = other.split(", ")
        if other_name in around or name in other_around:
            return True
    return False
