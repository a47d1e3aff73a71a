"""How good a picture is as a copy: what its file says of that, and what its pixels show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from imgvecd.types import Float32Array

_Pixel = TypeVar("_Pixel", bound=np.generic)

# Sum of the luminance table of ITU-T T.81, Annex K, which libjpeg takes for quality 50.
_TABLE_SUM = 3688
# Entries of that table that the first steps of quantisation are told from, by (row, column).
_STEPS = {(0, 1): 11, (1, 0): 12, (1, 1): 12, (0, 2): 10, (2, 0): 14}
_LARGEST_STEP = 80
_SMALLEST_STEP = 4  # what rounding to whole grey levels leaves visible
_COMB = 0.6  # mean cosine of coefficients that lie at multiples of a step; 0 where they do not
_FEWEST = 60  # coefficients that tell
_MOST_BLOCKS, _HARSH_BLOCKS = 4096, 16_384
_NONE = 100  # quality of what remembers nothing
_WHITE, _MOSTLY = 255, 0.9
_SAMPLED = 96
_BLOCK = 8  # pixels a side, of JPEG
_STRENGTHS = ((1, 1), (2, 4), (5, 6), (7, 9), (10, 14))
_TILE = 256  # pixels a side
_BANDS = 24
_LOSSLESS = {"PNG", "BMP", "TIFF", "PPM"}


def declared(image: Image.Image, size_bytes: int, prefix: bytes) -> tuple[int, bool]:
    """Return (quality of 100 that the file was saved at, as far as it can be told, lossless)."""
    tables = getattr(image, "quantization", None)
    if tables:
        return quality_of(sum(tables[min(tables)]) / _TABLE_SUM), False
    form = image.format or ""
    if (form in _LOSSLESS and image.info.get("compression") != "jpeg") or (
        form == "WEBP" and b"VP8L" in prefix
    ):
        return 100, True
    bits = 8 * size_bytes / max(1, image.width * image.height)
    return round(100 - 60 * 2 ** (-1.5 * bits)), False


def depth(image: Image.Image, prefix: bytes) -> int:
    """Return how many bits each channel has in the file."""
    if image.format == "PNG" and prefix[12:16] == b"IHDR":
        return max(8, prefix[24])
    bits = image.info.get("bit_depth", 16 if image.mode.startswith("I") else 8)
    return bits if isinstance(bits, int) else 8


def is_full_colour(image: Image.Image) -> bool:
    """Return whether a JPEG keeps colour at the resolution of brightness; other formats: True."""
    if not hasattr(image, "layer") or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return True
    return JpegImagePlugin.get_sampling(image) in {0, -1}


def quality_of(scale: float) -> int:
    """Return libjpeg's quality for tables that are `scale` times those of quality 50."""
    quality = 100 - 50 * scale if scale <= 1 else 50 / scale
    return max(1, min(100, round(quality)))


def remembered(luma: Float32Array, stored: Image.Image) -> int:
    """Return the JPEG quality that the pixels remember: 100 where they remember none.

    Coefficients of 8 × 8 blocks lie at multiples of the steps that they were once rounded to, also
    after the picture was saved anew at a higher quality, or without loss. What was cut off at black
    or white does not: in harsh pictures, blocks without such pixels are asked alone.

    Args:
        luma: shape (height, width), of `stored`, the picture as it lies in the file.
    """
    found = _remembered_by(_some_blocks(luma, _MOST_BLOCKS))
    if found < _NONE:
        return found
    rgb = np.asarray(stored if stored.mode == "RGB" else stored.convert("RGB"))
    blocks = _some_blocks(rgb, _HARSH_BLOCKS)
    sound = ~((blocks == 0) | (blocks == _WHITE)).any(axis=(1, 2, 3))
    if sound.sum() >= _MOSTLY * len(sound):
        return found
    return _remembered_by(_some_blocks(luma, _HARSH_BLOCKS)[sound])


def _remembered_by(blocks: Float32Array) -> int:
    found = []
    coefficients = _coefficients(blocks)
    for (row, column), entry in _STEPS.items():
        step = _step(np.abs(coefficients[:, row, column]))
        if step:
            found.append(step / entry)
    return quality_of(float(np.median(found))) if len(found) > len(_STEPS) // 2 else _NONE


