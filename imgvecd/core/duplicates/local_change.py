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

_PLACE, _SMALL_PLACE, _WIDE_PLACE = 3, 2, 5  # blocks a side
_LEAST = 0.3  # squared grey levels: of rounding colours to whole levels, by both pictures
# Of the energy of edges, in pixels and in means of blocks: no filter resizes quite as another does.
_OF_EDGES, _OF_EDGES_IN_MEANS = 0.03, 0.003


class Excess(NamedTuple):
    """The most by which one place differs more than saving explains, relative to the median place.

    Attributes:
        luma, colour: ratios of energies; about 1 where all places differ alike.
        level: the same of the mean luma of smaller places, as faint letters move it.
        wide: as `luma`, of larger places, among which there is less chance.
    """

    luma: float = 1.0
    colour: float = 1.0
    level: float = 1.0
    wide: float = 1.0

    @property
    def together(self) -> float:
        """All but `wide` at once, by the logarithms; colour, which is rounded most, counts half."""
        luma, colour, level = (max(each, 1.0) for each in self[:3])
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
    allowed = _energies(lost) + floor
    if resized:
        sharper = max(better, worse, key=lambda each: float((edges(each[..., 0]) ** 2).sum()))
        filtered = [
            unfiltered(difference[..., at], sharper[..., at], stretched=True) for at in range(3)
        ]
        difference = np.stack(filtered, axis=-1)
        fine = means(np.pad(edges(sharper[..., 0]), 1)[..., None] ** 2, BLOCK)
        allowed += fine * [_OF_EDGES, 0, _OF_EDGES_IN_MEANS]
    luma, colour, level = zip(
        (_energies(difference) + floor).transpose(2, 0, 1), allowed.transpose(2, 0, 1), strict=True
    )
    return Excess(
        _most(*luma, _PLACE), _most(*colour, _PLACE), _most(*level, _SMALL_PLACE),
        _most(*luma, _WIDE_PLACE),
    )  # fmt: skip


def _most(found: Float32Array, allowed: Float32Array, size: int) -> float:
    """Return by how much the place that differs most does so, beside the median one.

    Args:
        found, allowed: energies of blocks.
        size: blocks a side of a place.
    """
    ratio = _squares(found, size) / _squares(allowed, size)
    return float(ratio.max() / max(float(np.median(ratio)), 1.0))


def _energies(difference: Float32Array) -> Float32Array:
    """Return by block the mean squares of luma and of both colours, and the square of mean luma."""
    squares, mean = means(difference**2, BLOCK), means(difference[..., :1], BLOCK)[..., 0]
    colours = squares[..., 1:].mean(axis=-1)
    return np.stack([squares[..., 0], colours, mean**2], axis=-1)


def _squares(blocks: Float32Array, size: int) -> Float32Array:
    """Return the means of every square of `size` blocks a side, those that overlap as well."""
    sums = np.pad(blocks, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    size = min(size, len(blocks))
    squares: Float32Array = (
        sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    ) / size**2
    return squares
