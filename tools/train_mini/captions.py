"""The captioned photos and how they are split."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Photo:
    """One photo with its captions."""

    path: Path
    split: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Photos to train on, to choose settings by, and to report on; disjoint."""

    train: tuple[Photo, ...]
    dev: tuple[Photo, ...]
    held_out: tuple[Photo, ...]


def load_photos(data_dir: Path) -> list[Photo]:
    """Read `captions.tsv` (columns split, image, caption) in file order, one entry per photo.

    Raises: FileNotFoundError if the table is missing.
    """
    by_image: dict[str, tuple[str, list[str]]] = {}
    with (data_dir / "captions.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            by_image.setdefault(row["image"], (row["split"], []))[1].append(row["caption"])
    return [
        Photo(data_dir / "images" / image, split, tuple(captions))
        for image, (split, captions) in by_image.items()
    ]


def split_photos(photos: Sequence[Photo], holdout: int, seed: int) -> Split:
    """Take `holdout` photos, drawn from `seed`, out of the train split."""
    train = [photo for photo in photos if photo.split == "train"]
    dev = tuple(photo for photo in photos if photo.split == "dev")
    random.Random(seed).shuffle(train)
    return Split(tuple(train[holdout:]), dev, tuple(train[:holdout]))
