"""How much a cosine means: 0 to 1, comparable between queries, libraries and models.

A cosine of 0.3 is a perfect match for one model, query or library and nothing for another. So
relevance is the chance that an image was meant, by how its cosine stands out from those that the
same query gets all over this library, and from what *ordinary queries of the same shape* get in
it (`two_groups`); where all terms are texts, also by whether anything in the library fits them
(`best_scores`). It is told as a share of what a cosine of 1 gets: photos are so much alike that
none stands out from others as the match of a text does, and the very same picture would be a bad
match.

"Ordinary queries of the same shape" have the same terms with the same weights, but reference texts
in place of texts and random stored images in place of images.
"""

from __future__ import annotations

import bisect
import collections
import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.core.search.best_scores import ORDINARY, BestScores, Prior
from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.core.search.two_groups import Chances, Null, chances
from imgvecd.core.small_products import matrix_times
from imgvecd.types import Float32Array

FOUND = 0.22
"""Relevance from which a hit is "found".

Chosen on the curve of `benchmarks/relevance`, which docs/search.md shows: with a higher one more
queries without a match get an honest empty answer, and more subjects lose photos to "weaker".
"""

WEAKER_SHARE = 0.6
"""Of the library, best first, that is found or "weaker" where anything is found.

It has nine of ten photos of a subject. By relevance, the same nine would take more of the library:
a model ranks better than it judges.
"""

WEAKER = 0.05
"""Relevance from which a hit is "weaker" where nothing is found, within `_MOST_WEAKER`."""

_MOST_WEAKER = 0.25  # of the library: where nothing is found, more would help nobody

SMALLEST_LIBRARY = 30
"""With fewer images there is no distribution to speak of, and everything is shown."""

_REFERENCES = 256  # queries; the deviation of 256 × 512 pairs is exact to some percent
# Stored images: all are searched. Where a query has image terms, ordinary queries search half of
# them, and the others stand in for such terms. A subject that one photo in a hundred shows is among
# them ten times.
_SAMPLE = 1024
_LEAST_SAMPLE = 2  # one to be searched, one to stand in
_DRIFT = 0.1  # a library that has changed by this share is sampled anew, beside searches
_OUTGROWN = 0.5  # searches wait for the new sample of one that has changed by this share
_RENEWED = 8  # shapes that are measured in a new sample before anybody asks, the latest ones
_SHAPES = 64  # shapes of queries remembered
_SCALES = 256  # of queries, remembered: some 12 kB each

Shape = tuple[tuple[bool, float], ...]
"""(whether it is a text, its weight) for each term."""

TEXT: Shape = ((True, 1.0),)


