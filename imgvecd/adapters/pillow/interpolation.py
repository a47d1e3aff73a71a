"""Whether a picture was enlarged, by the rhythm that interpolation leaves."""

from __future__ import annotations

import numpy as np

from imgvecd.types import Float32Array

# Bins are 1 / length apart. At the frequency that enlarging by 1.5 to 3 and saving at 60 to 95
# leaves, 48 photos had 4.6 times the strength beside it and more, as they were 3.0 times at the
# most.
_CLEAR = 4.0
_LEAST_LENGTH = 64
_STRONG_EDGE = 40.0  # grey levels
_MOST_PEAKS = 12
_GRID_BINS, _PEAK_BINS, _BESIDE_BINS, _SAME_BINS = 3, 4, 60, 2.5
# Differences within what was one pixel, relative to those beside it, of what was enlarged so many
# times: of 150 photos enlarged by two and saved at 80, 0.59 at the most, by four and at 90, 0.21;
# by two, taken for four, 0.31 and more. Photos had 0.85 and more, at 10 as well.
_REPEATED = {2: 0.7, 4: 0.28}
_LEAST_APART = 0.5  # grey levels, in the mean: of less, nothing is told
# Coherence of what mirrors, by sides of what is enlarged by 4, 3, 2, 1.6, 1.5, 1.4, 1.333 and 1.25,
# relative: the least where a picture is well saved, and where it is not, since JPEG's own grid
# looks alike there. 24 photos enlarged by two and sharpened had 0.45 and more in the weaker
# direction, saved at 60 0.52 and mostly 0.65; as they were 0.25 at the most, softened in 15 ways
# and saved at 92 0.38, at 60 0.6. Off the grid soft ones had 0.1 at the most; two enlarged by 1.4
# and saved at 90, 0.15 and 0.2.
_MIRRORED = {
    1 / 4: (0.5, 0.5),
    1 / 3: (0.12, 0.12),
    1 / 2: (0.42, 0.6),
    5 / 8: (0.34, 1.0),
    2 / 3: (0.12, 0.12),
    5 / 7: (0.12, 0.12),
    3 / 4: (0.5, 1.0),
    4 / 5: (0.12, 0.12),
}
_WELL_SAVED = 90
_LINE, _MOST_LINES = 96, 6144  # pixels of each
_NEAR = 12  # pairs of frequencies that tell, times the ratio
_CHANCE = 1.5  # of coherence, by the root of lines
_MOST_ALIKE = 40  # percent: patterns make single frequencies alike, up to half of them


def repeats(luma: Float32Array, quality: int) -> tuple[float, ...]:
    """Return the frequencies at which second differences repeat, across and down.

    Interpolated pixels are smoother than those that they were interpolated from, so a picture that
    was enlarged has a rhythm: Gallagher, Detection of linear and cubic interpolation in JPEG
    compressed images, 2005. JPEG's grid has its own, and coarse saving hides it: then `_mirrored`
    tells. What was enlarged by two or four without interpolation has every pixel so many times.

    Args:
        luma: shape (height, width), upright.
        quality: 1 to 100, that it was saved at as a JPEG, or shows.
    """
    across, down = _rhythm(luma), _rhythm(luma.T)
    found = [
        round(one, 4)
        for one, bin_width in across
        if any(abs(one - other) <= _SAME_BINS * max(bin_width, its) for other, its in down)
    ]
    apart = [_apart(each) for each in (luma, luma.T)]
    for times, most in _REPEATED.items():
        if max(_within(times, each) for each in apart) < most:
            found.append(1 / times)
    mirrored = np.sqrt(np.multiply(_mirrored(luma), _mirrored(luma.T)))
    for (ratio, least), each in zip(_MIRRORED.items(), mirrored.tolist(), strict=True):
        if each > least[quality < _WELL_SAVED]:
            found.append(round(min(ratio, 1 - ratio), 4))
    return tuple(found)


