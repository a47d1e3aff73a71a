"""From candidates to pairs of a known kind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgvecd.api import DuplicateKind
from imgvecd.core.duplicates import detail, perceptual_hash
from imgvecd.core.duplicates.compared_images import Subject
from imgvecd.core.duplicates.comparing import AlikePair, Comparisons
from imgvecd.core.duplicates.near_pairs import near_pairs
from imgvecd.types import Float32Array

# Cosine of two signatures: 99 % of re-encoded, shrunk, rotated and mirrored photos have 0.98 and
# more to the original; different photos 0.84 at the most.
NEAR_SIGNATURE = 0.93
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
    seen = [row for row, subject in enumerate(subjects) if subject.perceptual_hash is not None]
    looks = [subjects[row].perceptual_hash or b"" for row in seen]
    signatures = perceptual_hash.signatures_of(looks)
    first, second, _ = near_pairs(signatures, NEAR_SIGNATURE, _PER_ROW)
    alike = [(seen[one], seen[other]) for one, other in zip(first, second, strict=True)]
    one, other, cosine = near_pairs(embeddings, min(_NEAR_EMBEDDING, min_similarity), _PER_ROW)
    order = np.argsort(-cosine, kind="stable")
    near = zip(one[order].tolist(), other[order].tolist(), cosine[order].tolist(), strict=True)
    return Candidates(alike, list(near))


def alike_pairs(subjects: Sequence[Subject], found: Candidates) -> list[AlikePair]:
    """Return the pairs that may be one picture, which only a closer look can tell."""
    pairs = [alike_pair(subjects[one], subjects[other]) for one, other in found.alike]
    return [pair for pair in pairs if pair is not None]


def alike_pair(one: Subject, other: Subject) -> AlikePair | None:
    """Return the pair if the two may be one picture."""
    if one.raw or other.raw or one.perceptual_hash is None or other.perceptual_hash is None:
        return None
    if are_distinct_shots(one, other):
        # the very same pixels with other dates may be one picture all the same
        return AlikePair(one, other, 0) if _same_looking(one, other) else None
    grey = perceptual_hash.greys([one.perceptual_hash, other.perceptual_hash])
    likeness, turn = perceptual_hash.compare(grey[0], grey[1]).best
    return AlikePair(one, other, turn) if likeness >= perceptual_hash.SAME_LOOK else None


def pairs(
    subjects: Sequence[Subject],
    embeddings: Float32Array,
    found: Candidates,
    alike: Sequence[AlikePair],
    known: Comparisons,
    *,
    min_similarity: float,
    burst_s: float,
) -> Iterator[Pair]:
    """Yield each pair that is of some kind, with the surest kind that fits."""
    rows = {subject.id: row for row, subject in enumerate(subjects)}
    told: set[tuple[int, int]] = set()
    unlike: set[tuple[int, int]] = set()
    for pair in alike:
        one, other = sorted((rows[pair.first.id], rows[pair.second.id]))
        kind = by_detail(pair, known)
        if kind is not None:
            told.add((one, other))
            yield Pair(one, other, kind, float(embeddings[one] @ embeddings[other]))
        elif known.verdict(pair.first, pair.second) == "other":
            unlike.add((one, other))
    crops = 0
    for one, other, cosine in found.near:
        first, second = subjects[one], subjects[other]
        if (one, other) in told or first.raw != second.raw:
            continue
        distinct = are_distinct_shots(first, second)
        may_be_crop = not distinct and (one, other) not in unlike and _may_be_crop(first, second)
        crops += may_be_crop
        if may_be_crop and crops <= _MOST_CROPS and _is_crop(first, second):
            yield Pair(one, other, "edited", cosine)
        elif cosine >= _BURST_EMBEDDING and _seconds_between(first, second) <= burst_s:
            yield Pair(one, other, "burst", cosine)
        elif cosine >= min_similarity:
            yield Pair(one, other, "similar", cosine)


def by_detail(pair: AlikePair, known: Comparisons) -> DuplicateKind | None:
    """Return what a pair is that looks alike and was compared; None: nothing that looks tell."""
    verdict = known.verdict(pair.first, pair.second)
    if verdict == "same_pixels":
        return "same_pixels"
    if verdict not in {"same", "edited"} or are_distinct_shots(pair.first, pair.second):
        return None
    turned = pair.second if pair.turn % 2 == 0 else _on_its_side(pair.second)
    if verdict == "edited" or pair.turn >= detail.MIRRORED or not _same_shape(pair.first, turned):
        return "edited"
    return "transformed" if pair.turn else "reencoded"


def looking_like(given: Subject, subjects: Sequence[Subject]) -> set[int]:
    """Return the ids of `subjects` that are worth comparing with a picture, by look."""
    seen = [subject for subject in subjects if subject.perceptual_hash is not None]
    own = perceptual_hash.signatures(perceptual_hash.greys([given.perceptual_hash or b""]))[0]
    others = perceptual_hash.signatures_of([subject.perceptual_hash or b"" for subject in seen])
    return {seen[row].id for row in np.flatnonzero(others @ own >= NEAR_SIGNATURE)}


def by_look_or_meaning(
    given: Subject, stored: Subject, cosine: float, min_similarity: float
) -> DuplicateKind | None:
    """Return how a picture relates to a stored one that it is no copy of, or None."""
    if given.raw != stored.raw:
        return None
    may_be_crop = _may_be_crop(given, stored) and not are_distinct_shots(given, stored)
    if may_be_crop and _is_crop(given, stored):
        return "edited"
    return "similar" if cosine >= min_similarity else None


def are_distinct_shots(one: Subject, other: Subject) -> bool:
    """Return whether both say when they were taken, and that these are two moments.

    Where only one of them says it to a fraction of a second, the second counts.
    """
    first, second = one.moment, other.moment
    if first is None or second is None:
        return False
    if not (first.microsecond and second.microsecond):
        first, second = first.replace(microsecond=0), second.replace(microsecond=0)
    return first != second


def _seconds_between(one: Subject, other: Subject) -> float:
    first, second = one.moment, other.moment
    if first is None or second is None:
        return math.inf
    return abs((first - second).total_seconds())


def _same_looking(one: Subject, other: Subject) -> bool:
    """Return whether the two may have the very same pixels."""
    if _size(one) != _size(other):
        return False
    grey = perceptual_hash.greys([one.perceptual_hash or b"", other.perceptual_hash or b""])
    return perceptual_hash.compare(grey[0], grey[1]).upright >= _EXACT_LOOK


def _on_its_side(subject: Subject) -> Subject:
    return replace(subject, width=subject.height, height=subject.width)


def _may_be_crop(one: Subject, other: Subject) -> bool:
    return (
        one.perceptual_hash is not None
        and other.perceptual_hash is not None
        and not (one.raw or other.raw)
    )


def _is_crop(one: Subject, other: Subject) -> bool:
    """Return whether the smaller picture is a part of the larger one."""
    whole, part = sorted((one, other), key=lambda subject: -subject.width * subject.height)
    grey = perceptual_hash.greys([whole.perceptual_hash or b"", part.perceptual_hash or b""])
    if perceptual_hash.compare(grey[0], grey[1]).upright >= perceptual_hash.SAME_LOOK:
        return False  # no more than a few pixels are cut off, or another page of the same form
    return (
        perceptual_hash.part_of(grey[0], grey[1], _size(whole), _size(part))
        >= perceptual_hash.SAME_PART
    )


def _size(subject: Subject) -> tuple[int, int]:
    return subject.width, subject.height


def _same_shape(one: Subject, other: Subject) -> bool:
    ratio = one.width * other.height / (one.height * other.width)
    slack = 1 / min(one.width, one.height, other.width, other.height)
    return abs(ratio - 1) <= max(_SAME_SHAPE, slack)
