"""Resizing and cropping, exactly as open_clip's preprocessing does it, in one resampling step.

open_clip resizes the whole picture and then cuts out the middle; asking Pillow for the middle alone
gives the same pixels without the rest, which for a panorama is most of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from PIL import Image

from imgvecd.types import PreprocessSpec

# EXIF orientation → whether x and y are swapped, and which stored axes then run backwards.
_AXES = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of the upright picture becomes how many pixels.

    Attributes:
        box: left, top, right, bottom as shares of width and height.
        width, height: of the result, before any padding to a square.
    """

    box: Box
    width: int
    height: int


def oriented(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return (width, height) as a person sees the picture, from those as stored."""
    return (size[1], size[0]) if swaps_sides(orientation) else size


def is_turn(orientation: object) -> TypeGuard[int]:
    """Return whether it is an orientation, and not the upright one."""
    return orientation in _UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Return whether width and height as stored are height and width to a person."""
    return orientation in _AXES and _AXES[orientation][0]


def resize(
    image: Image.Image, full_size: tuple[int, int], orientation: int, spec: PreprocessSpec
) -> Image.Image:
    """Return `image` upright, as spec.size × spec.size pixels, in its own mode.

    Args:
        image: as stored; perhaps decoded at a reduced scale.
        full_size: (width, height) as stored, at full scale.
    """
    cut = _cut(oriented(full_size, orientation), spec)
    scale = max(1, round(full_size[0] / image.width))
    box = _pixels(_stored(cut.box, orientation), full_size, scale, image.size)
    size = oriented((cut.width, cut.height), orientation)
    small = image.resize(size, _FILTERS[spec.interpolation], box=box)
    return upright(small, orientation)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return a stored image as a person sees it."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def padded(image: Image.Image, spec: PreprocessSpec) -> Image.Image:
    """Return an RGB image in the middle of a spec.size square."""
    if image.size == (spec.size, spec.size):
        return image
    square = Image.new("RGB", (spec.size, spec.size), (spec.fill,) * 3)
    square.paste(image, ((spec.size - image.width) // 2, (spec.size - image.height) // 2))
    return square


def _cut(size: tuple[int, int], spec: PreprocessSpec) -> Cut:
    width, height = size
    if spec.resize_mode == "squash":
        return Cut((0.0, 0.0, 1.0, 1.0), spec.size, spec.size)
    if spec.resize_mode == "longest":
        ratio = max(width, height) / spec.size
        # at least one pixel: a line 1 pixel wide would vanish
        return Cut(
            (0.0, 0.0, 1.0, 1.0), max(1, round(width / ratio)), max(1, round(height / ratio))
        )
    # the sides of the whole, as torchvision's Resize rounds them, and the middle as CenterCrop does
    whole = [int(spec.size * side / min(size)) for side in size]
    left, top = (round((side - spec.size) / 2.0) for side in whole)
    box = (
        left / whole[0],
        top / whole[1],
        (left + spec.size) / whole[0],
        (top + spec.size) / whole[1],
    )
    return Cut(box, spec.size, spec.size)


def _stored(box: Box, orientation: int) -> Box:
    """Return a box on the upright picture as the box on the stored one."""
    swap, flip_x, flip_y = _AXES.get(orientation, (False, False, False))
    left, top, right, bottom = box
    if swap:
        left, top, right, bottom = top, left, bottom, right
    if flip_x:
        left, right = 1.0 - right, 1.0 - left
    if flip_y:
        top, bottom = 1.0 - bottom, 1.0 - top
    return left, top, right, bottom


def _pixels(box: Box, full_size: tuple[int, int], scale: int, size: tuple[int, int]) -> Box:
    """Return a box in pixels of the reduced image; its last row may stand for less than a block."""
    width, height = full_size[0] / scale, full_size[1] / scale
    left, top, right, bottom = box
    return (
        max(0.0, left * width),
        max(0.0, top * height),
        min(float(size[0]), right * width),
        min(float(size[1]), bottom * height),
    )
