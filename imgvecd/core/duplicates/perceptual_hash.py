"""What duplicates are compared by: a look, 32 × 32 grey levels of the whole, upright picture.

Measured on 120 photos: two looks of one photo, re-encoded at quality 60, shrunk to a quarter,
rotated or mirrored, correlate at 0.999 and more; of 800 pairs of different photos the most alike,
in any orientation, at 0.85.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imgvecd.types import Float32Array, PreprocessSpec

Float64Array: TypeAlias = NDArray[np.float64]

VERSION = 1
"""Of the way looks are made; stored looks of another version are made anew."""

SIDE = 32
SPEC = PreprocessSpec(
    SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), interpolation="bilinear", resize_mode="squash"
)
"""How a decoder makes the pixels of a look."""

SAME_LOOK = 0.97
"""Least correlation of two looks that are worth comparing in detail: between the 0.999 and the 0.85
above. Looks alone tell no edit, no other text and no other colours apart.
"""

SAME_PART = 0.935
"""Least correlation of a crop with its place in the whole: 240 crops (60 % and 80 % of each side)
had a median of 0.97; of 1,016 pairs of different photos with near embeddings the most alike 0.926.
"""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 luma
_FLAT = 2.0  # standard deviation in grey levels, below which there is nothing to compare
_FREQUENCIES = 9  # the lowest ones, which survive any scaling
_ORIENTATIONS = 8
_BLOCK = 512  # looks whose signatures are computed together
# Sides of a crop relative to the whole; smaller parts of 32 pixels tell nothing.
_SCALES = np.arange(0.4, 1.0, 0.025)
_SMALLEST_PART = 8
# A crop has no more pixels than the place that it was cut from, give or take the steps above.
_MOST_ENLARGED = 1.1
# Of a part's pixels: below a quarter of the whole, unrelated photos fit somewhere (0.944 was seen).
_SMALLEST_AREA = SIDE * SIDE // 4


def of_pixels(pixels: bytes) -> bytes:
    """Return the look in `DecodedImage.pixels` made by `SPEC`: SIDE × SIDE grey levels."""
    rgb = np.frombuffer(pixels, np.uint8).reshape(-1, 3)
    grey: bytes = np.rint(rgb @ _GREY).astype(np.uint8).tobytes()
    return grey


def greys(hashes: list[bytes]) -> Float32Array:
    """Return looks as an array, shape (n, SIDE, SIDE)."""
    raw = b"".join(perceptual_hash[: SIDE * SIDE] for perceptual_hash in hashes)
    return np.frombuffer(raw, np.uint8).reshape(-1, SIDE, SIDE).astype(np.float32)


def signatures(grey: Float32Array) -> Float32Array:
    """Return unit vectors that are the same for all eight orientations of a picture.

    Rotating and mirroring a picture changes the signs of its cosine transform and swaps its axes;
    magnitudes made symmetric keep neither. A picture without contrast has the zero vector.

    Args:
        grey: shape (n, SIDE, SIDE).
    """
    place = np.arange(SIDE, dtype=np.float32) + 0.5
    waves = np.cos(np.pi * np.arange(_FREQUENCIES, dtype=np.float32)[:, None] * place / SIDE)
    spectrum = waves @ grey @ waves.T
    magnitudes = np.hypot(spectrum, spectrum.transpose(0, 2, 1))
    upper = np.triu_indices(_FREQUENCIES)
    vectors = np.log1p(magnitudes[:, upper[0], upper[1]][:, 1:])  # without the mean brightness
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    vectors[grey.std(axis=(1, 2)) < _FLAT] = 0
    return np.ascontiguousarray(vectors, np.float32)


def signatures_of(hashes: list[bytes]) -> Float32Array:
    """Return the signatures of looks, a block at a time: arrays of all of them take 13 KB each."""
    blocks = (hashes[start : start + _BLOCK] for start in range(0, len(hashes), _BLOCK))
    found = [signatures(greys(block)) for block in blocks]
    return np.concatenate(found) if found else signatures(greys([]))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two looks are.

    Attributes:
        upright: correlation as they are, -1 to 1.
        turned: the best of the seven other orientations.
        turn: which one that is, 1 to 7: the other transposed from 4 on, and then by so many
            quarters of a turn.
    """

    upright: float
    turned: float
    turn: int

    @property
    def best(self) -> tuple[float, int]:
        """Return the correlation in the best orientation, and that orientation; 0 is upright."""
        return (self.upright, 0) if self.upright >= self.turned else (self.turned, self.turn)


