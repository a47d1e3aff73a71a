"""Every mode that Pillow knows → 8-bit sRGB on a neutral ground."""

from __future__ import annotations

import functools
import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from imgvecd.adapters.pillow import hdr

HIGHEST = "imgvecd highest"
"""Of an image's `info`: the value that stands for white, where its mode does not tell it."""
_GROUND = (128, 128, 128)  # mid-grey: black and white drawings both stand out against it


class Signal(NamedTuple):
    """What the values mean, as code points of ITU-T H.273; 2 is "not said"."""

    primaries: int
    transfer: int


def resizable(image: Image.Image) -> Image.Image:
    """Return `image` in an 8-bit mode whose values can be averaged, with alpha where it has any."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bit(image)
    if image.mode in {"PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "P":
        return image.convert("RGB")
    return image.convert("L") if image.mode == "1" else image


def to_srgb(
    image: Image.Image, icc_profile: bytes | None, signal: Signal | None = None
) -> Image.Image:
    """Return a `resizable` image as opaque sRGB; a profile that makes no sense is ignored.

    Args:
        signal: stands above the profile, where it says anything that is known.
    """
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    if signal is not None and hdr.is_known(*signal):
        rgb = hdr.to_srgb(image.convert("RGB"), *signal)
    else:
        rgb = _by_profile(image, icc_profile)
    if alpha is None:
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, _GROUND), alpha)


def _by_profile(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    transform = _to_srgb(icc_profile, image.mode) if icc_profile else None
    rgb = image.convert("RGB") if transform is None else ImageCms.applyTransform(image, transform)
    assert rgb is not None  # noqa: S101  # None is for in-place transforms only
    return rgb


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return 16-bit, 32-bit and floating-point grey as "L".

    16-bit values keep their scale, as those with a `HIGHEST` do. The others have none: the range
    that occurs is stretched.
    """
    values = np.asarray(image)
    highest = image.info.get(HIGHEST)
    if image.mode.startswith("I;16") and highest is None:
        return Image.fromarray((values >> 8).astype(np.uint8))
    if highest is not None:
        scaled = np.clip(values, 0, highest).astype(np.float32) * (255.0 / highest)
        return Image.fromarray((scaled + 0.5).astype(np.uint8))
    finite = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    scaled = (finite - low) * (255.0 / max(high - low, 1e-9))
    return Image.fromarray(scaled.astype(np.uint8))


@functools.lru_cache(maxsize=16)  # building one takes longer than using it; cameras repeat theirs
def _to_srgb(icc_profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        if mode == "RGB" and ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return None
        return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # for another mode, or damaged
        return None
