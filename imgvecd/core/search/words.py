"""Words as names and queries share them: without case, accents and plurals.

Scripts that set no blanks between words (Chinese, Japanese, Thai and their like) are taken
character by character, and looked for as a row of them. Letters and digits are apart: "IMG_2041",
"img 2041" and "IMG2041" are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from imgvecd.core.files.formats import COMPANION_EXTENSIONS, IMAGE_EXTENSIONS

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
QUOTED = re.compile(r'["“„][^"“”„]*["“”]')
"""What stands in quotes: it is looked for as it is."""

_TOKEN = re.compile(rf"[{UNSPACED}]|\d+|[^\W\d_{UNSPACED}]+")
_QUOTED_OR_PLAIN = re.compile(r'["“„]([^"“”„]*)["“”]|(\S+)')
# letters that Unicode does not take apart into one of the alphabet and a mark
_PLAIN = str.maketrans(
    {"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h"}
)
_LONGEST_QUERY = 500  # characters: names are short, and so is what asks for them
_MOST_WORDS = 12
_MOST_TOKENS = 48
_SHORTEST_PLURAL = 4
# What people write around the words that they look for.
_AROUND = """
    a an and at by for from in of on or the to with all my our
    photo photos picture pictures pic pics image images
    der die das den dem des ein eine einer einem einen und oder am im mit von vom zu auf aus
    alle meine unsere foto fotos bild bilder
    le la les un une du de et ou au aux dans sur avec en à tous toutes mes nos
    el los las una unos unas y del al con todos todas mis
    và ở của tại với hoặc ảnh hình
"""
SMALL_WORDS = frozenset(_AROUND.split())


def tokens(text: str) -> list[str]:
    """Return the folded tokens of a text."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return _TOKEN.findall(unicodedata.normalize("NFC", bare).translate(_PLAIN))


def outside_quotes(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Return what fits a pattern, less what touches anything in quotes."""
    quoted = [match.span() for match in QUOTED.finditer(text)]
    return [
        match
        for match in pattern.finditer(text)
        if not any(match.start() < end and start < match.end() for start, end in quoted)
    ]


def expression(text: str) -> str | None:
    """Return what asks FTS5 for all words of a text; None if it has none, or too many for a name.

    A word in quotes stands as it is, and several in one pair of them stand in a row.
    """
    if len(text) > _LONGEST_QUERY:
        return None
    words = list(_words(text))
    if not words or len(words) > _MOST_WORDS or sum(map(len, words)) > _MOST_TOKENS:
        return None
    return " AND ".join(map(_phrase, words))


def is_of_small_words(text: str) -> bool:
    """Whether a text has none but the words that people write around what they look for."""
    return all(word in SMALL_WORDS for word in text.casefold().split())


def _words(text: str) -> Iterator[list[str]]:
    """Yield the tokens of each word that may be in a name."""
    for quoted, plain in _QUOTED_OR_PLAIN.findall(text):
        if plain.casefold() in SMALL_WORDS:
            continue
        stem, _, extension = plain.rpartition(".")
        is_name = stem and extension.lower() in IMAGE_EXTENSIONS | COMPANION_EXTENSIONS
        found = tokens(quoted or (stem if is_name else plain))
        if found:
            yield found


def _phrase(word: list[str]) -> str:
    if len(word) > 1:
        return f'"{" ".join(word)}"'
    forms = [f'"{form}"' for form in sorted(_forms(word[0]))]
    return f"({' OR '.join(forms)})" if len(forms) > 1 else forms[0]


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
