"""Whether anything in a library fits a text, by how its best scores stand beside ordinary ones.

What matches in a library is told from the rest by the shape of a query's scores (`two_groups`).
That shape knows no level: what is nearest to a text of what is not there stands out as well, all
the more the longer the text is. So the query's best score and its best fiftieth are compared with
what ordinary texts get in the same library, and, for less, the middle of its scores and how far
they spread: of a text whose scores spread far, the best one says less. All are in units of how much
ordinary texts differ in it: there is no constant of a model in them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.core.search.frequencies import rarity
from imgvecd.core.search.two_groups import middle_and_spread, middles_and_spreads
from imgvecd.core.search.vocabulary import is_known_anywhere
from imgvecd.core.search.words import UNSPACED, tokens
from imgvecd.types import Float32Array, Float64Array

_UPPER = 0.98  # quantile: what several images have, where the best is one image's
# A text is as likely as not to fit nothing whose best scores are so far from ordinary ones, as the
# sum of all deviations. In any library there is something that a long text says in part, so it has
# to stand higher. Chosen on the curve of `benchmarks/relevance`. Words that no language has are
# mostly no words ("zzzqqq"): with 2.5 more, 95 % of 83 such texts fit nothing, instead of 82.
_EVEN = -1.5
_EVEN_LONG = 0.25
_EVEN_UNKNOWN = 1.0
_SHAPE = 0.25  # what middle and spread count, beside the best scores: a logistic fit to the same
# Of how far, in logarithms, `FOUND` lies below the best relevance, that much is found: fitted to
# subjects in draws 0 to 5 of the same.
_SHARE, _PER_RARITY, _MIDDLE_RARITY = 1.0, 0.2, 5.4
_LEAST_SHARE, _MOST_SHARE = 0.3, 1.3
_LONG = 4  # words
_MOST_WORDS = 12  # of a query that are looked up: an unknown one takes a tenth of a millisecond
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_long(text: str) -> bool:
    """Return whether a text says so much that something of it is in any library.

    Scripts without blanks take about two characters for a word.
    """
    spaced, unspaced = _UNSPACED.subn(" ", text)
    return len(spaced.split()) + unspaced / 2 >= _LONG


@dataclass(frozen=True, slots=True)
class Prior:
    """What the texts of a query tell before any image is looked at.

    Attributes:
        even: the standing with which such a query is as likely as not to fit nothing.
        fall: power of how relevance falls from that of the best image: above 1 for what few photos
            show, below for what many do.
    """

    even: float = _EVEN
    fall: float = 1.0


ORDINARY = Prior()
"""Of a query of which nothing is known beforehand."""


def prior_of(texts: Sequence[str], *, english_only: bool) -> Prior:
    """Return what the texts of a query tell.

    Args:
        english_only: words that are in no list are no words; else they may be another language's.
    """
    if any(map(is_long, texts)):
        return Prior(_EVEN_LONG)
    words = [word for text in texts for word in tokens(text)]
    if len(words) > _MOST_WORDS:
        return ORDINARY
    if english_only and not any(map(is_known_anywhere, words)):
        return Prior(_EVEN_UNKNOWN)
    rare = rarity(texts[0]) if len(texts) == 1 else None
    return ORDINARY if rare is None else Prior(fall=_fall(rare))


def _fall(rare: float) -> float:
    share = _SHARE - _PER_RARITY * (rare - _MIDDLE_RARITY)
    return 1 / min(max(share, _LEAST_SHARE), _MOST_SHARE)


@dataclass(frozen=True, slots=True)
class BestScores:
    """What the best scores of ordinary texts are like in a sample of a library.

    Attributes:
        images: in the sample.
        centre: mean of all scores.
        best, best_deviation: of the best score of each text.
        upper, upper_deviation: of the score from which each text's best fiftieth begins.
        middle, middle_deviation, spread, spread_deviation: of `middles_and_spreads`.
    """

    images: int
    centre: float
    best: float
    best_deviation: float
    upper: float
    upper_deviation: float
    middle: float
    middle_deviation: float
    spread: float
    spread_deviation: float

    @classmethod
    def of(cls, scores: Float32Array) -> BestScores:
        """Return them for scores, shape (ordinary texts, images)."""
        images = scores.shape[1]
        place = _upper_place(images)
        upper = np.partition(scores, place, axis=1)[:, place]
        best = scores.max(axis=1)
        middles, spreads = middles_and_spreads(scores)
        measured = (best, upper, middles, spreads)
        return cls(images, float(scores.mean()), *(x for each in measured for x in _of(each)))

    def of_all(self, best: float, images: int) -> float:
        """Return what to expect of a library of so many images, if a sample's best score is so.

        The best of more images is better: by this much, if scores are normal.
        """
        growth = math.sqrt(math.log(max(images, 2)) / math.log(max(self.images, 2)))
        return best + max(growth - 1, 0.0) * max(best - self.centre, 0.0)

    def fits(
        self, sample: Float32Array, scores: Float64Array, images: int, even: float
    ) -> Float64Array:
        """Return how likely something fits a text, 0 to 1, if an image with each score is there.

        Args:
            sample: scores of the text in the same sample, ascending.
            scores: shape (n,); any.
            images: in the library.
            even: `Prior.even` of the text.
        """
        ordinary = self.of_all(self.best, images)
        best = (float(sample[-1]) - self.best) / self.best_deviation
        upper = float(sample[_upper_place(len(sample))])
        standing = np.maximum(best, (scores - ordinary) / self.best_deviation)
        standing += (upper - self.upper) / self.upper_deviation
        middle, spread = middle_and_spread(sample)
        standing += _SHAPE * (middle - self.middle) / self.middle_deviation
        standing -= _SHAPE * (spread - self.spread) / self.spread_deviation
        return np.asarray(1 / (1 + np.exp(-np.clip(standing - even, -60, 60))))


def _upper_place(images: int) -> int:
    return round(_UPPER * (images - 1))


def _of(scores: Float32Array) -> tuple[float, float]:
    return float(scores.mean()), max(float(scores.std()), 1e-6)
