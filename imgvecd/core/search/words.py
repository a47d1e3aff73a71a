"""Words as names and queries share them: without case, accents and plurals.

Scripts that set no blanks between words (Chinese, Japanese, Thai and their like) are taken
character by character, and looked for as a row of them. Letters and digits are apart: "IMG_2041",
"img 2041" and "IMG2041" are the same. Digests are one word each: nobody means the letters in them.
"""

from __future__ import annotations

import bisect
import re
import unicodedata

from imgvecd.spelling import normalized

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
QUOTED = re.compile(r'["“„][^"“”„]*["“”]')
"""What stands in quotes: it is looked for as it is."""

VIETNAMESE = re.compile(r"[\u1ea0-\u1ef9ơưăđ]")
"""A small letter that Vietnamese has, and no other language that we know words of."""

_TOKEN = re.compile(rf"[{UNSPACED}]|\d+|[^\W\d_{UNSPACED}]+")
# A run of hexadecimal digits, or a UUID, that is no part of a longer word.
_HEXADECIMAL = re.compile(
    rf"(?<![^\W_{UNSPACED}])"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,})"
    rf"(?![^\W_{UNSPACED}])"
)
_NUMBER_OR_LETTERS = re.compile(r"\d+|[a-f]+")
_DIGEST_PARTS = 3  # numbers and letters by turns; "ada2019" and "20190712b" have two
_DATE = re.compile(r"(?:19|20)\d\d(?:\d\d(?:\d\d)?)?")
# letters that Unicode does not take apart into one of the alphabet and a mark
_PLAIN = str.maketrans(
    {"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h"}
)
# What people write around the words that they look for.
_AROUND = """
    a an and at by for from in of on or the to with all my our
    show me find
    photo photos picture pictures pic pics image images everything
    der die das den dem des ein eine einer einem einen und oder am im mit von vom zu auf aus
    bei beim alle alles meine unsere foto fotos bild bilder
    le la les un une du de et ou au aux dans sur avec chez en à tous toutes tout mes nos
    el los las una unos unas y del al con todos todas todo mis
    và ở của tại với hoặc ảnh hình tất cả
    照片 图片 相片
"""
SMALL_WORDS = frozenset(_AROUND.split())


def tokens(text: str) -> list[str]:
    """Return the folded tokens of a text."""
    folded = text.casefold()
    if not folded.isascii():
        parts = normalized("NFKD", folded)
        bare = "".join(part for part in parts if not unicodedata.combining(part))
        folded = normalized("NFC", bare).translate(_PLAIN)
    found, end = [], 0
    for run in _HEXADECIMAL.finditer(folded):
        if _is_digest(run[0]):
            found += _TOKEN.findall(folded, end, run.start())
            found.append(run[0].replace("-", ""))
            end = run.end()
    return found + _TOKEN.findall(folded, end)


def _is_digest(run: str) -> bool:
    """Whether hexadecimal digits are those of a digest, and no name, number or date."""
    parts = _NUMBER_OR_LETTERS.findall(run)
    return len(parts) >= _DIGEST_PARTS and not any(map(_DATE.fullmatch, parts))


def outside_quotes(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Return what fits a pattern, less what touches anything in quotes; in linear time."""
    quoted = [match.span() for match in QUOTED.finditer(text)]
    ends = [end for _, end in quoted]

    def is_outside(match: re.Match[str]) -> bool:
        following = bisect.bisect_right(ends, match.start())
        return following == len(quoted) or match.end() <= quoted[following][0]

    return [match for match in pattern.finditer(text) if is_outside(match)]


def is_of_small_words(text: str) -> bool:
    """Whether a text has none but the words that people write around what they look for."""
    return all(word in SMALL_WORDS for word in text.casefold().split())


def small_words_less(text: str, *, last: bool) -> str:
    """Return a text less the small words that it ends with, or begins with: "the beach of".

    Args:
        last: those at its end.
    """
    words = text.split()
    at = -1 if last else 0
    while words and words[at].casefold().strip(",;") in SMALL_WORDS:
        words.pop(at)
    return " ".join(words)
