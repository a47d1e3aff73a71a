"""Make `imgvecd/data/frequencies.npz`: how often photos show what a word says.

    pip install --target /tmp/words --no-deps pyspellchecker
    PYTHONPATH=/tmp/words python -m tools.make_frequencies CAPTIONS.tsv

The captions are COCO's (CC BY 4.0), the last column of the file. They know what photos show, but
their photos were chosen for 80 kinds of things, skateboards among them; so half of it is how often
people speak of it, by pyspellchecker's counts of film subtitles (MIT). Both are logarithms: of the
share of captions with the word, and of the words said.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import importlib.util
import json
import math
import pathlib

import numpy as np

from imgvecd.core.search.frequencies import PER_UNIT, seen_words
from imgvecd.core.search.vocabulary import number_of

_TARGET = pathlib.Path(__file__).parents[1] / "imgvecd/data/frequencies.npz"
_LEAST = 2  # captions with a word; others are mistyped
_UNCOUNTED = 100  # times said that a word has besides, so that none is impossible
_SAID = 5.0  # a word has so much more of all captions than of all words, in logarithms


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description="how often photos show what words say")
    parser.add_argument("captions", type=pathlib.Path)
    lines = parser.parse_args().captions.read_text(encoding="utf-8").splitlines()[1:]
    shown: collections.Counter[str] = collections.Counter()
    for line in lines:
        shown.update(set(seen_words(line.rpartition("\t")[2])))
    said: collections.Counter[str] = collections.Counter()
    subtitles = _subtitles()
    for word, count in subtitles.items():
        for one in seen_words(word):
            said[one] += count
    all_said = sum(subtitles.values())
    levels = {
        number_of(word): (
            math.log((count + 1) / len(lines))
            + math.log((said[word] + _UNCOUNTED) / all_said)
            + _SAID
        )
        / 2
        for word, count in shown.items()
        if count >= _LEAST and word.isalpha()
    }
    numbers = np.array(sorted(levels), np.uint32)
    scaled = [min(max(round(-levels[number] * PER_UNIT), 0), 255) for number in numbers.tolist()]
    np.savez_compressed(_TARGET, words=numbers, rarities=np.array(scaled, np.uint8))


def _subtitles() -> dict[str, int]:
    found = importlib.util.find_spec("spellchecker")
    if found is None or found.origin is None:
        raise SystemExit("pyspellchecker is not installed: see the module's docstring")
    path = pathlib.Path(found.origin).parent / "resources/en.json.gz"
    counts: dict[str, int] = json.loads(gzip.decompress(path.read_bytes()))
    return counts


if __name__ == "__main__":
    main()