def bands(luma: Float32Array) -> list[float]:
    """Return the strength of ever finer structure, up to the finest that the pixels can hold.

    The mean power of each of 24 equal bands of frequency times the frequency squared, which is
    about constant in photos, relative to the coarsest ones.
    """
    tile = min(_TILE, *luma.shape)
    window = np.outer(np.hanning(tile), np.hanning(tile)).astype(np.float32)
    frequency = np.hypot(np.fft.fftfreq(tile)[:, None], np.fft.rfftfreq(tile)[None, :])
    power = np.zeros(frequency.shape)
    for top in np.unique(np.linspace(0, luma.shape[0] - tile, 3).astype(int)):
        for left in np.unique(np.linspace(0, luma.shape[1] - tile, 3).astype(int)):
            part = luma[top : top + tile, left : left + tile]
            power += np.abs(np.fft.rfft2((part - part.mean()) * window)) ** 2
    place = np.minimum((frequency * 2 * _BANDS).astype(int), _BANDS)
    weighted = np.bincount(place.ravel(), (power * frequency**2).ravel(), _BANDS + 1)
    strength = (
        weighted[:_BANDS] / np.maximum(np.bincount(place.ravel(), minlength=_BANDS + 1), 1)[:_BANDS]
    )
    coarse = max(float(strength[1:5].mean()), 1e-9)
    return [round(float(each) / coarse, 5) for each in strength]


def strengths(luma: Float32Array, rgb: Image.Image) -> tuple[float, ...]:
    """Return how strong structure is within blocks, by sums of row and column of coefficients."""
    colours = np.asarray(rgb.convert("YCbCr"))[..., 1:]
    blocks = _some_blocks(colours, _MOST_BLOCKS, 2 * _BLOCK)
    halves = blocks.reshape(-1, _BLOCK, 2, _BLOCK, 2, 2).mean(axis=(2, 4), dtype=np.float32)
    return (
        *_strengths(_some_blocks(luma, _MOST_BLOCKS)),
        *_strengths(halves[..., 0]),
        *_strengths(halves[..., 1]),
    )


def on_its_side(steps: tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps of a picture turned by a quarter."""
    return tuple(steps[place % 8 * 8 + place // 8] for place in range(len(steps)))


def steps(image: Image.Image) -> tuple[int, ...]:
    """Return the steps that a JPEG's brightness was quantised by, by rows; else nothing."""
    tables = getattr(image, "quantization", None)
    return tuple(tables[min(tables)]) if tables else ()


def sample(luma: Float32Array) -> bytes:
    """Return some blocks of the grid that JPEG lays over a picture."""
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    places = np.linspace(0, rows * columns - 1, min(_SAMPLED, rows * columns)).astype(int)
    grid = luma[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    blocks: bytes = np.rint(grid[places // columns, places % columns]).astype(np.uint8).tobytes()
    return blocks


def _strengths(blocks: Float32Array) -> Iterator[float]:
    if not len(blocks):  # of a picture smaller than one
        blocks = np.zeros((1, _BLOCK, _BLOCK), np.float32)
    squares = (_coefficients(blocks) ** 2).mean(axis=0)
    fineness = np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK))
    for low, high in _STRENGTHS:
        mean = float(squares[(fineness >= low) & (fineness <= high)].mean())
        yield round(math.log(mean + 0.01) / 2, 5)


def _some_blocks(plane: NDArray[_Pixel], about: int, side: int = _BLOCK) -> NDArray[_Pixel]:
    """Return whole blocks, evenly chosen, fewer than twice as many: (blocks, side, side, …)."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    grid = plane[: rows * side, : columns * side]
    grid = grid.reshape(rows, side, columns, side, *plane.shape[2:])
    chosen = np.arange(0, rows * columns, max(1, rows * columns // about))
    found: NDArray[_Pixel] = grid[chosen // max(columns, 1), :, chosen % max(columns, 1)]
    return found


def _coefficients(blocks: Float32Array) -> Float32Array:
    place = np.arange(8)
    waves = np.cos(np.pi * place[:, None] * (place + 0.5) / 8) / 2
    waves[0] /= np.sqrt(2)
    coefficients: Float32Array = (waves @ (blocks - 128) @ waves.T).astype(np.float32)
    return coefficients


def _step(values: Float32Array) -> int:
    """Return the largest step that the values are multiples of; 0 if there is none."""
    steps = np.arange(_LARGEST_STEP, _SMALLEST_STEP - 1, -1, dtype=np.float32)[:, None]
    telling = values > np.float32(0.6) * steps
    counts = telling.sum(axis=1)
    steps, telling, counts = (each[counts >= _FEWEST] for each in (steps, telling, counts))
    on_multiples = np.cos(np.float32(2 * np.pi) / steps * values)
    found = (on_multiples * telling).sum(axis=1) > _COMB * counts
    return int(steps[found][0, 0]) if found.any() else 0
