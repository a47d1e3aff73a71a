"""What two pictures may be to each other, by their looks, and what they are once compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imgvecd.api import DuplicateKind
from imgvecd.core.duplicates import perceptual_hash
from imgvecd.core.duplicates.compared_images import VERDICTS, Subject, Verdict
from imgvecd.core.duplicates.comparing import AlikePair
from imgvecd.core.duplicates.grouping import KINDS
from imgvecd.core.duplicates.known_pairs import ALIKE, UNKNOWN, alike_kinds
from imgvecd.core.small_products import matrix_times

# Cosine of two signatures: 99 % of re-encoded, shrunk, rotated and mirrored photos have 0.98 and
# more to the original; different photos 0.84 at the most.
NEAR_SIGNATURE = 0.93
_SAME_SHAPE = 0.02  # rounding of sides when resizing, relative
_EXACT_LOOK = 0.999


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


def by_detail(pair: AlikePair, verdict: Verdict | None) -> DuplicateKind | None:
    """Return what a pair is that looks alike and was compared; None: nothing that looks tell."""
    if verdict is None:
        return None
    record = np.array([alike_record(pair, 0.0, VERDICTS.index(verdict))], ALIKE)
    (place,) = alike_kinds(record).tolist()
    return None if place == UNKNOWN else KINDS[place]


def alike_record(pair: AlikePair, cosine: float, verdict: int = UNKNOWN) -> tuple[object, ...]:
    """Return the record, of `ALIKE`, of a pair that looks alike."""
    one, other = pair.first, pair.second
    distinct = are_distinct_shots(one, other)
    return one.id, other.id, cosine, pair.turn, verdict, same_shape(pair), distinct


def same_shape(pair: AlikePair) -> bool:
    """Return whether the two, turned to fit each other, have sides of one ratio."""
    turned = pair.second if pair.turn % 2 == 0 else _on_its_side(pair.second)
    return _same_shape(pair.first, turned)


def looking_like(given: Subject, subjects: Sequence[Subject]) -> set[int]:
    """Return the ids of `subjects` that are worth comparing with a picture, by look."""
    seen = [subject for subject in subjects if subject.perceptual_hash is not None]
    own = perceptual_hash.signatures(perceptual_hash.greys([given.perceptual_hash or b""]))[0]
    others = perceptual_hash.signatures_of([subject.perceptual_hash or b"" for subject in seen])
    return {seen[row].id for row in np.flatnonzero(matrix_times(others, own) >= NEAR_SIGNATURE)}


def by_look_or_meaning(
    given: Subject, stored: Subject, cosine: float, min_similarity: float
) -> DuplicateKind | None:
    """Return how a picture relates to a stored one that it is no copy of, or None."""
    if given.raw != stored.raw:
        return None
    tried = may_be_crop(given, stored) and not are_distinct_shots(given, stored)
    if tried and is_crop(given, stored):
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


def _same_looking(one: Subject, other: Subject) -> bool:
    """Return whether the two may have the very same pixels."""
    if _size(one) != _size(other):
        return False
    grey = perceptual_hash.greys([one.perceptual_hash or b"", other.perceptual_hash or b""])
    return perceptual_hash.compare(grey[0], grey[1]).upright >= _EXACT_LOOK


def _on_its_side(subject: Subject) -> Subject:
    return replace(subject, width=subject.height, height=subject.width)


def may_be_crop(one: Subject, other: Subject) -> bool:
    """Return whether the two can be tried for one being a part of the other."""
    return (
        one.perceptual_hash is not None
        and other.perceptual_hash is not None
        and not (one.raw or other.raw)
    )


def is_crop(one: Subject, other: Subject) -> bool:
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