@dataclass(frozen=True)
class Scale:
    """What cosines of one query mean in one library.

    Attributes:
        sample: cosines of a sample of the library, ascending.
    """

    chances: Chances
    sample: Float32Array

    def share_above(self, score: float) -> float:
        """Return the share of the library that has this cosine or more."""
        return 1 - bisect.bisect_left(self.sample, score, key=float) / len(self.sample)

    def _share_begins(self, share: float) -> float:
        """Return the cosine that this share of the library has, or more; -1 for all of it."""
        place = len(self.sample) - max(int(share * len(self.sample)), 1)
        return float(self.sample[place]) if place > 0 else -1.0

    @functools.cached_property
    def found(self) -> float:
        """Cosine from which a hit is "found"."""
        return self.score(FOUND)

    @functools.cached_property
    def weaker(self) -> float:
        """Cosine from which a hit is at least "weaker", as far as the sample shows the best."""
        return self.weaker_below(float(self.sample[-1]))

    def weaker_below(self, best: float) -> float:
        """Return the cosine from which a hit is at least "weaker" in a library with such a best.

        What few photos of a large library show may be found in it, and not in a sample.
        """
        if best >= self.found:
            return min(self.found, self._share_begins(WEAKER_SHARE))
        return max(self.score(WEAKER), self._share_begins(_MOST_WEAKER))

    @functools.cached_property
    def _best(self) -> float:
        """The chance of a cosine of 1."""
        return self.chances.chance(1.0)

    def relevance(self, score: float) -> float:
        """Return the relevance of a cosine, 0 to 1."""
        return min(self.chances.chance(score) / self._best, 1.0)

    def score(self, relevance: float) -> float:
        """Return the cosine that has this relevance; -1 if all have it."""
        if relevance <= self.relevance(-1.0):
            return -1.0
        return self.chances.score(relevance * self._best)


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What cosines of ordinary queries of one shape are like in one library.

    Attributes:
        deviation: of all of them.
        best_scores: None if a term is an image: the best match of one is itself.
    """

    null: Null
    deviation: float
    best_scores: BestScores | None


class _Sample:
    """Some stored images, and what was measured on them. Thread-safe.

    Args:
        rows: their vectors, shape (n, dim).
        images: in the library when they were drawn.
    """

    def __init__(self, rows: Float32Array, images: int) -> None:
        self.rows = rows
        self.images = images
        self._lock = threading.Lock()
        self._ordinary: collections.OrderedDict[Shape, Ordinary] = collections.OrderedDict()
        # of a function, not a method: a sample that is replaced is free at once
        self._remembered = functools.lru_cache(_SCALES)(functools.partial(_scale, rows, images))

    def ordinary(self, shape: Shape) -> Ordinary | None:
        """Return what ordinary queries of a shape get here, if it is remembered."""
        with self._lock:
            found = self._ordinary.get(shape)
            if found is not None:
                self._ordinary.move_to_end(shape)
            return found

    def latest_shapes(self) -> list[Shape]:
        """Return the shapes that were asked for last, the latest last."""
        with self._lock:
            return list(self._ordinary)[-_RENEWED:]

    def remember(self, shape: Shape, measured: Ordinary) -> None:
        """Remember it, in the place of a shape that nobody has asked for the longest."""
        with self._lock:
            self._ordinary[shape] = measured
            if len(self._ordinary) > _SHAPES:
                self._ordinary.popitem(last=False)

    def has_drifted(self, images: int, share: float) -> bool:
        """Return whether the library, of so many images now, has changed by more than a share."""
        return abs(images - self.images) > share * self.images

    def scale(self, vector: Float32Array, ordinary: Ordinary, prior: Prior) -> Scale:
        """Return the scale of a query by what ordinary ones of its shape get here.

        It is remembered: one photo more or less in the library is no reason for another one.
        """
        return self._remembered(vector.tobytes(), ordinary, prior)


def _scale(
    rows: Float32Array, images: int, vector: bytes, ordinary: Ordinary, prior: Prior
) -> Scale:
    scores = np.sort(matrix_times(rows, np.frombuffer(vector, np.float32)))
    curve = chances(scores, ordinary.null, images)
    if ordinary.best_scores is not None:
        curve = scaled_as_it_fits(curve, ordinary.best_scores, scores, images, prior)
    return Scale(curve, scores)


def scaled_as_it_fits(
    curve: Chances, ordinary: BestScores, sample: Float32Array, images: int, prior: Prior
) -> Chances:
    """Return the curve of a text, scaled as a whole by whether anything fits it.

    Its best image gets the mean (a geometric one) of its own chance and of that: so what stands out
    little is not hidden where the library has something for the text. A curve that hardly falls is
    raised by less: it tells nothing apart, and all would be found. An image that is better than the
    best to be expected is the best so far. Below the best, the curve falls the faster the fewer
    photos show what the text says.

    Args:
        sample: scores of a sample of the library, ascending.
    """
    top = float(sample[-1])
    place = bisect.bisect(curve.scores, top)
    scores = np.array([*curve.scores[:place], top, *curve.scores[place:]])
    own = np.array([*curve.chances[:place], curve.chance(top), *curve.chances[place:]])
    best = curve.chance(ordinary.of_all(top, images))
    fits = ordinary.fits(sample, scores, images, prior.even)
    factors = np.sqrt(fits / np.maximum(own, best))
    level = curve.chance(float(sample[len(sample) // 2])) / best
    factors[factors > 1] **= max(1 - level, 0.0)
    own *= factors
    own[:place] = own[place] * (own[:place] / own[place]) ** prior.fall
    return Chances(scores.tolist(), own.tolist())


class Relevance:
    """Scales for one model and library. Not thread-safe, but for what is known.

    Args:
        sample: returns vectors, shape (n, dim), of up to so many stored images, spread over all.
    """

    def __init__(self, sample: Callable[[int], Float32Array]) -> None:
        self._draw = sample
        self._sample: _Sample | None = None
        self._texts: Float32Array | None = None
        self._edition = 0

    @property
    def edition(self) -> int:
        """Changes whenever scales do although the library has not. Any thread may ask."""
        return self._edition

    @property
    def knows_texts(self) -> bool:
        """Whether `learn_texts` was called."""
        return self._texts is not None

    def learn_texts(self, vectors: Float32Array) -> None:
        """Take the embeddings of `REFERENCE_TEXTS`, in order."""
        order = np.random.default_rng(0).permutation(len(vectors))
        self._texts = vectors[order]
        self._edition += 1

    def scale(
        self, vector: Float32Array, shape: Shape, images: int, prior: Prior = ORDINARY
    ) -> Scale | None:
        """Return the scale of a query, shape (dim,), in a library of so many images.

        None where `ordinary` is.

        Args:
            prior: of its texts.
        """
        self.ordinary(shape, images)
        return self.known_scale(vector, shape, images, prior)[1]

    def known_scale(
        self, vector: Float32Array, shape: Shape, images: int, prior: Prior = ORDINARY
    ) -> tuple[bool, Scale | None]:
        """Return (whether it is known, what `scale` returns then), in half a millisecond or less.

        Any thread may ask, whatever is measured meanwhile.
        """
        if images < SMALLEST_LIBRARY:
            return True, None
        sample = self._usable(images)
        ordinary = None if sample is None else sample.ordinary(shape)
        if sample is None or ordinary is None:
            return False, None
        return True, sample.scale(vector, ordinary, prior)

    def known_ordinary(self, shape: Shape, images: int) -> Ordinary | None:
        """Return what `ordinary` does, if nothing has to be measured for it, else None."""
        sample = self._usable(images)
        return None if sample is None else sample.ordinary(shape)

    def _usable(self, images: int) -> _Sample | None:
        """Return the sample if it may stand for a library of so many images."""
        sample = self._sample
        if images < SMALLEST_LIBRARY or sample is None or sample.has_drifted(images, _OUTGROWN):
            return None
        return sample

    def is_due(self, images: int) -> bool:
        """Return whether `renew` would measure anything. Any thread may ask."""
        sample = self._usable(images)
        return sample is not None and sample.has_drifted(images, _DRIFT)

    def renew(self, images: int) -> None:
        """Sample a library anew that has changed, and measure what was asked for last.

        Until it is done, scales are those of the former sample.
        """
        former = self._usable(images)
        if former is None or not self.is_due(images):
            return
        sample = _Sample(self._draw(_SAMPLE), images)
        if len(sample.rows) >= _LEAST_SAMPLE:
            for shape in former.latest_shapes():
                sample.remember(shape, self._measure(shape, sample.rows))
            self._sample = sample
            self._edition += 1

    def ordinary(self, shape: Shape, images: int) -> Ordinary | None:
        """Return what ordinary queries of a shape get, in a library of so many images.

        None if the library is too small, hardly any of its embeddings can be read, or the shape has
        texts and their references are unknown.
        """
        texts_missing = self._texts is None and any(is_text for is_text, _ in shape)
        if images < SMALLEST_LIBRARY or texts_missing:
            return None
        sample = self._usable(images)
        if sample is None:
            sample = self._sample = _Sample(self._draw(_SAMPLE), images)
            self._edition += 1
        if len(sample.rows) < _LEAST_SAMPLE:
            self._sample = None
            return None
        measured = sample.ordinary(shape)
        if measured is None:
            measured = self._measure(shape, sample.rows)
            sample.remember(shape, measured)
        return measured

    def _measure(self, shape: Shape, sample: Float32Array) -> Ordinary:
        all_texts = all(is_text for is_text, _ in shape)
        stored, stand_ins = (sample, sample) if all_texts else (sample[::2], sample[1::2])
        queries = np.zeros((_REFERENCES, sample.shape[1]), np.float32)
        for i, (is_text, weight) in enumerate(shape):
            rows = self._texts if is_text and self._texts is not None else stand_ins
            # each term goes through its references at a step of its own, so that pairs differ
            picks = (np.arange(_REFERENCES) * (2 * i + 1) + i) % len(rows)
            queries += np.float32(weight) * rows[picks]
        queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.float32(1e-6))
        scores = queries @ stored.T
        best_scores = BestScores.of(scores) if all_texts else None
        return Ordinary(Null.of(scores), max(float(scores.std()), 1e-6), best_scores)


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
    "TEXT",
    "WEAKER",
    "WEAKER_SHARE",
    "Ordinary",
    "Relevance",
    "Scale",
    "Shape",
    "scaled_as_it_fits",
    "shape_of",
]
