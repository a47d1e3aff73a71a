"""What is stored of an image: the facts, and columns that filters ask, as whole numbers.

Words are asked as digests: nothing that a person types becomes part of an expression. Milvus before
2.5 knows no missing values: a number that no test passes stands for them.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from imgvecd.core.sharing.vector_engine import KEY_BITS, ImageFacts, key_of_image

NO_RATING = -1.0
NO_DEGREES = -1000.0
NO_TIME = -1
SHAPES = {"portrait": -1, "square": 0, "landscape": 1}
NO_SHAPE = 2
NO_SIZE = -1
NO_FORMAT = 0

FACT_FIELDS = (
    "content",
    "stamp",
    "facts",
    "source",
    "format",
    "shape",
    "width",
    "height",
    "taken_first",
    "taken_last",
    "rating",
    "latitude",
    "longitude",
    "tags",
    "folders",
)
"""Fields that are the same in the collection of images and in that of a model's vectors."""

MOST_WORDS = 256
"""Tags of an image, and folders."""

_LONGEST_FACTS = 60_000  # bytes; Milvus takes 65,536
_PARTS_OF_TIME = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?)?")
_FIRST = ("0000", "01", "01", "00", "00", "00")
_LAST = ("0000", "12", "31", "00", "00", "00")


def row_of(source: int, facts: ImageFacts) -> dict[str, Any]:
    """Return a row of the fields that `collections` makes."""
    first, last = span_of(facts.taken_at)
    row = {
        "key": key_of_image(source, facts.content_id),
        "content": facts.content.hex(),
        "facts": _told(facts),
        "source": source,
        "format": NO_FORMAT if facts.format is None else digest(facts.format),
        "shape": _shape(facts),
        "width": facts.width or NO_SIZE,
        "height": facts.height or NO_SIZE,
        "taken_first": first,
        "taken_last": last,
        "rating": NO_RATING if facts.rating is None else facts.rating,
        "latitude": NO_DEGREES if facts.latitude is None else facts.latitude,
        "longitude": NO_DEGREES if facts.longitude is None else facts.longitude,
        "tags": [digest(tag) for tag in facts.tags[:MOST_WORDS]],
        "folders": [digest(folder) for folder in facts.folders[:MOST_WORDS]],
    }
    return {**row, "stamp": digest(json.dumps(row, sort_keys=True))}


def facts_in(row: dict[str, Any]) -> ImageFacts:
    """Return what a row tells; tags and folders are not told back."""
    told = row["facts"]
    return ImageFacts(
        content_id=row["key"] & ((1 << KEY_BITS) - 1),
        content=bytes.fromhex(row["content"]),
        paths=tuple(told.pop("paths", ())),
        **told,
    )


def digest(word: str) -> int:
    """Return what stands for a word: 63 bits, never 0."""
    found = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found) >> 1 or 1


def span_of(time: str | None) -> tuple[int, int]:
    """Return the first and the last day or second that a time means, as YYYYMMDDhhmmss.

    A year or a month is all of it; `NO_TIME` where nothing is known.
    """
    found = None if time is None else _PARTS_OF_TIME.match(time)
    if found is None:
        return NO_TIME, NO_TIME
    first, last = (
        int(
            "".join(part or default for part, default in zip(found.groups(), defaults, strict=True))
        )
        for defaults in (_FIRST, _LAST)
    )
    return first, last


def _shape(facts: ImageFacts) -> int:
    if facts.width is None or facts.height is None:
        return NO_SHAPE
    return (facts.width > facts.height) - (facts.width < facts.height)


def _told(facts: ImageFacts) -> dict[str, Any]:
    told: dict[str, Any] = {
        "format": facts.format,
        "width": facts.width,
        "height": facts.height,
        "taken_at": facts.taken_at,
        "rating": facts.rating,
        "latitude": facts.latitude,
        "longitude": facts.longitude,
    }
    told = {name: value for name, value in told.items() if value is not None}
    paths = list(facts.paths)
    while len(json.dumps({**told, "paths": paths})) > _LONGEST_FACTS:
        paths.pop()
    return {**told, "paths": paths} if paths else told