def _rhythm(luma: Float32Array) -> list[tuple[float, float]]:
    """Return (frequency, distance of frequencies that can be told apart) of the clear ones."""
    length = luma.shape[1] - 2
    if length < _LEAST_LENGTH:
        return []
    second = np.abs(2 * luma[:, 1:-1] - luma[:, :-2] - luma[:, 2:])
    # strong edges would drown what all of a column has in common
    profile = np.log1p(np.minimum(second, _STRONG_EDGE)).mean(axis=0)
    smooth = np.convolve(np.pad(profile, 4, mode="edge"), np.full(9, 1 / 9), "valid")
    strength = np.abs(np.fft.rfft((profile - smooth) * np.hanning(length)))
    bins = np.arange(len(strength))
    grid = length / 8
    off_grid = np.abs(bins - np.rint(bins / grid) * grid) > _GRID_BINS
    found = []
    for peak in np.argsort(-strength * off_grid)[:_MOST_PEAKS]:
        near = np.abs(bins - peak)
        beside = strength[off_grid & (near > _PEAK_BINS) & (near <= _BESIDE_BINS)]
        if off_grid[peak] and len(beside) and strength[peak] >= _CLEAR * np.median(beside):
            found.append((float(peak / length), 1 / length))
    return found


def _mirrored(luma: Float32Array) -> list[float]:
    """Return how much of the finest structure mirrors coarser one, 0 to 1, for each of `_MIRRORED`.

    Where only a larger picture can hold structure, interpolation leaves just faint images of what
    lies as far below the finest that the smaller one could hold, however it was sharpened: this is
    their coherence. In a photo, however soft, the two have nothing to do with each other.
    """
    rows, columns = luma.shape
    starts = np.arange(0, columns - _LINE + 1, _LINE // 2)
    if not len(starts):
        return [0.0] * len(_MIRRORED)
    count = rows * len(starts)
    lines = np.linspace(0, count - 1, min(_MOST_LINES, count)).astype(int)
    row, start = lines // len(starts), starts[lines % len(starts)]
    pixels = luma[row[:, None], start[:, None] + np.arange(_LINE)]
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) * np.hanning(_LINE + 1)[:_LINE]
    waves = np.fft.rfft(pixels, axis=1)
    # strong edges would drown the others
    waves /= np.sqrt((np.abs(waves[:, _LINE // 8 : _LINE // 2]) ** 2).mean(axis=1) + 1)[:, None]
    power = (np.abs(waves) ** 2).mean(axis=0)
    by_chance = _CHANCE / np.sqrt(len(waves))
    found = []
    for ratio in _MIRRORED:
        twice = round(_LINE * ratio)  # the finest that the smaller one could hold, times two
        above = (twice + 1) // 2 + np.arange(1, round(_NEAR * ratio) + 1)
        above = above[above < _LINE // 2]
        below = twice - above
        turned = np.exp(-2j * np.pi * ratio * start)  # to where the first line starts
        together = np.abs(turned @ (waves[:, above] * waves[:, below])) / len(waves)
        alone = np.sqrt(np.maximum(power[above] * power[below], 1e-9))
        found.append(max(0.0, float(np.percentile(together / alone, _MOST_ALIKE)) - by_chance))
    return found


def _apart(luma: Float32Array) -> Float32Array:
    """Return how much each column differs from the next one, but for strong edges."""
    apart: Float32Array = np.minimum(np.abs(np.diff(luma, axis=1)), _STRONG_EDGE).mean(axis=0)
    return apart


def _within(times: int, apart: Float32Array) -> float:
    """Return how much neighbours differ but for one in `times`, relative to that one."""
    places = np.arange(len(apart))
    inside = places % 8 < 7  # noqa: PLR2004  # of JPEG's blocks
    phases = [apart[inside & (places % times == phase)] for phase in range(times)]
    if not all(map(len, phases)):
        return 1.0
    means = np.array([phase.mean() for phase in phases])
    if means.max() < _LEAST_APART:
        return 1.0
    return float((means.sum() - means.max()) / (times - 1) / means.max())
