"""What saving a picture as a JPEG does to it: what an honest copy may differ by.

Works at the size at which pictures are compared, so it costs milliseconds and no file.
"""

from __future__ import annotations

import numpy as np

from imgvecd.core.duplicates.cosine_transform import BLOCK, WAVES
from imgvecd.core.duplicates.detail import TO_RGB, YCC
from imgvecd.types import Float32Array

_MOST_SIDE = 1024  # pixels that a copy is taken to have at most: more only leave less noise
_WORTH_SCALING = 1.25  # below that, the grid of blocks counts for more than their size
# ITU-T T.81, Annex K: steps for quality 50.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)  # fmt: skip
_CHROMINANCE = np.full((BLOCK, BLOCK), 99, np.float32)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def resaved(
    planes: Float32Array, size: tuple[int, int], quality: int, *, sideways: bool = False
) -> Float32Array:
    """Return a picture after it was saved, with colour at half the resolution, and read again.

    Args:
        planes: luma and two colour differences, shape (side, side, 3), a side of whole blocks.
        size: pixels that the copy has, (width, height).
        quality: libjpeg's, 1 to 100.
        sideways: it is saved turned by a quarter; steps are not the same down as across.
    """
    if sideways:
        turned = resaved(planes.transpose(1, 0, 2), (size[1], size[0]), quality)
        return turned.transpose(1, 0, 2)
    side = len(planes)
    height, width = (_file_side(side, each) for each in (size[1], size[0]))
    rows, columns = _widening(side, height), _widening(side, width)
    large = planes
    if rows is not None:
        large = np.einsum("ij,jkc->ikc", rows, large, optimize=True)
    if columns is not None:
        large = np.einsum("lk,ikc->ilc", columns, large, optimize=True)
    lost = np.empty_like(large)
    luma = np.asarray(large[..., 0] - 128, np.float32)
    lost[..., 0] = _quantised(luma, steps(quality)) - luma
    coarser = _at_quality(_CHROMINANCE, quality)
    for channel in (1, 2):
        plane = large[..., channel]
        pairs = plane[0::2] + plane[1::2]
        half = np.asarray((pairs[:, 0::2] + pairs[:, 1::2]) / 4, np.float32)
        coarse = _quantised(half, coarser).repeat(2, axis=0).repeat(2, axis=1)
        lost[..., channel] = coarse - plane
    if rows is not None:
        lost = np.einsum("ij,jkc->ikc", _narrowing(height, side), lost, optimize=True)
    if columns is not None:
        lost = np.einsum("lk,ikc->ilc", _narrowing(width, side), lost, optimize=True)
    return _shown(np.asarray(planes + lost, np.float32))


def steps(quality: int) -> Float32Array:
    """Return libjpeg's steps of brightness at a quality, shape (BLOCK, BLOCK)."""
    return _at_quality(_LUMINANCE, quality)


def colour_rounding(quality: int) -> float:
    """Return the grey levels to whose multiples libjpeg rounds the mean colour of a block."""
    return float(_at_quality(_CHROMINANCE, quality)[0, 0]) / BLOCK


def _shown(planes: Float32Array) -> Float32Array:
    """Return a picture as far as it can be shown: red, green and blue are cut at their limits.

    In pictures of strong colours that moves all of a colour one way.
    """
    rgb = np.clip(planes.reshape(-1, 3) @ TO_RGB.T, 0, 255)
    shown: Float32Array = (rgb @ YCC.T).reshape(planes.shape)
    return shown


def _file_side(side: int, size: int) -> int:
    """Return pixels a side of the copy, a multiple of two blocks; `side` where that is about it."""
    wanted = min(size, _MOST_SIDE)
    return side if wanted < _WORTH_SCALING * side else wanted // (2 * BLOCK) * 2 * BLOCK


def _at_quality(table: Float32Array, quality: int) -> Float32Array:
    scale = (5000 / quality if quality < 50 else 200 - 2 * quality) / 100  # noqa: PLR2004  # libjpeg's
    return np.asarray(np.clip(np.floor(table * scale + 0.5), 1, 255), np.float32)


def _quantised(plane: Float32Array, steps: Float32Array) -> Float32Array:
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    blocks = plane.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    coarse = np.rint(WAVES @ blocks @ WAVES.T / steps) * steps
    back = (WAVES.T @ coarse @ WAVES).transpose(0, 2, 1, 3).reshape(plane.shape)
    return np.asarray(back, np.float32)


def _widening(side: int, to: int) -> Float32Array | None:
    """Return weights that interpolate `to` pixels of `side`."""
    if side == to:
        return None
    place = np.clip((np.arange(to) + 0.5) * side / to - 0.5, 0, side - 1)
    weights = np.maximum(1 - np.abs(place[:, None] - np.arange(side)), 0)
    return np.asarray(weights, np.float32)


def _narrowing(side: int, to: int) -> Float32Array:
    """Return weights that average `side` pixels to `to`."""
    edges = np.arange(to + 1) * (side / to)
    places = np.arange(side)
    covered = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    return np.asarray(np.maximum(covered, 0) * (to / side), np.float32)
