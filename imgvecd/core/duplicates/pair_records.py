"""What pairs are made of: columns of subjects, records of pairs, who is nearest to whom."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from imgvecd.core.duplicates import pairing, perceptual_hash
from imgvecd.core.duplicates.compared_images import Subject
from imgvecd.core.duplicates.known_pairs import (
    NEAR,
    SUBJECTS,
    UNKNOWN,
    BoolArray,
    KnownPairs,
    Records,
)
from imgvecd.core.duplicates.near_pairs import nearest_above
from imgvecd.protocols import VectorIndex
from imgvecd.types import Float16Array, Float32Array, Int64Array

T = TypeVar("T")

NEAR_EMBEDDING = 0.6
"""Cosine of embeddings from which a crop is worth a look."""

PER_ROW = 8
"""Neighbours of each subject."""

_PAIRS = 512  # whose looks are held at once
_ROWS = 4096  # of embeddings in full precision at once
_SCORES = 16_000_000  # that are held at once
_UNKNOWN_MOMENT = np.iinfo(np.int64).min
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  # the camera's local time
_MICROSECOND = datetime.timedelta(microseconds=1)


def columns(subjects: Sequence[Subject]) -> tuple[Records, Float16Array, Int64Array, BoolArray]:
    """Return (subjects, their signatures, moments, whether they are RAW); zeros without a look."""
    records = np.array(
        [
            (each.id, math.sqrt(each.width * each.height), each.perceptual_hash is not None)
            for each in subjects
        ],
        SUBJECTS,
    )
    blank = bytes(perceptual_hash.SIDE**2)  # without contrast: near to nothing
    looks = [each.perceptual_hash or blank for each in subjects]
    signatures = perceptual_hash.signatures_of(looks).astype(np.float16)
    moments = np.array([moment(each) for each in subjects], np.int64)
    return records, signatures, moments, np.array([each.raw for each in subjects], bool)


def moment(subject: Subject) -> int:
    """Return when it was taken, in microseconds since 1970."""
    moment = subject.moment
    return _UNKNOWN_MOMENT if moment is None else (moment - _EPOCH) // _MICROSECOND


def alike_records(one: Subject, other: Subject, cosine: float) -> list[tuple[object, ...]]:
    """Return the record of a pair, if the two may be one picture."""
    pair = pairing.alike_pair(one, other)
    return [] if pair is None else [pairing.alike_record(pair, cosine)]


def near_records(
    first: Int64Array,
    second: Int64Array,
    cosines: Float32Array,
    first_moments: Int64Array,
    second_moments: Int64Array,
    no_crop: BoolArray,
) -> Records:
    """Return pairs near by meaning.

    Args:
        no_crop: of which neither can be tried for being a part of the other.
    """
    pairs = np.empty(len(first), NEAR)
    pairs["first"], pairs["second"], pairs["cosine"] = first, second, cosines
    known = (first_moments != _UNKNOWN_MOMENT) & (second_moments != _UNKNOWN_MOMENT)
    one, other = (np.where(known, each, 0) for each in (first_moments, second_moments))
    pairs["apart_s"] = np.where(known, np.abs(one - other) / 1e6, np.inf)
    # where only one tells the fraction of a second, the second counts
    whole = (one % 1_000_000 == 0) | (other % 1_000_000 == 0)
    distinct = np.where(whole, one // 1_000_000 != other // 1_000_000, one != other)
    pairs["crop"] = np.where(no_crop | (known & distinct), 0, UNKNOWN)
    return pairs


def near_signatures(signatures: Float16Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return pairs of rows, each of `rows` with those nearest to it."""
    every = signatures.astype(np.float32).T
    first, second = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    step = max(1, _SCORES // max(1, len(signatures)))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        scores = signatures[some].astype(np.float32) @ every
        scores[np.arange(len(some)), some] = -1
        at, place = nearest_above(scores, pairing.NEAR_SIGNATURE, PER_ROW)
        first.append(some[at])
        second.append(place)
    return _once(np.concatenate(first), np.concatenate(second))


def near_vectors(
    ids: Int64Array, vectors: Float32Array, index: VectorIndex
) -> tuple[Int64Array, Int64Array, Float32Array]:
    """Return (id, id, cosine) of each of `ids` with those nearest to it."""
    there = np.any(vectors, axis=1)
    ids, vectors = ids[there], vectors[there]
    if not len(ids):
        return ids, ids, np.empty(0, np.float32)
    scores, others = index.search(vectors, PER_ROW + 1)
    # what came last may not be in the index yet
    among = vectors @ vectors.T
    np.fill_diagonal(among, -1)
    at, place = nearest_above(among, NEAR_EMBEDDING, PER_ROW)
    first = np.concatenate([np.repeat(ids, others.shape[1]), ids[at]])
    second = np.concatenate([others.ravel(), ids[place]])
    cosines = np.concatenate([scores.ravel(), among[at, place]]).astype(np.float32)
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, kept = np.unique(np.column_stack([low, high]), axis=0, return_index=True)
    kept = kept[low[kept] != high[kept]]
    return low[kept], high[kept], cosines[kept]


def _once(first: Int64Array, second: Int64Array) -> tuple[Int64Array, Int64Array]:
    pairs = np.unique(np.sort(np.column_stack([first, second]), axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def crowded_beside(known: KnownPairs, touched: Iterable[int]) -> set[int]:
    """Return subjects that lose a neighbour with `touched`, and may have others beyond it."""
    gone = np.asarray(sorted(touched), np.int64)
    found: set[int] = set()
    for pairs in (known.alike, known.near):
        ends = np.concatenate([pairs["first"], pairs["second"]])
        lost = np.concatenate(
            [
                pairs["second"][np.isin(pairs["first"], gone)],
                pairs["first"][np.isin(pairs["second"], gone)],
            ]
        )
        ids, counts = np.unique(ends[np.isin(ends, lost)], return_counts=True)
        found |= set(ids[counts >= PER_ROW].tolist())
    return found.difference(gone.tolist()) & set(known.ids.tolist())


def take_crops(known: KnownPairs, before: KnownPairs) -> None:
    """Take over what is known of crops; the pairs of `before` are subjects of `known`."""
    pairs = before.near[before.near["crop"] != UNKNOWN]
    there = (known.rows(pairs["first"]) >= 0) & (known.rows(pairs["second"]) >= 0)
    pairs = pairs[there]
    if not len(pairs):
        return
    keys, wanted = known.keys(pairs), known.keys(known.near)
    order = np.argsort(keys)
    places = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    found = keys[places] == wanted
    known.near["crop"][found] = pairs["crop"][places[found]]


def products(vectors: Float16Array, first: Int64Array, second: Int64Array) -> Float32Array:
    """Return the products of pairs of rows."""
    found = np.zeros(len(first), np.float32)
    for start in range(0, len(first), _ROWS):
        some = slice(start, start + _ROWS)
        pairs = (vectors[each[some]].astype(np.float32) for each in (first, second))
        found[some] = np.einsum("ij,ij->i", *pairs)
    return found


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield items, as many at once as pairs have their looks held."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, _PAIRS)):
        yield chunk
