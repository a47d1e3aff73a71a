"""Which of two files of one size was saved from the other.

Saving a JPEG rounds the coefficients of each block to multiples of a step. What was saved from a
picture has just the multiples that are nearest to that picture's coefficients; the other way round,
what was lost does not come back.
"""

from __future__ import annotations

import numpy as np

from imgvecd.types import CopyFacts, Float32Array

_BLOCK = 8
_FITS = 0.9  # share of coefficients: a JPEG saved from the other had 0.95 and more
_FAILS = 0.8
_AS_WELL = 0.04  # rounding brightness to whole levels blurs the finest steps
_TRACES = 0.3  # mean cosine: 1 where all lie at multiples of the steps, 0 where they do not
_CLEARLY = 1.25  # steps of neighbouring qualities explain each other
_FEWEST = 40  # coefficients that tell
_PLACE = np.arange(_BLOCK)
_WAVES = (np.cos(np.pi * _PLACE[:, None] * (_PLACE + 0.5) / _BLOCK) / 2).astype(np.float32)
_WAVES[0] /= np.sqrt(2)


def saved_from(copy: CopyFacts, other: CopyFacts) -> float:
    """Return how well saving `other` explains `copy`, 0 to 1; 0 unless it surely was made from it.

    Both are of one size and orientation.
    """
    if not copy.steps or not copy.sample or len(copy.sample) != len(other.sample):
        return 0.0
    if copy.steps == other.steps or copy.pixels == other.pixels:
        return 0.0
    mine, theirs = _coefficients(copy), _coefficients(other)
    there = _agreement(theirs, mine, copy.steps)
    if there < _FITS:
        return 0.0
    if not other.steps:  # what was developed from the JPEG still lies at its multiples
        return there if _on_multiples(theirs, copy.steps) < _TRACES else 0.0
    back = _agreement(mine, theirs, other.steps)
    # coarse steps survive finer ones: if each explains the other, the coarser was first
    coarser = sum(other.steps) > _CLEARLY * sum(copy.steps)
    return there if back < _FAILS or (coarser and there > back - _AS_WELL) else 0.0


def _coefficients(facts: CopyFacts) -> Float32Array:
    blocks = np.frombuffer(facts.sample, np.uint8).reshape(-1, _BLOCK, _BLOCK).astype(np.float32)
    return np.asarray(_WAVES @ (blocks - 128) @ _WAVES.T, np.float32)


def _agreement(source: Float32Array, result: Float32Array, steps: tuple[int, ...]) -> float:
    """Return the share of coefficients of `source` that rounding to `steps` makes `result`."""
    table = np.array(steps, np.float32).reshape(_BLOCK, _BLOCK)
    expected, found = np.rint(source / table), np.rint(result / table)
    telling = (expected != 0) | (found != 0)
    telling[:, 0, 0] = False  # brightness itself says little
    if telling.sum() < _FEWEST:
        return 0.0
    return float((expected == found)[telling].mean())


def _on_multiples(coefficients: Float32Array, steps: tuple[int, ...]) -> float:
    """Return how much coefficients keep to multiples of steps, 0 to 1."""
    table = np.array(steps, np.float32).reshape(_BLOCK, _BLOCK)
    telling = np.abs(coefficients) > 0.6 * table  # beyond what is rounded to nothing
    telling[:, 0, 0] = False
    if telling.sum() < _FEWEST:
        return 1.0
    return float(np.cos(2 * np.pi * coefficients / table)[telling].mean())
