"""What a text says that photos should not show: "a dog without people" is a dog, less people.

Models read past such words: of the first ten photos for "a dog without people", two have a dog and
no people, and eight where "people" is taken away as a term of its own. What stands in quotes is
left alone.
"""

from __future__ import annotations

import re

import msgspec

from imgvecd.api import SearchRequest, Term, Understood
from imgvecd.core.search.words import QUOTED, is_of_small_words

WEIGHT = -0.75
"""Of what is taken away: with less, more of it is shown; with more, less of what is meant."""

_LONGEST = 500  # characters: what is longer is no query that a person typed
_ENGLISH = (
    r"without(?:\s+any)?|with\s+no|(?:but|and)\s+(?:not|no|without(?:\s+any)?)|excluding"
    r"|except(?:\s+for)?"
)
_OTHERS = (
    r"ohne|aber\s+(?:nicht|kein\w*|ohne)|außer|sans(?:\s+(?:de|d'))?|mais\s+(?:pas(?:\s+de)?|sans)"
    r"|sauf|sin|pero\s+(?:no|sin)|excepto|không\s+có|nhưng\s+không(?:\s+có)?|trừ"
)
_SPACED = r"(?P<left>.*\S)[\s,]\s*(?:{words})\s+(?P<right>\S.*)"
_IN_ENGLISH = re.compile(_SPACED.format(words=_ENGLISH), re.IGNORECASE | re.DOTALL)
_IN_ANY = (
    re.compile(_SPACED.format(words=f"{_ENGLISH}|{_OTHERS}"), re.IGNORECASE | re.DOTALL),
    re.compile("(?:没有|沒有|不带|不帶)(?P<right>.+?)的(?P<left>.+)", re.DOTALL),
)


def taken_apart(
    request: SearchRequest, said: Understood | None, *, english_only: bool
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with what should not be shown as a term of its own, and what was understood.

    It is as it was where it asks for more than one text, or for its words to be left alone.

    Args:
        said: what was understood of it; that is in its filters already.
        english_only: no other language is looked at: "sin" is an English word, too.
    """
    text = request.text or ""
    if not request.spelling or len(request.all_terms()) > 1 or len(text) > _LONGEST:
        return request, said
    patterns = (_IN_ENGLISH,) if english_only else _IN_ANY
    found = next(filter(None, (pattern.fullmatch(text) for pattern in patterns)), None)
    if found is None or QUOTED.search(text):
        return request, said
    left, right = found["left"].strip(" ,;"), found["right"].strip(" ,;.")
    if is_of_small_words(left) or is_of_small_words(right):
        return request, said
    said = said or Understood(text=left)
    said = msgspec.structs.replace(said, text=left, without=(*said.without, right))
    asked = msgspec.structs.replace(request, text=left, terms=(Term(text=right, weight=WEIGHT),))
    return asked, said
