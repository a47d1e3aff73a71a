"""A place in which two pictures differ by far more than saving explains, compared with the rest.

Saving loses as much of each place as its structure and the quality say; what that is, `resaving`
tells block by block. A part that somebody made coarse, smoothed, filled, healed or cloned differs
by more, however little it shows: grass that lost its blades differs by less than a strong edge does
by being saved, but many times by what saving does to grass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgvecd.core.duplicates.cosine_transform import BLOCK
from imgvecd.core.duplicates.detail import edges, means, unfiltered
from imgvecd.core.duplicates.resaving import steps
from imgvecd.types import Float32Array

_PLACE, _SMALL_PLACE, _WIDE_PLACE = 3, 2, 5  # blocks a side
_HALF = BLOCK // 2  # pixels a side of what strokes are looked for in, two by two
_LEAST = 0.3  # squared grey levels: of rounding colours to whole levels, by both pictures
# Of the energy of edges, in pixels and in means of blocks: no filter resizes quite as another does.
_OF_EDGES, _OF_EDGES_IN_MEANS, _OF_EDGES_IN_STROKES = 0.03, 0.003, 0.01
_STROKE = 3  # pixels


class Excess(NamedTuple):
    """The most by which one place differs more than saving explains, relative to the median place.

    Attributes:
        luma, colour: ratios of energies; about 1 where all places differ alike.
        level: the same of the mean luma of smaller places, as faint letters move it.
        wide: as `luma`, of larger places, among which there is less chance.
        strokes: of means of 3 × 3 pixels, within a block, wherever it lies: what saving loses is
            brighter here and darker there, and nearly gone from such means; what somebody wrote
            over a picture is all brighter, or all darker, along each line.
    """

    luma: float = 1.0
    colour: float = 1.0
    level: float = 1.0
    wide: float = 1.0
    strokes: float = 1.0

    @property
    def together(self) -> float:
        """Luma and strokes at once."""
        return max(self.luma, 1.0) * max(self.strokes, 1.0)

    def is_beyond(self, limits: Excess) -> bool:
        """Return whether one of these is more than its limit."""
        return any(each > limit for each, limit in zip(self, limits, strict=True))


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
    allowed_strokes = _strokes(lost[..., 0]) + floor / _STROKE
    if resized:
        sharper = max(better, worse, key=lambda each: float((edges(each[..., 0]) ** 2).sum()))
        filtered = [
            unfiltered(difference[..., at], sharper[..., at], stretched=True) for at in range(3)
        ]
        difference = np.stack(filtered, axis=-1)
        fine = np.pad(edges(sharper[..., 0]), 1)[..., None] ** 2
        allowed += means(fine, BLOCK) * [_OF_EDGES, 0, _OF_EDGES_IN_MEANS]
        allowed_strokes += means(fine, _HALF)[..., 0] * _OF_EDGES_IN_STROKES
    luma, colour, level = zip(
        (_energies(difference) + floor).transpose(2, 0, 1), allowed.transpose(2, 0, 1), strict=True
    )
    strokes = _strokes(difference[..., 0]) + floor / _STROKE
    return Excess(
        _most(*luma, _PLACE), _most(*colour, _PLACE), _most(*level, _SMALL_PLACE),
        _most(*luma, _WIDE_PLACE), _most_in_a_block(strokes, allowed_strokes),
    )  # fmt: skip


def _most(found: Float32Array, allowed: Float32Array, size: int) -> float:
    """Return by how much the place that differs most does so, beside the median one.

    Args:
        found, allowed: energies of blocks.
        size: blocks a side of a place.
    """
    ratio = _squares(found, size) / _squares(allowed, size)
    return float(ratio.max() / max(float(np.median(ratio)), 1.0))


def _most_in_a_block(found: Float32Array, allowed: Float32Array) -> float:
    """Return by how much the block that differs most does so, beside the median one.

    Args:
        found, allowed: energies of half blocks; what is allowed is that of two blocks by two.
    """
    ratio = _squares(found, 2) / np.pad(_squares(allowed, 4), 1, mode="edge")
    return float(ratio.max() / max(float(np.median(ratio)), 1.0))


def _strokes(luma: Float32Array) -> Float32Array:
    """Return by half block the mean squares of the means of 3 × 3 pixels."""
    smooth = np.pad(luma, 1, mode="edge")
    for _ in range(2):  # down, then across
        smooth = ((smooth[:-2] + smooth[1:-1] + smooth[2:]) / np.float32(_STROKE)).T
    squares: Float32Array = means(smooth[..., None] ** 2, _HALF)[..., 0]
    return squares


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
