"""What emojis are called: "🐕 in the snow" is "dog in the snow", and "🇻🇳" is "Vietnam".

`tools.make_emojis` makes the list. It is read when the first emoji is asked for. What stands in
quotes is left alone.
"""

from __future__ import annotations

import functools
import importlib.resources
import re

import msgspec

from imgvecd.api import SearchRequest
from imgvecd.core.search.words import outside_quotes

FIRST = "\u2190"
"""The least character that is one: below are signs such as ©."""

# The tone of a skin, and whether it is drawn in colour.
_DRAWN = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]")
_MAY_BE = re.compile("[\u2190-\u2bff\u3030-\u32ff\U0001f000-\U0001faff]")


def without_tone(emoji: str) -> str:
    """Return an emoji less its tone, and whatever way it is drawn."""
    return _DRAWN.sub("", emoji)


def in_words(text: str) -> tuple[str, dict[str, str]]:
    """Return a text with names in place of its emojis, and these names by emoji."""
    if not _MAY_BE.search(text):
        return text, {}
    text = without_tone(text)
    names, pattern = _names()
    found = outside_quotes(pattern, text)
    parts, end = [], 0
    for match in found:
        parts += [text[end : match.start()], names[match.group()]]
        end = match.end()
    said = {match.group(): names[match.group()] for match in found}
    return " ".join(" ".join([*parts, text[end:]]).split()) if found else text, said


def spelled_out(request: SearchRequest) -> tuple[SearchRequest, dict[str, str]]:
    """Return a request with names in place of the emojis in its texts, and these by emoji.

    It is as it was where it wants its words left alone.
    """
    if not request.spelling:
        return request, {}
    text, said = (None, {}) if request.text is None else in_words(request.text)
    terms = []
    for term in request.terms:
        words, more = (None, {}) if term.text is None else in_words(term.text)
        terms.append(msgspec.structs.replace(term, text=words))
        said = said | more
    if not said:
        return request, {}
    return msgspec.structs.replace(request, text=text, terms=tuple(terms)), said


@functools.cache
def _names() -> tuple[dict[str, str], re.Pattern[str]]:
    """Return names by emoji, and the pattern of any emoji."""
    path = importlib.resources.files("imgvecd") / "data" / "emojis.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    names = dict(line.split("\t") for line in lines)
    longest_first = sorted(names, key=len, reverse=True)
    return names, re.compile("|".join(map(re.escape, longest_first)))
