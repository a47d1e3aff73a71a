"""What asks the catalog for images by the words of a query that may be in their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgvecd.core.files.formats import COMPANION_EXTENSIONS, IMAGE_EXTENSIONS
from imgvecd.core.search.vocabulary import is_word
from imgvecd.core.search.words import SMALL_WORDS, tokens

_QUOTED_OR_PLAIN = re.compile(r'["“„]([^"“”„]*)["“”]|(\S+)')
_LONGEST_QUERY = 500  # characters: names are short, and so is what asks for them
_MOST_WORDS = 12
_MOST_TOKENS = 48
_SHORTEST_PLURAL = 4
_SHORTEST_BEGINNING = 4  # letters
_FEWEST_DIGITS = 3  # of a number's beginning: "IMG_204"
_SHORTEST_SPELT_OUT = 5  # letters
# Digits of numbers as cameras write them, with zeros ("IMG_0007"); "07" is mostly a month or a day.
_WITH_ZEROS = (3, 4, 5)
# What may begin a digest: those are words of their own, whatever letters and numbers are in them.
_OF_DIGEST = re.compile("[0-9a-f]{4,}")
# As Germans spell their letters out where a keyboard has none: "Mueller". Ends stay ("blue").
_SPELT_OUT = re.compile("([aou])e(?!$)")
_SPELLINGS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def expression(text: str, *, beginnings: bool = False) -> str | None:
    """Return what asks FTS5 for all words of a text; None if it has none, or too many for a name.

    A word in quotes stands as it is, and several in one pair of them stand in a row.

    Args:
        beginnings: of words that English lacks, of numbers and digests, the beginning will do.
    """
    if len(text) > _LONGEST_QUERY:
        return None
    words = list(_words(text))
    tokens_in_all = sum(len(found) for _, found, _ in words)
    if not words or len(words) > _MOST_WORDS or tokens_in_all > _MOST_TOKENS:
        return None
    return " AND ".join(
        _phrase(plain, found, beginnings=beginnings and not is_quoted)
        for plain, found, is_quoted in words
    )


def _words(text: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each word that may be in a name, its tokens, and whether it is quoted."""
    for quoted, plain in _QUOTED_OR_PLAIN.findall(text):
        if plain.casefold() in SMALL_WORDS:
            continue
        stem, _, extension = plain.rpartition(".")
        is_name = stem and extension.lower() in IMAGE_EXTENSIONS | COMPANION_EXTENSIONS
        word = quoted or (stem if is_name else plain)
        if found := tokens(word):
            yield word, found, bool(quoted)


def _phrase(plain: str, word: list[str], *, beginnings: bool) -> str:
    if len(word) > 1:
        is_number = word[-1].isdigit() and len(word[-1]) >= _FEWEST_DIGITS
        *first, last = word
        phrases = [f'"{" ".join([*first, each])}"' for each in sorted(_with_zeros(last))]
        if beginnings and is_number:
            phrases.append(f'"{" ".join(word)}" *')
        typed = plain.casefold()
        if beginnings and _may_begin(typed):
            phrases.append(f'"{typed}" *')
        return f"({' OR '.join(phrases)})" if len(phrases) > 1 else phrases[0]
    (one,) = word
    spellings = {*_with_zeros(one), *tokens(plain.casefold().translate(_SPELLINGS))}
    if len(one) >= _SHORTEST_SPELT_OUT:
        spellings.add(_SPELT_OUT.sub(r"\1", one))
    forms = [f'"{form}"' for form in sorted(set().union(*map(_forms, spellings)))]
    is_name = len(one) >= _SHORTEST_BEGINNING and one.isalpha() and _is_no_word(one)
    if beginnings and (is_name or _may_begin(one)):
        forms.append(f'"{one}" *')
    return f"({' OR '.join(forms)})" if len(forms) > 1 else forms[0]


def _may_begin(word: str) -> bool:
    """Whether a digest may begin so, and nothing else that people look for."""
    return bool(_OF_DIGEST.fullmatch(word)) and not word.isalpha() and not word.isdigit()


def _with_zeros(word: str) -> set[str]:
    """Return a number with and without zeros before it, as names have it; any other word."""
    return {word, *(word.zfill(digits) for digits in _WITH_ZEROS)} if word.isdigit() else {word}


def _is_no_word(word: str) -> bool:
    return not is_word(word) and not is_word(word, "rare")


def _forms(word: str) -> set[str]:
    """Return an English word in the singular and the plural; any other word is spoilt by none."""
    if len(word) < _SHORTEST_PLURAL - 1 or not (word.isascii() and word.isalpha()):
        return {word}
    one = word
    if len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss"):
        one = word[:-1]
        if word.endswith("ies"):
            one = word[:-3] + "y"
        elif word.endswith(("ches", "shes", "xes", "sses")):
            one = word[:-2]
    if one.endswith("y"):
        return {word, one, one + "s", one[:-1] + "ies"}
    return {word, one, one + ("es" if one.endswith(("s", "x", "ch", "sh")) else "s")}
