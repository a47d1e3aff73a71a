"""How likely an image was meant, of the scores that a query gets in a library.

The two-groups model (Efron, *Large-Scale Inference*, 2010): a share of the library matches and the
rest does not, each group with a normal distribution of scores; the chance of a score is the local
true discovery rate. The parameters are not estimated but averaged over, on a grid, by how well each
point explains the scores (Bayes), so that a subject of which the library is full, one that a single
photo shows, and none at all are the same case.

What is known beforehand is what contrastive models are trained for: a score grows with the
logarithm of how much likelier a pair is than chance, so the rarer a subject, the further its
matches stand out.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from imgvecd.core.small_products import weighted_sum
from imgvecd.types import Float32Array, Float64Array

# All in units of the deviation that scores of images that do not match usually have, from the
# middle of the query's own scores. Fitted to subjects and captions of photos that the model did not
# know (benchmarks/relevance); they are free of the model's own scale.
_EDGES = np.linspace(-4.0, 12.0, 81)
_MIDDLES = (_EDGES[:-1] + _EDGES[1:]) / 2
_CENTRES = np.array([-1.0, -0.7, -0.4, -0.2, 0.0, 0.15])  # of what does not match
_SPREADS = np.array([0.82, 0.91, 1.0, 1.09, 1.18])
_DISTANCES = np.array([0.9, 1.4, 1.9, 2.4, 2.9, 3.5, 4.2, 5.0, 6.0])  # of matches from there
_SHARES = np.geomspace(1e-7, 0.8, 25)
_MATCH_SPREAD = 1.1
_TAIL, _TAIL_SPREAD = 0.01, 1.6  # a normal distribution has too few that nearly match
_SPREAD_DEVIATION = 0.07
_CENTRE, _CENTRE_DEVIATION = -0.1, 0.28
# A match stands out by so much, and so much for each natural logarithm of its rarity.
_NEAREST, _PER_RARITY, _FURTHEST, _DISTANCE_DEVIATION = 1.6, 0.75, 5.2, 0.75
# Most subjects are rare, and a library falls into groups for any query: a share s of matches has
# the prior density (1 - s) · s^-0.2 for each natural logarithm of it.
_RARENESS = 0.2
_RISE = 1e-9  # a bin: what is level has an inverse, too
_LEAST_MATCHES = 0.3  # in a library; fewer are none
# Scores are no independent draws: photos of one library resemble each other.
_INDEPENDENT = 200


@dataclass(frozen=True, slots=True)
class Null:
    """What scores of ordinary queries are like in a library.

    Attributes:
        centre, centre_deviation: of their medians.
        spread: mean deviation of the scores below each median.
    """

    centre: float
    centre_deviation: float
    spread: float

    @classmethod
    def of(cls, scores: Float32Array) -> Null:
        """Return it for scores, shape (ordinary queries, images)."""
        middles, spreads = middles_and_spreads(scores)
        return cls(float(middles.mean()), float(middles.std()), max(float(spreads.mean()), 1e-6))


def middles_and_spreads(scores: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return (medians, mean deviations of what is below them) of scores, for each row."""
    middles = np.median(scores, axis=1)
    below = np.minimum(scores - middles[:, None], 0)
    return middles, np.sqrt(2 * (below**2).mean(axis=1))


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely scores are matches: rising with the score.

    Attributes:
        scores, chances: points of the curve, ascending.
    """

    scores: Float64Array
    chances: Float64Array

    def chance(self, score: float) -> float:
        """Return the chance of a score, 0 to 1."""
        return float(np.interp(score, self.scores, self.chances))

    def score(self, chance: float) -> float:
        """Return the score that has a chance."""
        return float(np.interp(chance, self.chances, self.scores))


def chances(scores: Float32Array, null: Null, images: int) -> Chances:
    """Return how likely scores of one query are matches.

    Args:
        scores: of a sample of the library, shape (n,).
        images: in the library.
    """
    middle = float(np.median(scores))
    counts, _ = np.histogram(np.clip((scores - middle) / null.spread, -3.9, 11.9), _EDGES)
    grid = _grid()
    centre = np.float32((middle - null.centre) / null.spread - _CENTRE) + grid.centres
    deviation = np.float32(math.hypot(_CENTRE_DEVIATION, null.centre_deviation / null.spread))
    share = np.float32(min(1.0, _INDEPENDENT / len(scores)))
    log_weights = weighted_sum(grid.log_densities, counts.astype(np.float32) * share)
    log_weights += grid.log_prior - (centre / deviation) ** 2 / 2
    log_weights[grid.shares < _LEAST_MATCHES / images] = -np.inf
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    found = weighted_sum(grid.chances, weights)
    # far below the middle either group is too thin to tell
    low = int(np.searchsorted(_MIDDLES, -1.5))
    found[:low] = found[low]
    rising = np.maximum.accumulate(found.astype(np.float64)) + _RISE * np.arange(len(found))
    return Chances(middle + null.spread * _MIDDLES, rising)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Points of the parameters, n of them, against bins of scores.

    Attributes:
        log_densities: shape (bins, n).
        chances: shape (n, bins).
        shares, centres, log_prior: shape (n,).
    """

    log_densities: Float32Array
    chances: Float32Array
    shares: Float64Array
    centres: Float32Array
    log_prior: Float32Array


@functools.cache
def _grid() -> _Grid:
    axes = np.meshgrid(_SHARES, _CENTRES, _SPREADS, _DISTANCES, indexing="ij")
    shares, centres, spreads, distances = (axis.reshape(-1, 1) for axis in axes)
    rest = (1 - _TAIL) * _normal(centres, spreads)
    rest += _TAIL * _normal(centres, spreads * _TAIL_SPREAD)
    matches = shares * _normal(centres + distances, np.full_like(spreads, _MATCH_SPREAD))
    density = matches + (1 - shares) * rest
    expected = np.minimum(_NEAREST - _PER_RARITY * np.log(shares), _FURTHEST)
    log_prior = -((distances - expected) ** 2) / (2 * _DISTANCE_DEVIATION**2)
    log_prior += np.log1p(-shares) - _RARENESS * np.log(shares)
    log_prior -= (spreads - 1) ** 2 / (2 * _SPREAD_DEVIATION**2)
    return _Grid(
        np.log(density + 1e-30).T.astype(np.float32, order="C"),
        (matches / (density + 1e-30)).astype(np.float32),
        shares[:, 0],
        centres[:, 0].astype(np.float32),
        log_prior[:, 0].astype(np.float32),
    )


def _normal(mean: Float64Array, deviation: Float64Array) -> Float64Array:
    z = (_MIDDLES - mean) / deviation
    density: Float64Array = np.exp(-(z**2) / 2) / (deviation * math.sqrt(2 * math.pi))
    return density
