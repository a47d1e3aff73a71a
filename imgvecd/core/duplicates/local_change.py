"""A place in which two pictures differ by far more than saving explains, compared with the rest.

Saving loses as much of each place as its structure and the quality say; what that is, `resaving`
tells block by block. A part that somebody made coarse, smoothed, filled, healed or cloned differs
by more, however little it shows: grass that lost its blades differs by less than a strong edge does
by being saved, but many times by what saving does to grass.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from imgvecd.core.duplicates.cosine_transform import BLOCK
from imgvecd.core.duplicates.detail import edges, means, unfiltered
from imgvecd.core.duplicates.resaving import steps
from imgvecd.types import Float32Array

_PLACE, _SMALL_PLACE = 3, 2  # blocks a side
_LEAST = 0.3  # squared grey levels: of rounding colours to whole levels, by both pictures
# Of the energy of edges, in pixels and in means of blocks: no filter resizes quite as another does.
_OF_EDGES, _OF_EDGES_IN_MEANS = 0.03, 0.003


class Excess(NamedTuple):
    """The most by which one place differs more than saving explains, relative to the median place.

    Attributes:
        luma, colour: ratios of energies; about 1 where all places differ alike.
        level: the same of the mean luma of smaller places, as faint letters move it.
    """

    luma: float = 1.0
    colour: float = 1.0
    level: float = 1.0

    @property
    def together(self) -> float:
        """All three at once, by the logarithms; colour, which is rounded most, counts half."""
        luma, colour, level = (max(each, 1.0) for each in self)
        return luma * math.sqrt(colour) * level


def excess(
    better: Float32Array, worse: Float32Array, saved: Float32Array, quality: int, *, resized: bool
) -> Excess:
    """Return where two pictures differ most, beside what saving does there.

    Args:
        better, worse: as `detail.planes` gives them.
        saved: the better one as `resaving.resaved` at the quality of the worse one.
        quality: libjpeg's, of the worse one.
        resized: the two were of different size, so one filter of the whole picture may lie between.
    """
    difference, lost = worse - better, saved - better
    # where nothing but the mean of a block is left, it may be rounded either way
    floor = _LEAST + (steps(quality)[0, 0] / BLOCK) ** 2 / 12
    allowed = _places(lost) + floor
    allowed_level = _levels(lost) + floor
    if resized:
        sharper = max(better, worse, key=lambda each: float((edges(each[..., 0]) ** 2).sum()))
        filtered = [unfiltered(difference[..., at], sharper[..., at]) for at in range(3)]
        difference = np.stack(filtered, axis=-1)
        fine = means(np.pad(edges(sharper[..., 0]), 1)[..., None] ** 2, BLOCK)
        allowed[..., 0] += _OF_EDGES * _squares(fine, _PLACE)[..., 0]
        allowed_level += _OF_EDGES_IN_MEANS * _squares(fine, _SMALL_PLACE)
    ratio = _two(_places(difference) + floor) / _two(allowed)
    level = (_levels(difference) + floor) / allowed_level
    return Excess(_most(ratio[..., 0]), _most(ratio[..., 1]), _most(level))


def _most(ratio: Float32Array) -> float:
    return float(ratio.max() / max(float(np.median(ratio)), 1.0))


def _two(planes: Float32Array) -> Float32Array:
    """Return luma, and the mean of both colour differences."""
    return np.stack([planes[..., 0], planes[..., 1:].mean(axis=-1)], axis=-1)


def _places(difference: Float32Array) -> Float32Array:
    """Return the mean squares of every square of blocks, those that overlap as well."""
    return _squares(means(difference**2, BLOCK), _PLACE)


def _levels(difference: Float32Array) -> Float32Array:
    """Return the mean squares of the mean luma of blocks, of every smaller square of them."""
    return _squares(means(difference[..., :1], BLOCK) ** 2, _SMALL_PLACE)


def _squares(blocks: Float32Array, size: int) -> Float32Array:
    """Return the means of every square of `size` blocks a side."""
    sums = np.pad(blocks, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    size = min(size, len(blocks))
    squares: Float32Array = (
        sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    ) / size**2
    return squares
