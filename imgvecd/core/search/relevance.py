"""How much a cosine means: 0 to 1, comparable between queries, libraries and models.

A cosine of 0.3 is a perfect match for one model, query or library and nothing for another. So it is
set against what *ordinary queries of the same shape* get in this very library: z is the number of
standard deviations by which it exceeds the mean of all pairs of such a query and a stored image.
The best of n unrelated images is expected at about sqrt(2 ln n), which is taken off: a large
library must come up with more than a small one. A logistic function makes a probability of the
rest. Its share of what a cosine of 1 gets is the relevance: photos are so much alike that none
stands out from others as the match of a text does, and without this the very same picture would be
a bad match, in a large library none at all.

"Ordinary queries of the same shape" have the same terms with the same weights, but reference texts
in place of texts and random stored images in place of images.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.types import Float32Array

FOUND, WEAKER = 0.33, 0.1
"""Relevance from which a hit is in these bands."""

_NEVER, _SURE = 1e-6, 1 - 1e-6  # where the logistic function has ends

SMALLEST_LIBRARY = 30
"""With fewer images there is no distribution to speak of, and everything is shown."""

# Logistic regression over 4,028 queries (words, captions, photos, combinations; with and without a
# match in libraries of 30 to 400 photos of Flickr8k) with imgvecd-mini: benchmarks/relevance
_SLOPE, _OFFSET = 1.06, -0.47
_REFERENCES = 256  # queries; the deviation of 256 × 256 pairs is exact to some percent
_SAMPLE = 512  # stored images: half are searched, half stand in for image terms
_LEAST_SAMPLE = 2  # one to be searched, one to stand in
_DRIFT = 0.1  # a library that has changed by this share is sampled anew
_SHAPES = 64  # shapes of queries remembered

Shape = tuple[tuple[bool, float], ...]
"""(whether it is a text, its weight) for each term."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What cosines of queries of one shape mean in one library."""

    mean: float
    deviation: float
    images: int

    def relevance(self, score: float) -> float:
        """Return the relevance of a cosine, 0 to 1."""
        return min(self._chance(score) / self._chance(1.0), 1.0)

    @property
    def found(self) -> float:
        """Cosine from which a hit is "found"."""
        return self.score(FOUND)

    @property
    def weaker(self) -> float:
        """Cosine from which a hit is at least "weaker"."""
        return self.score(WEAKER)

    def score(self, relevance: float) -> float:
        """Return the cosine that has this relevance."""
        chance = min(max(relevance, _NEVER), _SURE) * self._chance(1.0)
        excess = (math.log(chance / (1 - chance)) - _OFFSET) / _SLOPE
        return self.mean + self.deviation * (excess + math.sqrt(2 * math.log(self.images)))

    def _chance(self, score: float) -> float:
        z = (score - self.mean) / self.deviation
        excess = z - math.sqrt(2 * math.log(self.images))
        return 1 / (1 + math.exp(-(_SLOPE * excess + _OFFSET)))


class Relevance:
    """Scales for one model and library. Not thread-safe.

    Args:
        sample: returns vectors, shape (n, dim), of up to so many stored images, spread over all.
    """

    def __init__(self, sample: Callable[[int], Float32Array]) -> None:
        self._draw = sample
        self._sample: Float32Array | None = None
        self._sampled_at = 0
        self._texts: Float32Array | None = None
        self._scales: collections.OrderedDict[Shape, Scale] = collections.OrderedDict()

    @property
    def knows_texts(self) -> bool:
        """Whether `learn_texts` was called."""
        return self._texts is not None

    def learn_texts(self, vectors: Float32Array) -> None:
        """Take the embeddings of `REFERENCE_TEXTS`, in order."""
        order = np.random.default_rng(0).permutation(len(vectors))
        self._texts = vectors[order]

    def scale(self, shape: Shape, images: int) -> Scale | None:
        """Return the scale for queries of a shape, in a library of so many images.

        None if the library is too small, hardly any of its embeddings can be read, or the shape has
        texts and their references are unknown.
        """
        texts_missing = self._texts is None and any(is_text for is_text, _ in shape)
        if images < SMALLEST_LIBRARY or texts_missing:
            return None
        if self._sample is None or abs(images - self._sampled_at) > _DRIFT * self._sampled_at:
            self._sample, self._sampled_at = self._draw(_SAMPLE), images
            self._scales.clear()
        if len(self._sample) < _LEAST_SAMPLE:
            self._sample = None
            return None
        scale = self._scales.get(shape)
        if scale is None:
            scale = self._scales[shape] = self._measure(shape, self._sample, images)
            if len(self._scales) > _SHAPES:
                self._scales.popitem(last=False)
        return scale

    def _measure(self, shape: Shape, sample: Float32Array, images: int) -> Scale:
        stored, stand_ins = sample[::2], sample[1::2]
        queries = np.zeros((_REFERENCES, sample.shape[1]), np.float32)
        for i, (is_text, weight) in enumerate(shape):
            rows = self._texts if is_text and self._texts is not None else stand_ins
            # each term goes through its references at a step of its own, so that pairs differ
            picks = (np.arange(_REFERENCES) * (2 * i + 1) + i) % len(rows)
            queries += np.float32(weight) * rows[picks]
        queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.float32(1e-6))
        scores = queries @ stored.T
        return Scale(float(scores.mean()), max(float(scores.std()), 1e-6), images)


def shape_of(terms: Sequence[tuple[bool, float]]) -> Shape:
    """Return the shape of a query: the order of its terms and the size of its weights are naught.

    Args:
        terms: (whether it is a text, its weight).
    """
    largest = max(abs(weight) for _, weight in terms) or 1.0
    return tuple(sorted((is_text, round(weight / largest, 3)) for is_text, weight in terms))


__all__ = [
    "FOUND",
    "REFERENCE_TEXTS",
    "SMALLEST_LIBRARY",
    "WEAKER",
    "Relevance",
    "Scale",
    "shape_of",
]
