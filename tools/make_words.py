"""Make `imgvecd/data/words.npz`: which words there are in English, and in some other languages.

    pip install --target /tmp/words --no-deps pyspellchecker gender-guesser
    PYTHONPATH=/tmp/words python -m tools.make_words

The lists are pyspellchecker's (MIT), counted in film subtitles. To English belong the words that
CLIP's tokenizer has whole, too: names of products and the like, as the web has them. First names,
by gender-guesser, and places are no language's words, unless they are frequent.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import os
import pathlib
import sqlite3
import sys
from collections.abc import Iterable

import numpy as np

from imgvecd.core.search.vocabulary import number_of
from imgvecd.core.search.words import tokens
from imgvecd.types import UInt32Array

_DATA = pathlib.Path(__file__).parents[1] / "imgvecd/data"
_TARGET, _PLACES = _DATA / "words.npz", _DATA / "places.sqlite"
_LEAST = {
    "de": 1,
    "fr": 1,
    "es": 1,
    "it": 1,
    "nl": 51,
    "pt": 51,
}  # times; all are counted 50 at least
_OFTEN = 200  # times that a word is met which others are corrected to
_COMMON = 5000  # times that a word is met which is no mere name: "china" has 3,019, "turkey" 13,818
_USUAL = 100  # times; rarer words may be another language's
_NO_NAME = 1000  # times that a word is met which may be a name somewhere
_LARGE_TOWNS = "SELECT names FROM towns WHERE population > 100000"
_SHORTEST = 3  # letters


def _resource(package: str, *path: str) -> pathlib.Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        sys.exit(f"{package} is not installed: see the beginning of this file")
    return pathlib.Path(os.path.dirname(found.origin), *path)


def _counts(language: str) -> dict[str, int]:
    with gzip.open(_resource("spellchecker", "resources", f"{language}.json.gz")) as file:
        found: dict[str, int] = json.load(file)
    return found


def _first_names() -> set[str]:
    lines = _resource("gender_guesser", "data", "nam_dict.txt").read_text("utf-8").splitlines()
    names = (line[3:29].strip() for line in lines if not line.startswith("#"))
    return {word for name in names for word in tokens(name)}


def _places(select: str) -> set[str]:
    """Return the names of places in all languages, those of one word."""
    with contextlib.closing(sqlite3.connect(_PLACES)) as connection:
        rows = connection.execute(select).fetchall()
    return {name for (names,) in rows for name in names.split("\n") if " " not in name}


def _whole_tokens() -> set[str]:
    with gzip.open(_resource("open_clip", "bpe_simple_vocab_16e6.txt.gz")) as file:
        merges = file.read().decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    joined = ("".join(merge.split()) for merge in merges)
    return {word[:-4] for word in joined if word.endswith("</w>") and word[:-4].isalpha()}


def _numbers(words: Iterable[str]) -> UInt32Array:
    folded = {" ".join(tokens(word)) for word in words}
    return np.unique(np.asarray([number_of(word) for word in folded if word], np.uint32))


def main() -> None:
    """Write the file anew."""
    english = _counts("en")
    plain = [
        word for word in english if word.isascii() and word.isalpha() and len(word) >= _SHORTEST
    ]
    often = sorted((w for w in plain if english[w] >= _OFTEN), key=lambda word: -english[word])
    countries = _places("SELECT names FROM countries")
    names = _first_names() | _places(_LARGE_TOWNS)
    usual = {word for word, count in english.items() if count >= _USUAL}
    tables = {"en": _numbers(usual | _whole_tokens()), "rare": _numbers(english.keys() - usual)}
    for language, least in _LEAST.items():
        words = _counts(language).items()
        tables[language] = _numbers(
            word
            for word, count in words
            if count >= least
            and not countries & {*tokens(word)}
            and (count >= _NO_NAME or not names & {*tokens(word)})
        )
    np.savez_compressed(
        _TARGET,
        often=np.frombuffer("\n".join(often).encode(), np.uint8),
        common=np.asarray(sum(english[word] >= _COMMON for word in often)),
        **tables,
    )
    sizes = {language: len(table) for language, table in tables.items()}
    sys.stdout.write(
        f"{_TARGET}: {_TARGET.stat().st_size:,} bytes, {len(often):,} often, {sizes}\n"
    )


if __name__ == "__main__":
    main()
