"""What of a query's words the model is asked, and whether it read them to the end."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import inflection
import numpy as np

from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.core.search.words import QUOTED
from imgvecd.types import Float32Array

UNRELATED: tuple[str, ...] = REFERENCE_TEXTS[::16]
"""Texts that stand for what has nothing to do with a word."""

# How much nearer a word is to its singular than to what is unrelated, as a share of the way to the
# same: of imgvecd-mini's pairs "stairs" and "stair", "dogs" and "dog" have 0.6 to 0.9, "tennis" and
# "tenni", "canvas" and "canva" 0 to 0.2.
_SAME_WORD = 0.4
_SHORTEST_PLURAL = 4  # letters
# No model reads fewer tokens than this, and words have about one for each three letters.
_SURELY_READ_TOKENS = 40
_LETTERS_PER_TOKEN = 3
_ROUNDING = 1e-5  # of one text in batches of different sizes


# What is left of "c++" and "50%" has to say the same.
_AROUND = " \t\r\n?!.,;:…¿¡'\"“”„‚‘’«»()[]{}<>*#@|/\\~_=-。，！？、；：「」（）"


def without_signs(text: str) -> str:
    """Return a text less its quotes and the signs around it; as it is if it is nothing else.

    Models take signs for words: with imgvecd-mini, "dog?" finds cats.
    """
    unquoted = QUOTED.sub(lambda match: match.group()[1:-1], text)
    return unquoted.strip(_AROUND) or text


@functools.lru_cache(256)
def singular(text: str) -> str | None:
    """Return the singular of a text that is one word in the plural, as it seems; else None."""
    word = text.strip().lower()
    if not (word.isascii() and word.isalpha() and word.endswith("s")):
        return None
    one = inflection.singularize(word)
    return one if len(word) >= _SHORTEST_PLURAL and one != word else None


def is_same_word(one: Float32Array, other: Float32Array, unrelated: Sequence[Float32Array]) -> bool:
    """Return whether the model takes two words for one, by their unit vectors."""
    usual = float(np.mean(np.stack(unrelated) @ np.stack([one, other]).T))
    return bool(one @ other - usual >= _SAME_WORD * (1 - usual))


def all_but_the_end(text: str) -> str | None:
    """Return a text less its last word, if the text may be longer than a model reads; else None."""
    tokens = sum(_most_tokens(word) for word in text.split())
    if tokens <= _SURELY_READ_TOKENS:
        return None
    shorter, _, last = text.strip().rpartition(" ")
    return shorter.strip() or last[:-1]


def is_read_to_the_end(whole: Float32Array, shorter: Float32Array) -> bool:
    """Return whether the last word made a difference, by the unit vectors with and without it."""
    return bool(np.abs(whole - shorter).max() > _ROUNDING)


def _most_tokens(word: str) -> int:
    if word.isascii():
        return -(-len(word) // _LETTERS_PER_TOKEN)
    return len(word.encode())
