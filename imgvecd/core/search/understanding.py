"""What a person's words mean besides what photos show: times, places, words that were misspelt."""

from __future__ import annotations

import datetime

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import query_dates, query_places
from imgvecd.core.search.corrections import corrected
from imgvecd.protocols import SearchStore


def understand(
    request: SearchRequest, store: SearchStore, today: datetime.date, *, english_only: bool
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with what its text says of time and place as filters, its words corrected.

    And what was understood; None if that is nothing, and the request as it was. Blocks.

    Args:
        english_only: the model knows no other language.
    """
    asked, said = query_dates.taken_apart(request, today)
    asked, said = query_places.taken_apart(asked, said, store.places)
    if asked.text is None or not asked.spelling or (said is not None and not said.text):
        return asked, said

    def is_known(word: str) -> bool:
        return bool(len(store.named(word, 1)))

    text, words = corrected(asked.text, is_known, english_only=english_only)
    if not words:
        return asked, said
    said = msgspec.structs.replace(said or Understood(text=text), text=text, corrected=words)
    return msgspec.structs.replace(asked, text=text), said