def compare(one: Float32Array, other: Float32Array) -> Likeness:
    """Return how alike two looks (shape (SIDE, SIDE)) are."""
    flat = _standardised(one).ravel()
    turned = [
        float(flat @ _standardised(np.rot90(face, turns)).ravel())
        for face in (other, other.T)
        for turns in range(4)
    ]
    best = max(range(1, _ORIENTATIONS), key=turned.__getitem__)
    return Likeness(turned[0], turned[best], best)


def part_of(
    whole: Float32Array, part: Float32Array, whole_size: tuple[int, int], part_size: tuple[int, int]
) -> float:
    """Return how well `part` fits its best place in `whole` as a crop of any scale, -1 to 1.

    Args:
        whole, part: looks, shape (SIDE, SIDE).
        whole_size, part_size: (width, height) of the pictures, which give the crop's proportions.
    """
    proportion = (whole_size[0] * part_size[1]) / (whole_size[1] * part_size[0])
    sizes = {
        (round(SIDE * scale * proportion), round(SIDE * scale))
        for scale in _SCALES
        if round(SIDE * scale * proportion) <= SIDE
        and part_size[0] <= _MOST_ENLARGED * scale * whole_size[0]
    }
    spectrum = np.fft.rfft2(whole, (2 * SIDE, 2 * SIDE))
    sums = _integral(whole), _integral(whole.astype(np.float64) ** 2)
    fits = [
        _best_place(spectrum, sums, _shrunk(part, *size))
        for size in sizes
        if min(size) >= _SMALLEST_PART and size[0] * size[1] >= _SMALLEST_AREA
    ]
    return max(fits, default=-1.0)


def _standardised(grey: Float32Array) -> Float32Array:
    centred = grey - grey.mean()
    norm = max(float(np.linalg.norm(centred)), _FLAT * SIDE)
    standardised: Float32Array = (centred / norm).astype(np.float32)
    return standardised


def _integral(grey: Float32Array | Float64Array) -> Float64Array:
    sums = np.cumsum(np.cumsum(grey, 0, dtype=np.float64), 1)
    return np.pad(sums, ((1, 0), (1, 0)))


def _shrunk(grey: Float32Array, height: int, width: int) -> Float32Array:
    """Return the area-averaged look of `height` × `width`."""
    return np.asarray(_averaging(height) @ grey @ _averaging(width).T, np.float32)


def _averaging(size: int) -> Float32Array:
    edges = np.arange(size + 1) * (SIDE / size)
    pixels = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    # each place averages SIDE / size pixels, some of them in part
    weights: Float32Array = (np.maximum(covered, 0) * (size / SIDE)).astype(np.float32)
    return weights


def _best_place(
    spectrum: NDArray[np.complex128],
    sums: tuple[Float64Array, ...],
    part: Float32Array,
) -> float:
    """Return the highest normalised cross-correlation of `part` over all places."""
    height, width = part.shape
    centred = part - part.mean()
    norm = float(np.linalg.norm(centred))
    flipped = np.fft.rfft2(centred[::-1, ::-1], (2 * SIDE, 2 * SIDE))
    crossed = np.fft.irfft2(spectrum * flipped, (2 * SIDE, 2 * SIDE))
    crossed = crossed[height - 1 : SIDE, width - 1 : SIDE]
    total, squared = (
        table[height:, width:] - table[:-height, width:] - table[height:, :-width]
        + table[:-height, :-width]
        for table in sums
    )  # fmt: skip
    spread = np.sqrt(np.maximum(squared - total * total / (height * width), 0))
    least = _FLAT * np.sqrt(height * width)
    fits = crossed / (np.maximum(spread, least) * max(norm, least))
    return float(fits.max())
