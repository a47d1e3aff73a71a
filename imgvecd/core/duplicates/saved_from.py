"""Which of two files of one size was saved from the other.

Saving a JPEG rounds the coefficients of each block to multiples of a step. What was saved from a
picture has just the multiples that are nearest to that picture's coefficients; the other way round,
what was lost does not come back.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.duplicates import resaving
from imgvecd.core.duplicates.cosine_transform import BLOCK, WAVES
from imgvecd.types import CopyFacts, Float32Array

_FITS = 0.9  # share of coefficients: a JPEG saved from the other had 0.95 and more
_FAILS = 0.8
_AS_WELL = 0.04  # rounding brightness to whole levels blurs the finest steps
_TRACES = 0.3  # mean cosine: 1 where all lie at multiples of the steps, 0 where they do not
_CLEARLY = 1.25  # steps of neighbouring qualities explain each other
_BEYOND_ROUNDING = 4  # steps: finer ones drown in the rounding of colours to whole levels
_LEAST_REMEMBERED = 3  # steps: finer ones drown in rounding
# Times the root of how many cosines there are, for their sum: 4 standard errors. Coefficients that
# make a step tell, and steps. Of 18 copies by AVIF at 90, WebP and HEIF all steps did; of
# HEIF beside JPEGs that were saved from it 0.87 at the most.
_NO_CHANCE, _FEW_OF_A_STEP, _FEWEST_STEPS, _MOST_STEPS = 3.0, 8, 6, 0.92
_BEYOND_CODEC = 6  # steps: finer ones drown in what WebP, AVIF and the like lose
_NOISE = 0.6  # grey levels, of rounding
_LEAST_BEYOND, _WITHIN = 0.03, 0.5
_FEWEST = 40  # coefficients that tell
# Of strengths: how much copies lose, and how much each band tells, fitted on 200 photos and ten
# copies of each that were saved again by JPEG, WebP, AVIF and HEIC, or by way of these.
_USUAL_LOSS = 2 * np.array(
    [
        0.0024,
        0.0068,
        0.0503,
        0.1346,
        0.2474,
        0.0306,
        0.0841,
        0.4646,
        0.5207,
        0.4943,
        0.0328,
        0.0872,
        0.4479,
        0.5243,
        0.5056,
    ]
)
_LOSS_WEIGHTS = np.array(
    [
        2.47,
        -0.41,
        -0.51,
        -0.73,
        -0.36,
        2.64,
        2.33,
        0.49,
        0.60,
        0.13,
        1.94,
        2.33,
        0.82,
        0.40,
        0.09,
    ]
)
# What was only saved again at 100 gained 0.25 at the most, of three photos.
_FADED = 0.5


def saved_from(copy: CopyFacts, other: CopyFacts, *, doubtful: bool = True) -> float:
    """Return how well saving `other` explains `copy`, 0 to 1; 0 unless it surely was made from it.

    Both are of one size and orientation.

    Args:
        doubtful: count also what each explains, if one does better, and what pixels remember, which
            may be of what both were made from.
    """
    is_comparable = bool(copy.steps and copy.sample) and len(copy.sample) == len(other.sample)
    if not is_comparable or copy.steps == other.steps or copy.pixels == other.pixels:
        return 0.0
    mine, theirs = _coefficients(copy), _coefficients(other)
    if doubtful and _remembers(mine, copy.steps, other.steps):
        return _FITS
    there = _agreement(theirs, mine, copy.steps)
    if there < _FITS or _remembers(theirs, other.steps, copy.steps):
        return 0.0
    if not other.steps:  # what was developed from the JPEG still lies at its multiples
        return there if _on_multiples(theirs, copy.steps) < _TRACES else 0.0
    back = _agreement(mine, theirs, other.steps)
    if back < _FAILS:
        return there
    # coarse steps survive finer ones: if each explains the other, the coarser was first
    coarser = sum(other.steps) > _CLEARLY * sum(copy.steps)
    finer = sum(copy.steps) > _CLEARLY * sum(other.steps)
    first = coarser and there > back - _AS_WELL
    better = there > back + _AS_WELL / 2 or (
        there > back - _AS_WELL / 2 and _was_last(mine, theirs, copy.steps, other.steps)
    )
    return there if doubtful and (first or (better and not coarser and not finer)) else 0.0


def _was_last(
    mine: Float32Array, theirs: Float32Array, steps: tuple[int, ...], others: tuple[int, ...]
) -> bool:
    """Return whether the two differ as much as the former steps round, and not the latter."""
    own, other = (np.array(each, np.float32).reshape(BLOCK, BLOCK) for each in (steps, others))
    finer, coarser = np.minimum(own, other), np.maximum(own, other)
    telling = (np.rint(mine / own) != 0) | (np.rint(theirs / other) != 0)
    telling &= (finer >= _BEYOND_ROUNDING) & (coarser > finer)
    telling[:, 0, 0] = False
    if telling.sum() < _FEWEST:
        return False
    beyond = (np.abs(mine - theirs) > finer / 2 + _NOISE)[telling].mean()
    usual = np.maximum(0, 1 - (finer + 2 * _NOISE) / coarser)
    expected = float(np.broadcast_to(usual, mine.shape)[telling].mean())
    if expected < _LEAST_BEYOND:
        return False
    # the finer steps cannot have moved anything further than half of them
    was_finer = beyond < _WITHIN * expected
    return bool(was_finer if sum(steps) < sum(others) else not was_finer)


def lies_on_steps(copy: CopyFacts, jpeg: CopyFacts) -> bool:
    """Return whether what is no JPEG still lies at the multiples of a JPEG's coarse steps.

    Those that it was saved in, or that its pixels remember. Both are of one size and orientation.
    """
    if not jpeg.steps or not copy.sample or len(copy.sample) != len(jpeg.sample):
        return False
    coefficients = _coefficients(copy)
    tables = [np.array(jpeg.steps, np.float32).reshape(BLOCK, BLOCK)]
    if jpeg.remembered < jpeg.quality:
        tables.append(resaving.steps(jpeg.remembered))
    return any(_on_most_multiples(coefficients, table) for table in tables)


def _on_most_multiples(coefficients: Float32Array, table: Float32Array) -> bool:
    """Return whether coefficients of nearly all coarse steps keep to multiples of them.

    AVIF, HEIF and WebP round to steps of their own, which some of the table's may be as well.
    """
    telling = _telling(coefficients, table) & (table >= _BEYOND_CODEC)
    counts = telling.sum(axis=0)
    enough = counts >= _FEW_OF_A_STEP
    if enough.sum() < _FEWEST_STEPS:
        return False
    sums = (_cosines(coefficients, table) * telling).sum(axis=0)[enough]
    by_chance = math.sqrt(float(counts[enough].sum()))
    return bool((sums > 0).mean() >= _MOST_STEPS and sums.sum() > _NO_CHANCE * by_chance)


def fades(copy: CopyFacts, other: CopyFacts) -> bool:
    """Return whether `copy` has less of the fine structure of `other`, as other codecs leave it.

    WebP, AVIF and HEIF drop what the eye misses, where a JPEG only rounds it. Both are of one size,
    and well saved.
    """
    if not copy.strengths or not other.strengths:
        return False
    lost = np.subtract(other.strengths, copy.strengths)
    return float(np.tanh(lost / _USUAL_LOSS) @ _LOSS_WEIGHTS) > _FADED


def _coefficients(facts: CopyFacts) -> Float32Array:
    blocks = np.frombuffer(facts.sample, np.uint8).reshape(-1, BLOCK, BLOCK).astype(np.float32)
    return np.asarray(WAVES @ (blocks - 128) @ WAVES.T, np.float32)


def _agreement(source: Float32Array, result: Float32Array, steps: tuple[int, ...]) -> float:
    """Return the share of coefficients of `source` that rounding to `steps` makes `result`."""
    table = np.array(steps, np.float32).reshape(BLOCK, BLOCK)
    expected, found = np.rint(source / table), np.rint(result / table)
    telling = (expected != 0) | (found != 0)
    telling[:, 0, 0] = False  # brightness itself says little
    sure = telling & (table >= _BEYOND_ROUNDING)
    if sure.sum() >= _FEWEST:
        telling = sure
    if telling.sum() < _FEWEST:
        return 0.0
    return float((expected == found)[telling].mean())


def _remembers(coefficients: Float32Array, own: tuple[int, ...], others: tuple[int, ...]) -> bool:
    """Return whether what was saved in steps of one still lies at multiples of coarser ones."""
    if not own or not others:
        return False
    finest, coarser = (np.array(each).reshape(BLOCK, BLOCK) for each in (own, others))
    where = (finest == 1) & (coarser >= _LEAST_REMEMBERED)
    return _on_multiples(coefficients, others, where, unknown=0.0) > _TRACES


def _on_multiples(
    coefficients: Float32Array,
    steps: tuple[int, ...],
    where: NDArray[np.bool_] | None = None,
    *,
    unknown: float = 1.0,
) -> float:
    """Return how much coefficients keep to multiples of steps, 0 to 1; `unknown` if too few tell.

    Args:
        where: in a block, shape (8, 8); None for everywhere.
    """
    table = np.array(steps, np.float32).reshape(BLOCK, BLOCK)
    telling = _telling(coefficients, table)
    if where is not None:
        telling &= where
    cosines = _cosines(coefficients, table)[telling]
    return float(cosines.mean()) if len(cosines) >= _FEWEST else unknown


def _telling(coefficients: Float32Array, table: Float32Array) -> NDArray[np.bool_]:
    """Return which coefficients are beyond what is rounded to nothing, but for brightness."""
    telling: NDArray[np.bool_] = np.abs(coefficients) > 0.6 * table
    telling[:, 0, 0] = False
    return telling


def _cosines(coefficients: Float32Array, table: Float32Array) -> Float32Array:
    """Return 1 for coefficients at multiples of their steps, -1 for those in between."""
    cosines: Float32Array = np.cos(2 * np.pi * coefficients / table)
    return cosines
