"""From candidates to pairs of a known kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.api import DuplicateKind
from imgvecd.core.duplicates import perceptual_hash
from imgvecd.core.duplicates.compared_images import Subject
from imgvecd.core.duplicates.near_pairs import near_pairs
from imgvecd.types import Float32Array

# Cosine of two signatures: 99 % of re-encoded, shrunk, rotated and mirrored photos have 0.98 and
# more to the original; different photos 0.84 at the most.
_NEAR_SIGNATURE = 0.93
# Cosine of embeddings from which a crop, or a burst, is worth a look.
_NEAR_EMBEDDING = 0.6
_BURST_EMBEDDING = 0.75
_PER_ROW = 8
# Looking for the place of a crop takes some 2 ms: with the nearest pairs first, half a minute.
_MOST_CROPS = 15_000
_SAME_SHAPE = 0.02  # rounding of sides when resizing, relative
_EXACT_LOOK = 0.999


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subjects, by their rows, and how they relate."""

    first: int
    second: int
    kind: DuplicateKind
    similarity: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of rows worth comparing, with the cosines of their embeddings.

    Attributes:
        alike: by look, in whichever orientation.
        near: by embedding, the nearest first.
    """

    alike: list[tuple[int, int]]
    near: list[tuple[int, int, float]]


def candidates(
    subjects: Sequence[Subject], embeddings: Float32Array, min_similarity: float
) -> Candidates:
    """Return what to compare.

    Args:
        embeddings: shape (len(subjects), dim), a row of zeros where there is none.
    """
    seen = [row for row, subject in enumerate(subjects) if subject.look is not None]
    grey = perceptual_hash.greys([subjects[row].look or b"" for row in seen])
    first, second, _ = near_pairs(perceptual_hash.signatures(grey), _NEAR_SIGNATURE, _PER_ROW)
    alike = [(seen[one], seen[other]) for one, other in zip(first, second, strict=True)]
    one, other, cosine = near_pairs(embeddings, min(_NEAR_EMBEDDING, min_similarity), _PER_ROW)
    order = np.argsort(-cosine, kind="stable")
    near = zip(one[order].tolist(), other[order].tolist(), cosine[order].tolist(), strict=True)
    return Candidates(alike, list(near))


def equal_looking(subjects: Sequence[Subject], found: Candidates) -> list[tuple[int, int]]:
    """Return pairs that may have the very same pixels, which only all the pixels can tell."""
    return [
        (one, other)
        for one, other in found.alike
        if _size(subjects[one]) == _size(subjects[other])
        and _likeness(subjects[one], subjects[other]).upright >= _EXACT_LOOK
    ]


def pairs(
    subjects: Sequence[Subject],
    embeddings: Float32Array,
    found: Candidates,
    same_pixels: set[tuple[int, int]],
    *,
    min_similarity: float,
    burst_s: float,
) -> Iterator[Pair]:
    """Yield each pair that is of some kind, with the surest kind that fits."""
    told = set()
    for one, other in found.alike:
        kind: DuplicateKind | None = "same_pixels" if (one, other) in same_pixels else None
        kind = kind or _by_look(subjects[one], subjects[other])
        if kind is not None:
            told.add((one, other))
            yield Pair(one, other, kind, float(embeddings[one] @ embeddings[other]))
    crops = 0
    for one, other, cosine in found.near:
        if (one, other) in told:
            continue
        first, second = subjects[one], subjects[other]
        kind = _by_time(first, second, cosine, burst_s)
        if kind is None and crops < _MOST_CROPS and _may_be_crop(first, second):
            crops += 1
            kind = "transformed" if _is_crop(first, second) else None
        if kind is None and cosine >= min_similarity:
            kind = "similar"
        if kind is not None:
            yield Pair(one, other, kind, cosine)


def looking_like(given: Subject, subjects: Sequence[Subject]) -> set[int]:
    """Return the ids of `subjects` that are worth comparing with a picture, by look."""
    seen = [subject for subject in subjects if subject.look is not None]
    own = perceptual_hash.signatures(perceptual_hash.greys([given.look or b""]))[0]
    others = perceptual_hash.signatures(
        perceptual_hash.greys([subject.look or b"" for subject in seen])
    )
    return {seen[row].id for row in np.flatnonzero(others @ own >= _NEAR_SIGNATURE)}


def match(
    given: Subject, stored: Subject, cosine: float, min_similarity: float
) -> DuplicateKind | None:
    """Return how a picture relates to a stored one, or None; it was not compared pixel by pixel."""
    if given.hash == stored.hash:
        return "same_bytes"
    if stored.look is not None:
        kind = _by_look(given, stored)
        if kind is not None:
            return kind
        if _may_be_crop(given, stored) and _is_crop(given, stored):
            return "transformed"
    return "similar" if cosine >= min_similarity else None


def _by_look(one: Subject, other: Subject) -> DuplicateKind | None:
    if _distinct_shots(one, other):
        return None
    likeness = _likeness(one, other)
    if likeness.upright >= perceptual_hash.SAME_LOOK and likeness.upright >= likeness.turned:
        return "reencoded" if _same_shape(one, other) else "transformed"
    return "transformed" if likeness.turned >= perceptual_hash.SAME_LOOK else None


def _by_time(one: Subject, other: Subject, cosine: float, burst_s: float) -> DuplicateKind | None:
    first, second = one.moment, other.moment
    if first is None or second is None or first == second or cosine < _BURST_EMBEDDING:
        return None
    return "burst" if abs((first - second).total_seconds()) <= burst_s else None


def _distinct_shots(one: Subject, other: Subject) -> bool:
    """Return whether both say when they were taken, and that these are two moments."""
    first, second = one.moment, other.moment
    return first is not None and second is not None and first != second


def _may_be_crop(one: Subject, other: Subject) -> bool:
    return one.look is not None and other.look is not None and not _distinct_shots(one, other)


def _is_crop(one: Subject, other: Subject) -> bool:
    """Return whether the smaller picture is a part of the larger one."""
    whole, part = sorted((one, other), key=lambda subject: -subject.width * subject.height)
    grey = perceptual_hash.greys([whole.look or b"", part.look or b""])
    return (
        perceptual_hash.part_of(grey[0], grey[1], _size(whole), _size(part))
        >= perceptual_hash.SAME_PART
    )


def _likeness(one: Subject, other: Subject) -> perceptual_hash.Likeness:
    grey = perceptual_hash.greys([one.look or b"", other.look or b""])
    return perceptual_hash.compare(grey[0], grey[1])


def _size(subject: Subject) -> tuple[int, int]:
    return subject.width, subject.height


def _same_shape(one: Subject, other: Subject) -> bool:
    ratio = one.width * other.height / (one.height * other.width)
    slack = 1 / min(one.width, one.height, other.width, other.height)
    return abs(ratio - 1) <= max(_SAME_SHAPE, slack)
