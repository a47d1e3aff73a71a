"""What a person's words mean besides what photos show: times, places, names, misspelt words."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import (
    emojis,
    misspelt_names,
    negations,
    query_dates,
    query_names,
    query_places,
    query_surroundings,
)
from imgvecd.core.search.corrections import corrected
from imgvecd.core.search.query_names import Named
from imgvecd.protocols import SearchStore


@dataclass(frozen=True, slots=True)
class Meaning:
    """What was made of a request.

    Attributes:
        asked: it, with what its text says of time and place as filters, and its words corrected.
        said: what was understood; None if that is nothing, and `asked` the request as it was.
        named: the names that were taken out of its text.
    """

    asked: SearchRequest
    said: Understood | None = None
    named: tuple[Named, ...] = ()


def understand(
    request: SearchRequest, store: SearchStore, today: datetime.date, *, english_only: bool
) -> Meaning:
    """Return what a request means; blocks.

    Args:
        english_only: the model knows no other language.
    """
    asked, words = emojis.spelled_out(request)
    if asked.text is None:
        return Meaning(asked)

    def is_known(word: str) -> bool:
        return bool(len(store.named(word, 1, whole_words=True)))

    if asked.spelling:
        text, names = misspelt_names.corrected(asked.text, store.spellings, is_known)
        asked, words = msgspec.structs.replace(asked, text=text), words | names
    typed = asked
    asked, said = query_dates.taken_apart(asked, today)
    asked, said = query_surroundings.taken_apart(asked, said, store)
    for _ in range(2):  # "in Vietnam, but not in Hanoi"
        asked, said = query_places.taken_apart(asked, said, store.places, store.called, store.towns)
    asked, said = _times_around_a_place(typed, asked, said, today)
    asked, said, named = query_names.taken_apart(asked, said, store.called)
    text = asked.text or ""
    if not asked.spelling or (said is not None and not said.text):
        return Meaning(asked, _correcting(said, text, words), named)
    text, misspelt = corrected(text, is_known, english_only=english_only)
    asked = msgspec.structs.replace(asked, text=text)
    said = _correcting(said, text, words | misspelt)
    asked, said = negations.taken_apart(asked, said, english_only=english_only)
    return Meaning(asked, said, named)


def _times_around_a_place(
    typed: SearchRequest, asked: SearchRequest, said: Understood | None, today: datetime.date
) -> tuple[SearchRequest, Understood | None]:
    """Return what was understood with a time of which a place parts the words: "May in Rome 2022".

    Args:
        typed: the request as it was before times and places were taken out of its text.
    """
    if said is None or not (said.words and said.place_words) or typed.text is None:
        return asked, said
    closed = msgspec.structs.replace(typed, text=typed.text.replace(said.place_words, " ", 1))
    timed, told = query_dates.taken_apart(closed, today)
    if told is None or len(told.words) <= len(said.words) or told.without != said.without:
        return asked, said
    filters = msgspec.structs.replace(
        asked.filters, taken=told.taken, months=told.months, any_of=timed.filters.any_of
    )
    said = msgspec.structs.replace(
        told, place_words=said.place_words, place=said.place, near=said.near
    )
    return msgspec.structs.replace(timed, filters=filters), said


def _correcting(said: Understood | None, text: str, words: dict[str, str]) -> Understood | None:
    """Return what was understood, with words that were looked for instead of others."""
    if not words:
        return said
    if said is None:
        return Understood(text=text, corrected=words)
    text = text if said.text else ""
    return msgspec.structs.replace(said, text=text, corrected=words)
