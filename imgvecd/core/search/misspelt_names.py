"""Misspelt names of a query: "Nha Tragn" is "Nha Trang", if that is what the library has.

Names of people, tags, folders, cameras and of places where images were taken, and of months and
feasts. Only words are corrected that no language has of which we have words; to the nearest name, a
letter away, for long names two. A single word is corrected if nothing in the library has it;
several ("Nha Tranh") if nothing has all of them. What stands in quotes stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

from imgvecd.core.search import corrections
from imgvecd.core.search.query_places import Span, candidates
from imgvecd.core.search.time_words import LONG_WORDS, TIME_WORDS
from imgvecd.core.search.vocabulary import LANGUAGES, is_word
from imgvecd.core.search.words import VIETNAMESE

_SHORTEST = 5  # letters: shorter names have too many neighbours
_LONGEST = 40
_TWO_LETTERS_FROM = 8  # letters
_MOST_WORDS = 12  # of a query that is looked at
_MOST_IN_A_ROW = 3  # words of a name
_MOST_COMPARED = 12  # with all names, some milliseconds each where there are very many

IsKnown = Callable[[str], bool]
"""Returns whether the library has a word; blocks."""


def corrected(
    text: str, spellings: Callable[[], Sequence[str]], is_known: IsKnown
) -> tuple[str, dict[str, str]]:
    """Return a text with its misspelt names corrected, and what these were corrected to.

    Args:
        spellings: returns the folded names of the library, those that are preferred first.
    """
    spans = [span for span in candidates(text) if span.words <= _MOST_IN_A_ROW]
    words = [span for span in spans if span.words == 1]
    if len(words) > _MOST_WORDS:
        return text, {}
    unknown = {span: not is_known(span.name) for span in words if _is_no_word(text, span)}
    asked = [span for span in spans if any(map(span.holds, unknown)) and unknown.get(span, True)]
    found: list[tuple[Span, str]] = []
    for span in asked[:_MOST_COMPARED]:  # the longest first
        if not any(other.start < span.end and span.start < other.end for other, _ in found):
            is_sure = any(unknown[word] for word in unknown if span.holds(word))
            name = _nearest(text[span.start : span.end], span.name, spellings(), is_sure=is_sure)
            if name is not None:
                found.append((span, name))
    parts, end = [], 0
    for span, name in sorted(found, key=lambda each: each[0].start):
        parts += [text[end : span.start], name]
        end = span.end
    said = {text[span.start : span.end]: name for span, name in found}
    changed = {typed: name for typed, name in said.items() if typed != name}
    return ("".join([*parts, text[end:]]), changed) if changed else (text, {})


def _is_no_word(text: str, span: Span) -> bool:
    word, typed = span.name, text[span.start : span.end]
    if not word.isascii() or not word.isalpha() or typed.isupper():
        return False
    # of Vietnamese we have no other words: whoever types its letters knows how to
    if word in TIME_WORDS or (typed.islower() and VIETNAMESE.search(text.casefold())):
        return False
    return not any(is_word(word, language) for language in ("en", "rare", *LANGUAGES))


def _nearest(typed: str, name: str, names: Sequence[str], *, is_sure: bool) -> str | None:
    """Return the name that is nearest to one, if it is near enough; as typed for that name itself.

    Args:
        is_sure: there are words in it that nothing has.
    """
    if not _SHORTEST <= len(name) <= _LONGEST:
        return None
    furthest = 2 if is_sure and len(name) >= _TWO_LETTERS_FROM else 1
    # people mistake the first letter least
    fitting = [
        (distance, number, place, one)
        for number, some in enumerate((names, LONG_WORDS))
        for one, distance, place in process.extract(
            name, some, scorer=OSA.distance, score_cutoff=furthest, limit=None
        )
        if one[0] == name[0] and len(one) >= _SHORTEST
    ]
    if not fitting:
        return None
    distance, _, _, nearest = min(fitting)
    if not distance:
        return typed
    if distance > 1 and corrections.corrected(typed, _nobody, english_only=True)[1]:
        return None
    return nearest if typed.islower() and is_word(nearest) else nearest.title()


def _nobody(_: str) -> bool:
    return False
