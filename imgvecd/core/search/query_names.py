"""Names among the words of a query: "Ada on the beach" is "beach", and of those photos Ada's first.

Names are those of people, tags, folders and cameras that the library has. Some are sure: of
cameras, words that English lacks, proper names in tags, and people, but for those that are frequent
words and begin with a small letter. These are taken out of the text, and what lacks them is less
likely to be meant. Of others ("Golden Retriever") the model is asked as well, and what bears them
only comes first. A lower-case tag of one word ("beach") is a word like any other. What stands in
quotes is never taken apart. A text that is nothing but one name stays: its words find images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from imgvecd.api import Filters, SearchRequest, Understood
from imgvecd.core.search.query_places import NOT_BEFORE, Names, Span, candidates
from imgvecd.core.search.vocabulary import is_common, is_word
from imgvecd.core.search.words import is_of_small_words, small_words_less
from imgvecd.types import KnownName

_MOST = 4  # names in one query
_OR = re.compile(r"(?:\b(?:or|oder|ou|o|hoặc)\s+|或)$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’]s$")


@dataclass(frozen=True, slots=True)
class Named:
    """Words of a query that name something, and what: namesakes are meant together.

    Attributes:
        is_sure: the words mean nothing else.
        is_other: they stand after "or", so that any of the names will do.
        is_without: they stand after a word such as "without".
    """

    words: str
    known: tuple[KnownName, ...]
    is_sure: bool
    is_other: bool = False
    is_without: bool = False


def taken_apart(
    request: SearchRequest, said: Understood | None, called: Names
) -> tuple[SearchRequest, Understood | None, tuple[Named, ...]]:
    """Return a request less the names in its text, what was understood, and the names.

    It is as it was where it asks for more than one text, or for no names.

    Args:
        said: what was understood of its time and place; that is in its filters already.
    """
    text = (request.text or "") if said is None else said.text
    if not text or not request.names or len(request.all_terms()) > 1:
        return request, said, ()
    left, named = taken_out(text, called)
    if not named:
        return request, said, ()
    meant = tuple(name for name in named if not name.is_without)
    others = tuple(name for name in named if name.is_without)
    said = said or Understood(text="")
    said = msgspec.structs.replace(
        said,
        text=left,
        name_words=", ".join(name.words for name in named),
        names=_shown(meant),
        without=(*said.without, *_shown(others)),
    )
    none_of = (*request.filters.none_of, *(_filter(each) for name in others for each in name.known))
    filters = msgspec.structs.replace(request.filters, none_of=none_of)
    return msgspec.structs.replace(request, text=left or text, filters=filters), said, meant


def _shown(named: Sequence[Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(known.shown for name in named for known in name.known))


def _filter(known: KnownName) -> Filters:
    """Return the filter for what bears a name."""
    if known.kind == "folder":
        return Filters(folder=known.name)
    return Filters(camera=known.name) if known.kind == "camera" else Filters(tags=(known.name,))


def taken_out(text: str, called: Names) -> tuple[str, tuple[Named, ...]]:
    """Return (a text without its sure names, all names).

    A text that is nothing but one name keeps it; only if that is a person's for sure it is told.
    """
    spans = {span: _name_of(text, span) for span in candidates(text)}
    known = called(list(dict.fromkeys(spans.values()))) if spans else {}
    taken: list[tuple[Span, Named]] = []
    for span, name in spans.items():  # the longest first
        typed = text[span.start : span.end]
        sure = tuple(each for each in known.get(name, ()) if _is_sure(typed, name, each))
        meant = sure or tuple(each for each in known.get(name, ()) if _may_be(typed, name, each))
        apart = all(span.end <= other.start or other.end <= span.start for other, _ in taken)
        if meant and apart and len(taken) < _MOST:
            is_other = _OR.search(text[: span.start]) is not None
            negation = NOT_BEFORE.search(text[: span.start]) if sure else None
            whole = span if negation is None else replace(span, start=negation.start())
            taken.append((whole, Named(typed, meant, bool(sure), is_other, negation is not None)))
    taken.sort(key=lambda each: each[0].start)
    names = tuple(named for _, named in taken)
    if taken and not _without(text, [span for span, _ in taken]):
        if len(names) > 1 or names[0].is_without:
            return ("", names) if all(named.is_sure for named in names) else (text, ())
        is_person = all(known.kind == "person" for known in names[0].known)
        return text, names if is_person and names[0].is_sure else ()
    certain = [span for span, named in taken if named.is_sure]
    return _without(text, certain) if certain else text, names


def _name_of(text: str, span: Span) -> str:
    """Return the folded name that words stand for: "Ada's" is Ada's."""
    owned = _POSSESSIVE.search(text[span.start : span.end])
    return span.name.removesuffix(" s") if owned else span.name


def _is_sure(typed: str, name: str, known: KnownName) -> bool:
    """Whether words mean nothing but what has this folded name."""
    if known.kind == "camera":
        return True
    if known.kind == "person":
        return " " in name or typed[0].isupper() or not is_common(name)
    capital = typed[0].isupper() and known.shown[:1].isupper()
    if capital and " " not in name and not is_common(name):
        return True
    return not all(_is_plain(part) for part in name.split())


def _is_plain(word: str) -> bool:
    return word.isdigit() or is_word(word) or is_word(word, "rare")


def _may_be(typed: str, name: str, known: KnownName) -> bool:
    """Whether words that English has may mean a tag or a folder."""
    if known.kind == "person" or name.isdigit():
        return False
    capital = known.shown[:1].isupper() and (typed[0].isupper() or not is_common(name))
    return " " in name or capital


def _without(text: str, spans: Sequence[Span]) -> str:
    """Return a text without some words, and the small ones that led to them or stand alone now."""
    parts, end = [], 0
    for span in spans:
        parts.append(small_words_less(text[end : span.start], last=True))
        end = span.end
    rest = small_words_less(" ".join([*parts, text[end:]]), last=True)
    left = small_words_less(rest, last=False).strip(" ,;.")
    return "" if is_of_small_words(left) else left
