"""Two pictures compared in colour, block by block.

Saving a picture anew adds noise that is as likely brighter as darker, all over it. An edit moves
all of one tone the same way, or some blocks far more than the noise of the others explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgvecd.types import Float32Array

SIDE = 512
"""Pixels a side at most at which pictures are compared."""

LOOK_SIDE = 32
"""Pixels a side of what is kept of frames and pages beside the picture that is shown."""

MIRRORED = 4
"""From this orientation on, pictures are mirrored."""

_SMALL, _MEDIUM, _LARGE = 8, 16, 32  # pixels a side of a block
YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
"""ITU-R BT.601: luma, and the two colour differences, of red, green and blue."""

TO_RGB = np.linalg.inv(YCC.astype(np.float64)).astype(np.float32)
"""The way back."""

_ONE_TONE = np.array([16, 2, 2], np.float32)  # levels of luma and of colours that are one tone
_TONES = 1 << 12  # more than there are of each plane
_CERTAIN = 4  # blocks of one tone that count: more tell no more of it
_TERMS = 5  # of a change of tones: luma, its square, two colours, and a constant
_SYSTEMATIC = 0.03  # grey levels by which converting colours moves all of them
_TRUNCATED = 0.5  # grey levels by which a codec that does not round moves both colour differences
# What is lost by saving is cut off at black and at white: in pictures of strong contrast dark tones
# get brighter, bright ones darker. So blocks count for less that have pixels so many levels from
# there, more than that share, if as many others are left: grass in low sun left 0.135.
_NEAR_LIMIT, _FEW, _LEAST_FREE, _COUNTED_LESS = 16, 0.03, 0.1, 2.5
_STRONGEST = 98.0  # percentile of edges
_STRUCTURE = 4.0  # standard deviation in grey levels from which a block shows something
_ALIKE = 0.8  # correlation of blocks that show the same
_FLAT = 1.0  # standard deviation in grey levels below which a block shows nothing
_FEW_TONES = 4  # whole levels: on drawn pages they have nearly all that shows nothing


@dataclass(frozen=True, slots=True)
class Detail:
    """How two pictures differ, in grey levels of 255 where nothing else is said.

    Attributes:
        noise: median over small blocks of the deviation within them.
        tone, colour: what one global change of tones explains, of luma and of colour; as `shift`,
            of blocks without black and white, others count for less.
        shift: by how many standard errors the colour of all tones moved together.
        luma_small, luma, colour_block: the worst block's mean; the first of small blocks.
        spot: the worst small block's deviation of luma, root of the mean square, beyond what one
            filter of the whole picture explains, as resizing is one.
        edges: strength of the strongest edges of the sharper picture in the other one, relative.
        sharpened: strength of the strongest edges of the other in the sharper one, likewise.
        strength: in grey levels, that the strongest edges of the sharper one have at the least.
        grain: as `strength`, of the median edge instead of the strongest ones.
        fine: energy of the finest structure in the other, relative to the sharper one.
        alike: share of blocks with structure in which that is the same.
        flat: share of small blocks without structure and in one of a few tones, as paper and
            screens have them and skies do not, in the picture that has fewer.
        untouched: share of small blocks with structure that are the same to the last bit.
        second_sharper: the second picture given is the one with stronger edges.
    """

    noise: float
    tone: float
    colour: float
    shift: float
    luma_small: float
    luma: float
    colour_block: float
    spot: float
    edges: float
    sharpened: float
    strength: float
    grain: float
    fine: float
    alike: float
    flat: float
    untouched: float
    second_sharper: bool


def side_for(*sizes: tuple[int, int]) -> int:
    """Return at how many pixels a side pictures of these sizes are compared."""
    least = min(SIDE, *(min(size) for size in sizes))
    return max(least // _LARGE * _LARGE, _LARGE)


def compare(first: Float32Array, second: Float32Array) -> Detail:
    """Return how two pictures differ, in either order, each as `planes` gives it."""
    found = edges(first[..., 0]), edges(second[..., 0])
    second_sharper = bool((found[0] ** 2).sum() < (found[1] ** 2).sum())
    if second_sharper:
        first, second, found = second, first, found[::-1]
    difference = second - first
    mean_of = {size: means(difference, size) for size in (_SMALL, _MEDIUM)}
    worst = {size: np.abs(mean).max(axis=(0, 1)) for size, mean in mean_of.items()}
    tones = means(first, _MEDIUM).reshape(-1, 3)
    change = mean_of[_MEDIUM].reshape(-1, 3)
    squares = means(difference[..., :1] ** 2, _SMALL)[..., 0]
    empty = [_shows_nothing(each[..., 0]) for each in (first, second)]
    free = _free_of_limits(first)
    explained, shift = _moved(tones, change)
    if free.mean() >= _LEAST_FREE:
        of_free, shift_of_free = _moved(tones[free], change[free])
        explained = np.minimum(explained, np.maximum(of_free, explained / _COUNTED_LESS))
        shift = min(shift, max(shift_of_free, shift / _COUNTED_LESS))
    common = found[0] * found[1]
    strengths = [float(np.percentile(np.abs(each), _STRONGEST)) for each in found]
    strong = [np.abs(each) >= least for each, least in zip(found, strengths, strict=True)]
    return Detail(
        noise=float(np.median(np.sqrt(np.maximum(squares - mean_of[_SMALL][..., 0] ** 2, 0)))),
        tone=float(explained[0]),
        colour=float(explained[1:].max()),
        shift=shift,
        luma_small=float(worst[_SMALL][0]),
        luma=float(worst[_MEDIUM][0]),
        colour_block=float(worst[_MEDIUM][1:].max()),
        spot=_spot(difference[..., 0], first[..., 0]),
        edges=_ratio(common[strong[0]].sum(), (found[0] ** 2)[strong[0]].sum()),
        sharpened=_ratio(common[strong[1]].sum(), (found[1] ** 2)[strong[1]].sum()),
        strength=strengths[0],
        grain=float(np.median(np.abs(found[0]))),
        fine=_ratio((found[1] ** 2).sum(), (found[0] ** 2).sum()),
        alike=_alike(first[..., 0], second[..., 0]),
        flat=min(
            _of_few_tones(each[..., 0], blocks)
            for each, blocks in zip((first, second), empty, strict=True)
        ),
        untouched=_untouched(difference, ~empty[0]),
        second_sharper=second_sharper,
    )


def shrunk(pixels: bytes, side: int, to: int) -> bytes:
    """Return a picture of `side` pixels a side at `to` pixels a side, each the mean of an area.

    Args:
        pixels: RGB, side × side × 3 bytes.
    """
    if side == to:
        return pixels
    edges = np.arange(to + 1) * (side / to)
    places = np.arange(side)
    covered = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    weights = (np.maximum(covered, 0) * (to / side)).astype(np.float32)
    rgb = np.frombuffer(pixels, np.uint8).reshape(side, side, 3).astype(np.float32)
    small = np.einsum("ij,jkc,lk->ilc", weights, rgb, weights, optimize=True)
    shrunk: bytes = np.rint(small).astype(np.uint8).tobytes()
    return shrunk


def turned(pixels: bytes, side: int, turn: int) -> bytes:
    """Return a square picture in one of the eight orientations; from 4 on it is mirrored.

    Args:
        turn: transposed from 4 on, and then by so many quarters of a turn.
    """
    if turn == 0:
        return pixels
    rows = np.frombuffer(pixels, np.uint8).reshape(side, side, -1)
    if turn >= MIRRORED:
        rows = rows.transpose(1, 0, 2)
    return np.rot90(rows, turn % MIRRORED).tobytes()


def planes(pixels: bytes, side: int) -> Float32Array:
    """Return luma and two colour differences, shape (side, side, 3), of RGB pixels."""
    rgb = np.frombuffer(pixels, np.uint8).astype(np.float32).reshape(-1, 3)
    found: Float32Array = (rgb @ YCC.T).reshape(side, side, 3)
    return found


def means(planes: Float32Array, size: int) -> Float32Array:
    """Return the means of blocks of `size` pixels a side, shape (blocks, blocks, planes)."""
    count = len(planes) // size
    # a whole row of pixels at a time first: numpy is slow at sums of a few numbers
    rows = planes.reshape(count, size, -1).sum(axis=1)
    found: Float32Array = rows.reshape(count, count, size, -1).sum(axis=2) / size**2
    return found


def _free_of_limits(planes: Float32Array) -> NDArray[np.bool_]:
    """Return which medium blocks have next to no pixels that are black or white in any channel."""
    red, green, blue = TO_RGB @ planes.reshape(-1, 3).T
    darkest = np.minimum(np.minimum(red, green), blue)
    brightest = np.maximum(np.maximum(red, green), blue)
    near = (darkest < _NEAR_LIMIT) | (brightest > 255 - _NEAR_LIMIT)
    share = means(near.reshape(*planes.shape[:2], 1).astype(np.float32), _MEDIUM)
    return share.ravel() < _FEW


def _moved(tones: Float32Array, change: Float32Array) -> tuple[Float32Array, float]:
    """Return by how many levels all tones moved together, and `Detail.shift`."""
    return _size(_explained(tones, change)), _shift(tones, change)


def _explained(
    tones: Float32Array, change: Float32Array, weights: Float32Array | None = None
) -> Float32Array:
    """Return the change that is a function of the tone: of luma and both colour differences."""
    given = _terms(tones)
    weighted = np.ones((len(tones), 1)) if weights is None else np.sqrt(weights)[:, None]
    fitted, *_ = np.linalg.lstsq(given * weighted, change * weighted, rcond=None)
    explained: Float32Array = np.asarray(given @ fitted, np.float32)
    return explained


def _terms(tones: Float32Array) -> Float32Array:
    return np.column_stack([tones, (tones[:, 0] / 128 - 1) ** 2 * 64, np.ones(len(tones))])


def _size(change: Float32Array, weights: Float32Array | None = None) -> Float32Array:
    size: Float32Array = np.sqrt(np.average(change**2, axis=0, weights=weights))
    return size


def _shift(tones: Float32Array, change: Float32Array) -> float:
    """Return by how many standard errors colours moved together, the more of the two planes.

    Saving rounds every tone its own way, however large a part of the picture has it: a sky may get
    bluer by a level while the next shade gets less so. So what counts is tones, not blocks.
    """
    luma, *colours = np.floor(tones / _ONE_TONE).astype(np.int64).T
    numbers = (luma * _TONES + colours[0]) * _TONES + colours[1]
    _, tone, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    free = len(counts) - _TERMS
    if free < _TERMS:
        return 0.0
    mean_tones, mean_change = (
        np.asarray(
            np.stack([np.bincount(tone.ravel(), plane) for plane in each.T], axis=1)
            / counts[:, None],
            np.float32,
        )
        for each in (tones, change)
    )
    weights = np.minimum(counts, _CERTAIN)
    together = _explained(mean_tones, mean_change, weights)
    apart = _size(mean_change - together, weights) * math.sqrt(len(counts) / free)
    error = apart * math.sqrt(_TERMS / len(counts)) + _SYSTEMATIC
    truncated = np.average(together[:, 1:].mean(axis=1), weights=weights)
    together -= np.clip(truncated, -_TRUNCATED, _TRUNCATED)
    return float((_size(together, weights) / error)[1:].max())


def _spot(difference: Float32Array, sharper: Float32Array) -> float:
    rest = unfiltered(difference, sharper)
    return math.sqrt(means(rest[..., None] ** 2, _SMALL).max())


def unfiltered(
    difference: Float32Array, plane: Float32Array, *, stretched: bool = False
) -> Float32Array:
    """Return what is left of a difference without what one filter of a plane explains of it.

    A filter of 5 × 5 pixels, the same to all sides: no program resizes quite as another does.

    Args:
        stretched: allow as well that what lies at the far rims is moved: half of an odd size is
            rounded up, and the last row or column only half there.
    """
    given = np.stack([(plane - each).ravel() for each in _neighbours(plane)])
    if stretched:
        far = np.linspace(0, 1, len(plane), dtype=np.float32)
        down, across = np.gradient(plane)
        given = np.vstack([given, (down * far[:, None]).ravel(), (across * far).ravel()])
    filtered, *_ = np.linalg.lstsq(given @ given.T, given @ difference.ravel(), rcond=None)
    rest: Float32Array = difference - (filtered @ given).reshape(difference.shape)
    return rest


def _neighbours(plane: Float32Array) -> list[Float32Array]:
    """Return the means of the pixels that lie as far across and as far down, up to two pixels."""
    found = [np.pad(plane, 2, mode="edge")]
    for _ in range(2):  # down, then across
        found = [_mean_of_two(each, far).T for each in found for far in range(3)]
    return found[1:]  # but for the pixel itself


def _mean_of_two(plane: Float32Array, far: int) -> Float32Array:
    """Return the means of what lies so many pixels up and down, without two rows at each rim."""
    rows = len(plane) - 2
    found: Float32Array = (plane[2 - far : rows - far] + plane[2 + far : rows + far]) / np.float32(
        2
    )
    return found


def edges(luma: Float32Array) -> Float32Array:
    """Return how much each pixel but those at the rim differs from the mean of its neighbours."""
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    found: Float32Array = np.asarray(inner - around / 4, dtype=np.float32)
    return found


def _alike(one: Float32Array, other: Float32Array) -> float:
    """Return the share of blocks with structure that show the same structure."""
    first, second = _centred(one), _centred(other)
    norms = np.sqrt((first**2).sum(axis=1)), np.sqrt((second**2).sum(axis=1))
    textured = np.maximum(*norms) > _STRUCTURE * _LARGE
    fits = (first * second).sum(axis=1) >= _ALIKE * norms[0] * norms[1]
    return _ratio(float((fits & textured).sum()), float(textured.sum()))


def _untouched(difference: Float32Array, structured: NDArray[np.bool_]) -> float:
    same = ~means(np.abs(difference), _SMALL).any(axis=-1, keepdims=True)
    return float((same & structured).sum() / max(structured.sum(), 1))


def _shows_nothing(luma: Float32Array) -> NDArray[np.bool_]:
    """Return which small blocks have no structure."""
    plane = luma[..., None]
    variance = means(plane**2, _SMALL) - means(plane, _SMALL) ** 2
    found: NDArray[np.bool_] = variance < _FLAT**2
    return found


def _of_few_tones(luma: Float32Array, empty: NDArray[np.bool_]) -> float:
    """Return the share of small blocks that show nothing in one of the commonest tones of these."""
    levels = np.rint(means(luma[..., None], _SMALL)[empty]).astype(np.int64)
    return float(np.sort(np.bincount(levels))[-_FEW_TONES:].sum() / empty.size)


def _centred(luma: Float32Array) -> Float32Array:
    """Return large blocks of a slightly smoothed picture, one a row, without their means."""
    smooth = means(luma[..., None], 2)[..., 0]
    size, count = _LARGE // 2, len(smooth) // (_LARGE // 2)
    blocks = smooth.reshape(count, size, count, size).transpose(0, 2, 1, 3).reshape(-1, size * size)
    centred: Float32Array = np.asarray(
        2 * (blocks - blocks.mean(axis=1, keepdims=True)), dtype=np.float32
    )
    return centred


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 1.0
