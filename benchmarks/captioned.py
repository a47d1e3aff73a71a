"""The captioned photos that benchmarks and tests share: which there are, and what they show."""

from __future__ import annotations

import collections
import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

DATA = Path(os.environ.get("IMGVECD_DATA", Path(__file__).parents[2] / "shared" / "data"))
CAPTIONED = DATA / "captioned"

_STOP_WORDS = frozenset(
    """
    a an the is are of in on at with and to his her their it its by for from as while up
    down into over near through out off he she they him them one two three some another
    other this that there who which be being has have
    """.split()  # noqa: SIM905  # one can read it
)


@dataclass(frozen=True)
class Photo:
    path: Path
    captions: tuple[str, ...]


def photos(split: str) -> list[Photo]:
    """Return the photos of a split, by name; none if the data is not there."""
    if not CAPTIONED.exists():
        return []
    captions = collections.defaultdict(list)
    with open(CAPTIONED / "captions.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == split:
                captions[row["image"]].append(row["caption"])
    return [Photo(CAPTIONED / "images" / name, tuple(captions[name])) for name in sorted(captions)]


def words(text: str) -> set[str]:
    """Return the words that say something, without the s of a plural."""
    found = re.findall("[a-z]+", text.lower())
    return {word.rstrip("s") if len(word) > 3 else word for word in found} - _STOP_WORDS
