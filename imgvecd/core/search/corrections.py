"""Misspelt words of a query: "elefant" is "elephant", "moutain" is "mountain".

Only words are corrected that nobody knows: neither English nor another language that we have words
of, nor the library's names and places. Words that sound the same come first, unless one is nearer
("kichen" is "kitchen", not "chicken"), then those one letter away, then, for long words, two. With
the next one it may be a single word ("moter cycle"). What stands in quotes, short words, and names
with a capital letter stay as they are.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from rapidfuzz import process
from rapidfuzz.distance import OSA

from imgvecd.core.search.vocabulary import LANGUAGES, is_common, is_word, often
from imgvecd.core.search.words import outside_quotes

_SHORTEST = 5  # letters: shorter words have too many neighbours
_LONGEST = 30
_LONG = 8  # letters of a word that was typed as two
_TWO_LETTERS_FROM = 7  # letters; shorter words two letters away are mostly other words
_MOST_LETTERS = 3  # that words of one sound are apart: "telefon", "telephone"; but "katze", "chats"
_OFTEN_HEARD = 2  # letters apart: "elefant" is "elephant", not "elegant"
_MOST_WORDS = 12  # of a query that is looked at: each unknown one takes some milliseconds
_WORD = re.compile(r"(?<![\w'’.@/-])[^\W\d_]+(?![\w'’@/-]|\.\w)")
_SECOND = re.compile(r" ([a-z]{3,})(?![\w'’@/-]|\.\w)")
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"),
        (r"y", "i"),
        (r"c(?=[ei])", "s"),
        (r"ck|qu?|c", "k"),
        (r"z", "s"),
        (r"(?<=[gkrtw])h", ""),
        (r"(.)\1+", r"\1"),
        (r"(?<=..)e$", ""),
    )
)


def corrected(
    text: str, is_known: Callable[[str], bool], *, english_only: bool
) -> tuple[str, dict[str, str]]:
    """Return a text with its misspelt words corrected, and what these were corrected to.

    Args:
        is_known: whether the library has a word; blocks.
        english_only: words of other languages that sound like an English one become it.
    """
    found: dict[str, str] = {}
    parts, end = [], 0
    words = outside_quotes(_WORD, text)
    for match in words if len(words) <= _MOST_WORDS else ():
        word = match.group()
        if match.start() < end or not _is_misspelt(word, is_known):
            continue
        meant = _meant(word, english_only=english_only)
        second = _SECOND.match(text, match.end())
        if second is not None and (one := _joined(word, second.group(1), meant)) is not None:
            word, meant = text[match.start() : second.end()], one
        if meant is not None:
            found[word] = meant
            parts += [text[end : match.start()], meant]
            end = match.start() + len(word)
    return "".join([*parts, text[end:]]), found


def _is_misspelt(word: str, is_known: Callable[[str], bool]) -> bool:
    if not _SHORTEST <= len(word) <= _LONGEST or not (word.isascii() and word[1:].islower()):
        return False
    lower = word.casefold()
    return not (is_word(lower) or is_word(lower, "rare") or is_known(word))


def _joined(first: str, second: str, meant: str | None) -> str | None:
    """Return the word that two make: "moter cycle" is "motorcycle", but "moutain bike" is two.

    Args:
        meant: what the first, which is misspelt, is without the second.
    """
    whole = first + second
    if not (whole.islower() and _LONG <= len(whole) <= _LONGEST):
        return None
    near = _neighbour(whole)
    if near is None or OSA.distance(whole, near) > 1 or near == f"{meant}{second}":
        return None
    return near


def _meant(word: str, *, english_only: bool) -> str | None:
    lower = word.casefold()
    if lower.endswith("s") and is_common(lower[:-1]):  # "beachs"
        return lower[:-1]
    is_foreign = any(is_word(lower, language) for language in LANGUAGES)
    if is_foreign and not english_only:
        return None
    same = _by_sound().get(_sound(lower))
    if same is not None and OSA.distance(lower, same) > _MOST_LETTERS:
        same = None
    near = None if is_foreign or word != lower else _neighbour(lower)
    if same is None or near is None or OSA.distance(lower, near) > 1:
        return same or near
    # a letter is easily mistaken, and two sounds easily heard as one; but hardly three letters
    return same if OSA.distance(lower, same) == _OFTEN_HEARD else near


@functools.lru_cache(1024)
def _neighbour(word: str) -> str | None:
    """Return the most frequent of the English words that are nearest to one."""
    furthest = 2 if len(word) >= _TWO_LETTERS_FROM else 1
    near = process.extract(word, often(), scorer=OSA.distance, score_cutoff=furthest, limit=None)
    # people mistake the first letter least
    fitting = [(distance, rank, one) for one, distance, rank in near if one[0] == word[0]]
    return min(fitting)[2] if fitting else None


@functools.cache
def _by_sound() -> dict[str, str]:
    """Return the most frequent English word by each sound that long words have."""
    return {_sound(word): word for word in reversed(often()) if len(word) >= _SHORTEST}


def _sound(word: str) -> str:
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word
