"""Which pairs of contents are worth naming, and what is known of each, as arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.duplicates.best_copies import Link
from imgvecd.core.duplicates.compared_images import VERDICTS
from imgvecd.core.duplicates.detail import MIRRORED
from imgvecd.core.duplicates.grouping import KINDS, SURE
from imgvecd.types import Float16Array, Int64Array

Records: TypeAlias = NDArray[np.void]
BoolArray: TypeAlias = NDArray[np.bool_]

SUBJECTS = np.dtype([("id", "<i8"), ("side", "<f4"), ("seen", "?")])
"""Side: of a square with as many pixels. Seen: it has a look."""

ALIKE = np.dtype(
    [
        ("first", "<i8"), ("second", "<i8"), ("cosine", "<f4"), ("turn", "i1"), ("verdict", "i1"),
        ("same_shape", "?"), ("distinct", "?"),
    ]
)  # fmt: skip
"""Turn: as `AlikePair.turn`, or UNLIKE. Verdict: its place in VERDICTS, or UNKNOWN."""

NEAR = np.dtype(
    [("first", "<i8"), ("second", "<i8"), ("cosine", "<f4"), ("apart_s", "<f4"), ("crop", "i1")]
)
"""Apart: infinite where nobody knows. Crop: whether one is a part of the other, or UNKNOWN."""

UNKNOWN, UNLIKE = -1, -1
BURST_EMBEDDING = 0.75
"""Least cosine of two shots of one scene."""

_SAME_PIXELS, _REENCODED, _TRANSFORMED, _EDITED, _BURST, _SIMILAR = (
    KINDS.index(kind)
    for kind in ("same_pixels", "reencoded", "transformed", "edited", "burst", "similar")
)
_SURE = [KINDS.index(kind) for kind in SURE]


@dataclass(slots=True)
class KnownPairs:
    """Pairs among the subjects of one catalog, by the embeddings of one model.

    Attributes:
        instance, fingerprint: of the catalog, and of the model.
        change, clock: up to which changes of subjects, and of embeddings, this is complete.
        crop_floor: cosine below which no pair was tried for being a part of the other.
        settled: every picture was held against the best copy of it.
        subjects: sorted by id; signatures: shape (len(subjects), n).
        alike: pairs that look alike; near: pairs near by meaning.
        worth: by id, how good a copy each is that belongs to others.
        changed: since it was stored.
    """

    instance: str
    fingerprint: str
    change: int
    clock: int
    subjects: Records
    signatures: Float16Array
    crop_floor: float = 0.0
    settled: bool = False
    alike: Records = field(default_factory=lambda: np.empty(0, ALIKE))
    near: Records = field(default_factory=lambda: np.empty(0, NEAR))
    worth: dict[int, float] = field(default_factory=dict)
    changed: bool = True

    @property
    def ids(self) -> Int64Array:
        """The ids of all subjects, ascending."""
        ids: Int64Array = self.subjects["id"]
        return ids

    def rows(self, ids: Int64Array) -> Int64Array:
        """Return the rows of subjects by id; -1 where there is none."""
        if not len(self.subjects):
            return np.full(len(ids), -1)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.subjects) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)

    def keys(self, pairs: Records) -> Int64Array:
        """Return a number for each pair of subjects, the same in either order."""
        first, second = self.rows(pairs["first"]), self.rows(pairs["second"])
        keys: Int64Array = np.minimum(first, second) * len(self.subjects) + np.maximum(
            first, second
        )
        return keys

    def drop(self, ids: Collection[int]) -> None:
        """Forget subjects and all pairs with them."""
        gone = np.asarray(sorted(ids), np.int64)
        keep = ~np.isin(self.ids, gone)
        if keep.all():
            return
        self.alike, self.near = (
            pairs[~(np.isin(pairs["first"], gone) | np.isin(pairs["second"], gone))]
            for pairs in (self.alike, self.near)
        )
        self.subjects, self.signatures = self.subjects[keep], self.signatures[keep]
        self.settled = False

    def add(self, subjects: Records, signatures: Float16Array) -> None:
        """Take in subjects that are not there, in any order."""
        both = np.concatenate([self.subjects, subjects])
        order = np.argsort(both["id"], kind="stable")
        self.subjects = both[order]
        self.signatures = np.concatenate([self.signatures, signatures])[order]

    def add_alike(self, pairs: Records) -> None:
        """Take in pairs that are not there yet."""
        fresh = pairs[~np.isin(self.keys(pairs), self.keys(self.alike))]
        self.alike = np.concatenate([self.alike, fresh])
        self.settled = self.settled and not len(fresh)

    def add_near(self, pairs: Records) -> None:
        """Take in pairs that are not there yet."""
        fresh = pairs[~np.isin(self.keys(pairs), self.keys(self.near))]
        self.near = np.concatenate([self.near, fresh])

    def links(self, min_similarity: float, burst_s: float) -> list[Link]:
        """Return every pair that is of some kind, with the surest kind that fits."""
        kinds = alike_kinds(self.alike)
        told = kinds != UNKNOWN
        unlike = self.alike["verdict"] == VERDICTS.index("other")
        cosine = self.near["cosine"]
        similar = cosine >= min_similarity
        burst = (cosine >= BURST_EMBEDDING) & (self.near["apart_s"] <= burst_s)
        crop = self.near["crop"] == 1
        named = np.flatnonzero(similar | burst | crop)  # few of millions: only theirs are looked up
        near, burst, crop = self.near[named], burst[named], crop[named]
        near_keys, alike_keys = self.keys(near), self.keys(self.alike)
        found = np.where(similar[named], _SIMILAR, UNKNOWN)
        found[burst] = _BURST
        found[crop & ~np.isin(near_keys, alike_keys[unlike])] = _EDITED
        found[np.isin(near_keys, alike_keys[told])] = UNKNOWN
        return [
            *_links(self.alike[told], kinds[told]),
            *_links(near[found >= 0], found[found >= 0]),
        ]

    def sure_links(self) -> list[Link]:
        """Return the pairs that are one picture."""
        kinds = alike_kinds(self.alike)
        sure = np.isin(kinds, _SURE)
        return _links(self.alike[sure], kinds[sure])


def alike_kinds(pairs: Records) -> Int64Array:
    """Return for each pair that looks alike the place of its kind among KINDS, or UNKNOWN."""
    verdict, turn = pairs["verdict"], pairs["turn"]
    same, edited = (verdict == VERDICTS.index(each) for each in ("same", "edited"))
    kinds = np.full(len(pairs), UNKNOWN)
    changed = edited | (turn >= MIRRORED) | ~pairs["same_shape"]
    one_picture = np.where(turn > 0, _TRANSFORMED, _REENCODED)
    known = (same | edited) & ~pairs["distinct"]
    kinds[known] = np.where(changed, _EDITED, one_picture)[known]
    kinds[verdict == VERDICTS.index("same_pixels")] = _SAME_PIXELS
    return kinds


def _links(pairs: Records, kinds: Iterable[int]) -> list[Link]:
    columns = (pairs["first"].tolist(), pairs["second"].tolist(), pairs["cosine"].tolist())
    return [
        Link(first, second, KINDS[kind], cosine)
        for first, second, cosine, kind in zip(*columns, kinds, strict=True)
    ]
