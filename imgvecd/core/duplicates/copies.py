"""One file of a group of duplicates, and what tells two of them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imgvecd.api import Image, ImageFile
from imgvecd.types import CopyFacts

CAMERA = ("camera", "lens", "iso", "exposure_s", "f_number", "focal_length_mm", "gps_latitude")
"""What only a camera writes."""

_WRITTEN = ("title", "keywords", "people", "rating", "favorite")  # programs write descriptions, too


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of a group."""

    image: Image
    file: ImageFile
    facts: CopyFacts | None


def nominal_side(image: Image) -> float:
    """Return the side of a square with as many pixels as the picture has."""
    return math.sqrt((image.width or 0) * (image.height or 0))


def is_comparable(one: Copy, other: Copy) -> bool:
    """Return whether the two are of one size, and not the very same pixels."""
    sizes = [(each.image.width, each.image.height) for each in (one, other)]
    pixels = [each.facts.pixels if each.facts else b"" for each in (one, other)]
    return sizes[0] == sizes[1] and pixels[0] != pixels[1]


def said_by_camera(image: Image) -> int:
    """Return how much a file says that only the camera, or its owner, knows."""
    taken = image.taken_at is not None and image.metadata.get("taken_at_source") not in {
        "file",
        "name",
    }
    camera = sum(name in image.metadata for name in CAMERA)
    return camera + taken + 10 * len(image.user_metadata)


def is_of_camera(image: Image) -> bool:
    """Return whether a camera wrote into the file: a copy can lose its words, and gains none."""
    return any(name in image.metadata for name in CAMERA)


def written_in(image: Image) -> tuple[str, ...]:
    """Return the names of what people wrote into the file."""
    return tuple(name for name in _WRITTEN if image.metadata.get(name))
