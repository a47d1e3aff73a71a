"""How likely an image was meant, of the scores that a query gets in a library.

The two-groups model (Efron, *Large-Scale Inference*, 2010): a share of the library matches and the
rest does not, each group with a normal distribution of scores; the chance of a score is the local
true discovery rate. The parameters are not estimated but averaged over, on a grid, by how well each
point explains the scores (Bayes), so that a subject of which the library is full, one that a single
photo shows, and none at all are the same case.

Each call of numpy that works on more than 500 numbers, or is one of its sorts, products or
interpolations of however few, lets go of the interpreter and has to wait until other threads give
it back. A search does all this, so there are few such calls here.

What is known beforehand is what contrastive models are trained for: a score grows with the
logarithm of how much likelier a pair is than chance, so the rarer a subject, the further its
matches stand out.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.core.small_products import matrix_times
from imgvecd.types import Float32Array, Float64Array

# All in units of the deviation that scores of images that do not match usually have, from the
# middle of the query's own scores. Fitted to subjects and captions of photos that the model did not
# know (benchmarks/relevance); they are free of the model's own scale.
_EDGES = np.linspace(-4.0, 12.0, 81)
_MIDDLES = (_EDGES[:-1] + _EDGES[1:]) / 2
_LOW = int(np.searchsorted(_MIDDLES, -1.5))  # below this bin either group is too thin to tell
_CENTRES = np.array([-1.0, -0.7, -0.4, -0.2, 0.0, 0.15])  # of what does not match
_SPREADS = np.array([0.82, 0.91, 1.0, 1.09, 1.18])
_DISTANCES = np.array([0.9, 1.4, 1.9, 2.4, 2.9, 3.5, 4.2, 5.0, 6.0])  # of matches from there
_SHARES = np.geomspace(1e-7, 0.8, 25).tolist()
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
# Of weights and chances in a sum: a processor takes fifty times as long for a number below 1e-38.
_LEAST_LOG_WEIGHT, _LEAST_CHANCE = np.float32(-60.0), 1e-10
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


def middle_and_spread(scores: Float32Array) -> tuple[float, float]:
    """Return the same of ascending scores, shape (n,)."""
    middle = _middle(scores)
    below = scores[: (len(scores) + 1) // 2] - np.float32(middle)
    return middle, math.sqrt(2 * float(below @ below) / len(scores))


def _middle(scores: Float32Array) -> float:
    """Return the median of ascending scores."""
    return float((scores[(len(scores) - 1) // 2] + scores[len(scores) // 2]) / 2)


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely scores are matches: rising with the score.

    Attributes:
        scores, chances: points of the curve, ascending.
    """

    scores: Sequence[float]
    chances: Sequence[float]

    def chance(self, score: float) -> float:
        """Return the chance of a score, 0 to 1."""
        return _interpolated(score, self.scores, self.chances)

    def score(self, chance: float) -> float:
        """Return the score that has a chance."""
        return _interpolated(chance, self.chances, self.scores)


def _interpolated(x: float, known: Sequence[float], values: Sequence[float]) -> float:
    """Return what `np.interp` does, for one number."""
    place = bisect.bisect_right(known, x)
    if place in (0, len(known)):
        return values[min(place, len(known) - 1)]
    before, value = known[place - 1], values[place - 1]
    return value + (x - before) * (values[place] - value) / (known[place] - before)


def chances(scores: Float32Array, null: Null, images: int) -> Chances:
    """Return how likely scores of one query are matches.

    Args:
        scores: of a sample of the library, shape (n,), ascending.
        images: in the library.
    """
    middle = _middle(scores)
    places = np.searchsorted(scores, middle + null.spread * _EDGES[1:-1])
    counts = np.diff(places, prepend=0, append=len(scores))
    grid = _grid()
    centre = (middle - null.centre) / null.spread - _CENTRE + _CENTRES
    deviation = math.hypot(_CENTRE_DEVIATION, null.centre_deviation / null.spread)
    share = min(1.0, _INDEPENDENT / len(scores))
    known = np.concatenate([counts * share, -((centre / deviation) ** 2) / 2, [1.0]])
    rarest = bisect.bisect_left(_SHARES, _LEAST_MATCHES / images) * grid.of_each_share
    weights = matrix_times(grid.log_likelihoods[rarest:], known.astype(np.float32))
    weights -= weights.max()
    weights = np.exp(np.maximum(weights, _LEAST_LOG_WEIGHT))
    *expected, total = matrix_times(grid.chances[:, rarest:], weights).tolist()
    found = [each / total for each in expected]
    rising = itertools.accumulate([found[_LOW]] * _LOW + found[_LOW:], max)
    curve = [chance + _RISE * number for number, chance in enumerate(rising)]
    return Chances((middle + null.spread * _MIDDLES).tolist(), curve)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Points of the parameters, n of them in the order of their shares.

    Attributes:
        log_likelihoods: shape (n, bins + centres + 1): times how many scores each bin has, how
            likely each centre is, and 1, the logarithm of how likely all that is.
        chances: shape (bins + 1, n); the last row is all ones, for the sum of the weights.
        of_each_share: so many points.
    """

    log_likelihoods: Float32Array
    chances: Float32Array
    of_each_share: int


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
    likelihoods = np.hstack([np.log(density + 1e-30), centres == _CENTRES, log_prior])
    chances_of_bins = np.maximum(matches / (density + 1e-30), _LEAST_CHANCE)
    chances_and_ones = np.hstack([chances_of_bins, np.ones_like(shares)])
    return _Grid(
        likelihoods.astype(np.float32),
        np.ascontiguousarray(chances_and_ones.T, np.float32),
        len(shares) // len(_SHARES),
    )


def _normal(mean: Float64Array, deviation: Float64Array) -> Float64Array:
    z = (_MIDDLES - mean) / deviation
    density: Float64Array = np.exp(-(z**2) / 2) / (deviation * math.sqrt(2 * math.pi))
    return density
