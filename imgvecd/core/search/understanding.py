"""What a person's words mean besides what photos show: times, places, names, misspelt words."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import query_dates, query_names, query_places
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
    asked, said = query_dates.taken_apart(request, today)
    asked, said = query_places.taken_apart(asked, said, store.places, store.called)
    asked, said, named = query_names.taken_apart(asked, said, store.called)
    if asked.text is None or not asked.spelling or (said is not None and not said.text):
        return Meaning(asked, said, named)

    def is_known(word: str) -> bool:
        return bool(len(store.named(word, 1, whole_words=True)))

    text, words = corrected(asked.text, is_known, english_only=english_only)
    if not words:
        return Meaning(asked, said, named)
    said = msgspec.structs.replace(said or Understood(text=text), text=text, corrected=words)
    return Meaning(msgspec.structs.replace(asked, text=text), said, named)
