"""Finds the pairs worth comparing: among all subjects, or of those that changed with the others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from imgvecd.core.duplicates import pairing
from imgvecd.core.duplicates.compared_images import DuplicateStore
from imgvecd.core.duplicates.known_pairs import (
    ALIKE,
    UNKNOWN,
    UNLIKE,
    BoolArray,
    KnownPairs,
    Records,
)
from imgvecd.core.duplicates.near_pairs import near_pairs
from imgvecd.core.duplicates.pair_records import (
    NEAR_EMBEDDING,
    PER_ROW,
    alike_records,
    chunks,
    columns,
    crowded_beside,
    moment,
    near_records,
    near_signatures,
    near_vectors,
    products,
    take_crops,
)
from imgvecd.core.duplicates.picture_hasher import PictureHasher
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.protocols import EmbeddingSource, VectorIndex
from imgvecd.types import Float16Array, Float32Array, Int64Array, ModelInfo

_PAGE = 4096  # subjects and embeddings that are read at once
# Looking for the place of a crop takes some 2 ms: with the nearest pairs first, half a minute.
_MOST_CROPS = 15_000
# So many new ones, times the square root of all, are worth searching anew: 4.5 n √n comparisons.
_FEW, _SHARE = 2000, 4.0


class PairSearch:
    """Searches a catalog for pairs. Blocks; for one thread at a time."""

    def __init__(
        self, store: DuplicateStore, hasher: PictureHasher, embeddings: EmbeddingSource
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._embeddings = embeddings

    def anew(self, model: ModelInfo, least: float, before: KnownPairs | None = None) -> KnownPairs:
        """Return the pairs among all subjects.

        Args:
            least: cosine from which pairs are near by meaning.
            before: whose pairs need not be tried for crops again.
        """
        change = self._store.last_subject_change()
        subjects, signatures, moments, raw = self._all_subjects()
        clock, vectors = self._all_vectors(subjects["id"], model)
        known = KnownPairs(
            self._embeddings.instance(), model.fingerprint, change, clock, subjects, signatures
        )
        first, second, _ = near_pairs(signatures, pairing.NEAR_SIGNATURE, PER_ROW)
        cosines = products(vectors, first, second)
        ids = subjects["id"]
        known.add_alike(self.alike(ids[first], ids[second], cosines))
        first, second, cosines = near_pairs(vectors, least, PER_ROW)
        del vectors
        kept = raw[first] == raw[second]
        first, second, cosines = first[kept], second[kept], cosines[kept]
        known.add_near(
            near_records(
                ids[first], ids[second], cosines, moments[first], moments[second],
                raw[first] | ~subjects["seen"][first] | ~subjects["seen"][second],
            )
        )  # fmt: skip
        if before is not None and before.instance == known.instance:
            _, changed = self._store.subject_changes(before.change)
            before.drop(changed)
            take_crops(known, before)
        self._try_crops(known)
        return known

    def updated(self, known: KnownPairs, model: ModelInfo, index: VectorIndex) -> KnownPairs | None:
        """Return `known` with what has changed since; None if that needs a search anew.

        Costs as much as there are changes, but for products of their signatures with all others.
        """
        if (known.instance, known.fingerprint) != (self._embeddings.instance(), model.fingerprint):
            return None
        if index.clock < known.clock:  # it is being built anew
            return None
        most = max(_FEW, int(_SHARE * math.sqrt(len(known.subjects))))
        change, changed = self._store.subject_changes(known.change)
        fresh, clock = self._fresh_vectors(model, known.clock, most)
        unseen = set(known.ids[~known.subjects["seen"]].tolist())
        if fresh is None or len(changed) > most:
            return None
        now = self._hasher.subjects_of({*changed, *fresh, *unseen})
        seen = {each for each in unseen if each in now and now[each].perceptual_hash is not None}
        touched = {*changed, *fresh, *seen}
        if touched:
            crowded = crowded_beside(known, touched)
            if len(touched) + len(crowded) > most:
                return None
            known.drop(touched)
            subjects = [now[each] for each in sorted(touched & now.keys())]
            records, signatures, _, _ = columns(subjects)
            known.add(records, signatures)
            for each in touched:
                known.worth.pop(each, None)
            asked = sorted({subject.id for subject in subjects} | crowded)
            self._add_pairs_of(known, np.asarray(asked, np.int64), fresh, model, index)
            self._try_crops(known)
        known.changed = known.changed or bool(touched) or known.change != change
        known.change, known.clock = change, clock
        return known

    def alike(self, first: Int64Array, second: Int64Array, cosines: Float32Array) -> Records:
        """Return those pairs that look alike."""
        found = []
        for pairs in chunks(zip(first.tolist(), second.tolist(), cosines.tolist(), strict=True)):
            subjects = self._hasher.subjects_of({each for pair in pairs for each in pair[:2]})
            for one, other, cosine in pairs:
                if one in subjects and other in subjects:
                    found += alike_records(subjects[one], subjects[other], cosine)
        return np.array(found, ALIKE)

    def held_against(self, pairs: Sequence[tuple[int, int]], model: ModelInfo) -> Records:
        """Return pairs of ids that were not found to look alike: as such, or as UNLIKE."""
        vectors = self._embeddings.embeddings(
            model.fingerprint, sorted({each for pair in pairs for each in pair})
        )
        subjects = self._hasher.subjects_of({each for pair in pairs for each in pair})
        found = []
        for one, other in pairs:
            cosine = 0.0
            if one in vectors and other in vectors:
                cosine = float(vectors[one] @ vectors[other])
            alike = []
            if one in subjects and other in subjects:
                alike = alike_records(subjects[one], subjects[other], cosine)
            found += alike or [(one, other, cosine, UNLIKE, UNKNOWN, False, False)]
        return np.array(found, ALIKE)

    def _add_pairs_of(
        self,
        known: KnownPairs,
        ids: Int64Array,
        fresh: dict[int, Float32Array],
        model: ModelInfo,
        index: VectorIndex,
    ) -> None:
        rows = known.rows(ids)
        first, second = near_signatures(known.signatures, rows)
        others = self._embeddings.embeddings(
            model.fingerprint, sorted({*ids.tolist()} - fresh.keys())
        )
        vectors = np.zeros((len(ids), model.dim), np.float32)
        for place, each in enumerate(ids.tolist()):
            vector = fresh.get(each, others.get(each))
            if vector is not None:
                vectors[place] = vector
        known.add_alike(self._alike_with_cosines(known.ids[first], known.ids[second], model))
        self._add_near(known, *near_vectors(ids, vectors, index))

    def _alike_with_cosines(
        self, first: Int64Array, second: Int64Array, model: ModelInfo
    ) -> Records:
        pairs = self.alike(first, second, np.zeros(len(first), np.float32))
        ids = sorted({*pairs["first"].tolist(), *pairs["second"].tolist()})
        vectors = self._embeddings.embeddings(model.fingerprint, ids)
        for pair in pairs:
            one, other = vectors.get(int(pair["first"])), vectors.get(int(pair["second"]))
            if one is not None and other is not None:
                pair["cosine"] = one @ other
        return pairs

    def _add_near(
        self, known: KnownPairs, first: Int64Array, second: Int64Array, cosines: Float32Array
    ) -> None:
        kept = (cosines >= NEAR_EMBEDDING) & (known.rows(first) >= 0) & (known.rows(second) >= 0)
        first, second, cosines = first[kept], second[kept], cosines[kept]
        for start in range(0, len(first), _PAGE):
            ends = first[start : start + _PAGE], second[start : start + _PAGE]
            subjects = self._hasher.subjects_of({*ends[0].tolist(), *ends[1].tolist()})
            there = [
                place
                for place, pair in enumerate(zip(*(each.tolist() for each in ends), strict=True))
                if pair[0] in subjects and pair[1] in subjects
                and subjects[pair[0]].raw == subjects[pair[1]].raw
            ]  # fmt: skip
            if not there:
                continue
            one, other = ends[0][there], ends[1][there]
            sides = [[subjects[each] for each in ids.tolist()] for ids in (one, other)]
            moments = [np.array([moment(each) for each in side]) for side in sides]
            hopeless = np.array(
                [not pairing.may_be_crop(*pair) for pair in zip(*sides, strict=True)]
            )
            cosine = cosines[start : start + _PAGE][there]
            known.add_near(near_records(one, other, cosine, moments[0], moments[1], hopeless))

    def _try_crops(self, known: KnownPairs) -> None:
        """Find out of the nearest pairs whether one is a part of the other."""
        near = known.near
        untried = np.flatnonzero((near["crop"] == UNKNOWN) & (near["cosine"] >= known.crop_floor))
        untried = untried[np.argsort(-near["cosine"][untried], kind="stable")]
        if len(untried) > _MOST_CROPS:
            untried = untried[:_MOST_CROPS]
            known.crop_floor = float(near["cosine"][untried[-1]])
        for rows in chunks(untried.tolist()):
            pairs = near[rows]
            subjects = self._hasher.subjects_of(
                {*pairs["first"].tolist(), *pairs["second"].tolist()}
            )
            for row, one, other in zip(
                rows, pairs["first"].tolist(), pairs["second"].tolist(), strict=True
            ):
                if one in subjects and other in subjects:
                    near["crop"][row] = pairing.is_crop(subjects[one], subjects[other])

    def _all_subjects(self) -> tuple[Records, Float16Array, Int64Array, BoolArray]:
        pages, after = [], -1
        while page := self._hasher.subjects(after, _PAGE):
            pages.append(columns(page))
            after = page[-1].id
        joined = zip(*(pages or [columns([])]), strict=True)
        subjects, signatures, moments, raw = (np.concatenate(each) for each in joined)
        return subjects, signatures, moments, raw

    def _all_vectors(self, ids: Int64Array, model: ModelInfo) -> tuple[int, Float16Array]:
        """Return (clock, the embeddings of `ids`); a row of zeros where there is none."""
        vectors = np.zeros((len(ids), model.dim), np.float16)
        clock, batches = self._embeddings.stream_embeddings(model.fingerprint, _PAGE)
        for batch in batches:
            rows = np.minimum(np.searchsorted(ids, batch.added), max(len(ids) - 1, 0))
            there = ids[rows] == batch.added if len(ids) else np.zeros(len(rows), bool)
            vectors[rows[there]] = unpacked(batch.vectors[there])
        return clock, vectors

    def _fresh_vectors(
        self, model: ModelInfo, since: int, most: int
    ) -> tuple[dict[int, Float32Array] | None, int]:
        """Return (embeddings that came after a clock, up to which clock); None: too many."""
        found: dict[int, Float32Array] = {}
        while True:
            _, changes = self._embeddings.embedding_changes(model.fingerprint, since, _PAGE)
            found.update(zip(changes.added.tolist(), unpacked(changes.vectors), strict=True))
            if len(found) > most:
                return None, since
            if changes.clock == since:
                return found, since
            since = changes.clock
