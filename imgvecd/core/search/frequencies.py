"""How often photos show what a word says: "people" and "water" in many, "wrestling" in few.

`tools.make_frequencies` makes the list, of some thousand English words.
"""

from __future__ import annotations

import bisect
import functools
import importlib.resources

import numpy as np

from imgvecd.core.search.vocabulary import is_word, number_of
from imgvecd.core.search.wording import singular
from imgvecd.core.search.words import SMALL_WORDS, tokens
from imgvecd.types import UInt8Array, UInt32Array

PER_UNIT = 25
"""In the list, a rarity of 1 is so much."""

_RAREST = 9.0  # of an English word that is not in the list
# Two words are rarer together than the rarer one alone, by this much of what the other is: so 400
# pairs in COCO's captions, where words that are said together come together more than by chance.
_TOGETHER = 0.5


def seen_words(text: str) -> list[str]:
    """Return the words of a text that say what is seen, folded, in the singular.

    Small ones ("my") do not, nor single letters, as of "T-shirt" and "child's".
    """
    return [
        one if (one := singular(word)) and is_word(one) else word
        for word in tokens(text)
        if word not in SMALL_WORDS and (len(word) > 1 or not word.isascii())
    ]


def rarity(text: str) -> float | None:
    """Return how rare what a text says is in photos, mostly by its rarest word.

    A natural logarithm: 2 is "people", 4 "dog", 8 "wrestling". None where a word may be another
    language's, or no word.
    """
    rarities = [_rarity(word) for word in seen_words(text)]
    known = [each for each in rarities if each is not None]
    if not known or len(known) < len(rarities):
        return None
    return max(known) + _TOGETHER * (sum(known) - max(known))


def _rarity(word: str) -> float | None:
    words, rarities = _list()
    number = np.uint32(number_of(word))
    place = bisect.bisect_left(words, number)  # unlike numpy's, it keeps the interpreter
    if place < len(words) and words[place] == number:
        return float(rarities[place]) / PER_UNIT
    return _RAREST if is_word(word) else None


@functools.cache
def _list() -> tuple[UInt32Array, UInt8Array]:
    path = importlib.resources.files("imgvecd") / "data" / "frequencies.npz"
    with path.open("rb") as file, np.load(file) as tables:
        return np.asarray(tables["words"]), np.asarray(tables["rarities"])
