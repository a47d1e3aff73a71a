"""Which language a query is in, where it is not English.

By its script; Vietnamese by its letters and some nouns; others by the words that they have and
English has not. What may be a name, or an English word, is no other language.
"""

from __future__ import annotations

import re
import unicodedata

from imgvecd.core.search.vocabulary import LANGUAGES, is_word
from imgvecd.core.search.words import QUOTED, VIETNAMESE
from imgvecd.spelling import normalized
from imgvecd.types import ModelInfo

_LONGEST = 500  # characters
_WORD = re.compile(r"(?<![\w.@/-])[^\W\d_]+(?![\w@/-]|\.\w)")
_SCRIPTS = {
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CJK": "Chinese",
    "CYRILLIC": "Russian or another language in Cyrillic letters",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "ARABIC": "Arabic or another language in Arabic letters",
    "DEVANAGARI": "Hindi or another language in Devanagari letters",
    "THAI": "Thai",
}
_MANY_LANGUAGES = ("xlm", "mt5", "siglip2", "i18n", "nllb", "multilingual", "worldwide")
# What photos show, and no letter tells.
_VIETNAMESE_NOUNS = """
    bà bánh bé bố bò bún cá chó chùa cô cây gái gà hòn lá lúa mèo mì mây núi nhà nón sông thác trà
    trăng tàu áo ông
"""
_OWN_SHARE = 0.6  # of the words must be the language's
_TELLING_SHARE = 1 / 3  # of the words must be no English ones, or each of them the language's
_WITH_CAPITALS = "German"  # in which nouns have them, and not names alone


def knows_english_only(model: ModelInfo) -> bool:
    """Whether a model was trained with English texts, by its name in open_clip."""
    name = f"{model.name} {model.pretrained}".casefold()
    return not any(mark in name for mark in _MANY_LANGUAGES)


def language_of(text: str) -> str | None:
    """Return the language that a text seems to be in; None for English, names and the unclear."""
    text = normalized("NFC", QUOTED.sub(" ", text[:_LONGEST]))
    words = _WORD.findall(text)
    letters = [unicodedata.name(letter, "").split()[0] for word in words for letter in word]
    other = [_SCRIPTS[script] for script in letters if script in _SCRIPTS]
    if len(other) * 2 > len(letters):
        return "Japanese" if "Japanese" in other else max(other, key=other.count)
    if any(word.islower() and VIETNAMESE.search(word) for word in words):
        return "Vietnamese"
    if any(word in _VIETNAMESE_NOUNS.split() for word in words):
        return "Vietnamese"
    return _by_words(words)


def _is_foreign(word: str, *, rare: bool = False) -> bool:
    """Whether English has no such word, or hardly, and another language often; rare ones count."""
    known = is_word(word) or (rare and is_word(word, "rare"))
    return not known or (word.islower() and is_word(word, "foreign"))


def _by_words(words: list[str]) -> str | None:
    foreign = [word for word in words if len(word) > 1 and _is_foreign(word)]
    if len(words) == 1:  # a rare English word is one, too
        foreign = [word for word in foreign if _is_foreign(word, rare=True)]
    if not foreign:  # as in most queries, and cheaper than all other languages
        return None
    found = []
    for code, language in LANGUAGES.items():
        own = sum(is_word(word, code) for word in words)
        telling = sum(
            is_word(word, code) and (word.islower() or language == _WITH_CAPITALS)
            for word in foreign
        )
        is_clear = telling >= _TELLING_SHARE * len(words) or own == len(words)
        if telling and is_clear and own >= _OWN_SHARE * len(words):
            found.append((telling, own, language))
    return max(found, key=lambda each: each[:2])[2] if found else None
