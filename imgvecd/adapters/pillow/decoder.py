"""From an open file to pixels and facts."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from imgvecd.adapters import xmp
from imgvecd.adapters.pillow import (
    blocks,
    box_files,
    camera_raw,
    cicp,
    colour,
    exif,
    facts,
    further_pictures,
    geometry,
    interpolation,
    opening,
    png_colour,
    quality,
    reasons,
)
from imgvecd.adapters.pillow.blocks import Blocks
from imgvecd.core.duplicates import detail
from imgvecd.errors import UnreadableImageError
from imgvecd.types import CopyFacts, ExaminedImage, ImageInfo, PreprocessSpec

logger = logging.getLogger(__name__)

# MPO is a JPEG with further pictures behind it, DIB a BMP without the header of its file.
_NAMES = {"MPO": "jpeg", "JXL": "jpegxl", "DIB": "bmp"}
_BESIDE = {"MPO"}  # what is behind its picture is no part of that: a second view, a map of gains
_WHOLE = 1 << 20  # pixels a side: nothing is reduced
_PREFIX_BYTES = 64  # of a file, in which WebP and PNG tell how they are coded
_THUMBNAIL_QUALITY = 85  # no artefacts that catch the eye


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that was loaded, perhaps at a reduced scale.

    Attributes:
        full_size: (width, height) of `image` as stored, at full scale.
        shown_size: (width, height) as a person sees the picture.
        orientation: of `image`, as in EXIF.
        said_orientation: what the file says of it, although it may be applied already.
        said: all that the file says.
        signal: what the values mean, if the file says so by code points.
    """

    image: Image.Image
    full_size: tuple[int, int]
    shown_size: tuple[int, int]
    orientation: int
    name: str
    truncated: bool
    said_orientation: int
    said: Blocks
    signal: colour.Signal | None = None

    def in_srgb(self, spec: PreprocessSpec) -> Image.Image:
        """Return it upright and resized as `spec` says."""
        image = colour.resizable(self.image)
        small = geometry.resize(image, self.full_size, self.orientation, spec)
        return colour.to_srgb(small, self.image.info.get("icc_profile"), self.signal)


def decode(file: BinaryIO, spec: PreprocessSpec, max_pixels: int) -> tuple[ImageInfo, bytes]:
    """Return what the picture is, and its pixels as `DecodedImage.pixels`.

    Args:
        file: at its beginning, seekable.
        max_pixels: limit on what is decoded, after any reduction of scale.

    Raises:
        UnreadableImageError: whatever is wrong with the file.
        MemoryError: it takes more memory than the process may have.
        OSError: the file cannot be read, which says nothing about its bytes.
    """
    with _blaming_the_file():
        picture = _load(file, spec.size, max_pixels)
        rgb = geometry.padded(picture.in_srgb(spec), spec)
        taken_at, metadata = facts.read(picture.said)
        metadata.pop("orientation", None)
        if picture.said_orientation > 1:
            metadata["orientation"] = picture.said_orientation
        width, height = picture.shown_size
        info = ImageInfo(
            format=picture.name,
            width=width,
            height=height,
            taken_at=taken_at,
            truncated=picture.truncated,
            metadata=metadata,
        )
        return info, rgb.tobytes()


def examine(file: BinaryIO, max_pixels: int) -> ExaminedImage:
    """Return what tells copies of a picture apart; arguments and errors as for `decode`."""
    with _blaming_the_file():
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        prefix = file.read(_PREFIX_BYTES)
        file.seek(0)
        is_raw = camera_raw.fields_of(file) is not None
        picture = _load(file, detail.SIDE if is_raw else _WHOLE, max_pixels)
        side = detail.side_for(picture.shown_size)
        spec = PreprocessSpec(
            side, (0, 0, 0), (1, 1, 1), interpolation="bilinear", resize_mode="squash"
        )
        taken_at, metadata = facts.read(picture.said)
        info = ImageInfo(picture.name, *picture.shown_size, taken_at, picture.truncated, metadata)
        pixels = picture.in_srgb(spec).tobytes()
        found = CopyFacts() if is_raw else _copy_facts(picture, file, size_bytes, prefix)
        return ExaminedImage(info, found, side, pixels)


def _copy_facts(picture: _Picture, file: BinaryIO, size_bytes: int, prefix: bytes) -> CopyFacts:
    saved_at, lossless = quality.declared(picture.image, size_bytes, prefix)
    whole = geometry.upright(colour.resizable(picture.image), picture.orientation)
    rgb = colour.to_srgb(whole, picture.image.info.get("icc_profile"), picture.signal)
    stored = colour.resizable(picture.image)
    luma, upright = (np.asarray(each.convert("L")).astype(np.float32) for each in (stored, whole))
    steps = quality.steps(picture.image)
    if geometry.swaps_sides(picture.orientation):
        steps = quality.on_its_side(steps)
    depth = quality.depth(picture.image, prefix)
    digest, looks = hashlib.blake2b(rgb.tobytes(), digest_size=16), []
    for other in further_pictures.of(file, picture.image):
        looks.append(further_pictures.look(other))
        if picture.image.format not in _BESIDE:
            digest.update(other.tobytes())
    remembered = quality.remembered(luma, stored)
    return CopyFacts(
        pixels=digest.digest(),
        quality=saved_at,
        remembered=remembered,
        lossless=lossless,
        depth=depth,
        full_colour=quality.is_full_colour(picture.image),
        bands=tuple(quality.bands(luma)),
        steps=steps,
        sample=quality.sample(upright),
        strengths=quality.strengths(upright, rgb),
        repeats=interpolation.repeats(upright, min(saved_at, remembered) if steps else remembered),
        further=further_pictures.some(looks),
        pictures=1 + len(looks),
    )


def thumbnail(file: BinaryIO, size: int, max_pixels: int) -> bytes:
    """Return the picture as a JPEG, upright, in sRGB, its longer side `size` pixels or as it was.

    JPEG because it takes 0.3 ms at 256 pixels, where WebP saves 30% of the bytes and takes 8 ms.
    Arguments and errors as for `decode`.
    """
    data = io.BytesIO()
    with _blaming_the_file():
        _as_seen(file, size, max_pixels).save(data, "JPEG", quality=_THUMBNAIL_QUALITY)
        return data.getvalue()


def pixels(file: BinaryIO, longest: int, max_pixels: int) -> tuple[int, int, bytes]:
    """Return (width, height, RGB) of the picture as `thumbnail` shows it."""
    with _blaming_the_file():
        image = _as_seen(file, longest, max_pixels).convert("RGB")
        return image.width, image.height, image.tobytes()


def _as_seen(file: BinaryIO, longest: int, max_pixels: int) -> Image.Image:
    picture = _load(file, longest, max_pixels)
    longest = min(longest, max(picture.shown_size))
    spec = PreprocessSpec(longest, (0, 0, 0), (1, 1, 1), resize_mode="longest")
    return picture.in_srgb(spec)


@contextlib.contextmanager
def _blaming_the_file() -> Iterator[None]:
    try:
        yield
    except (UnreadableImageError, MemoryError):
        raise
    except Exception as error:  # what bad bytes make Pillow raise is anything
        if opening.is_the_systems(error):
            raise
        logger.debug("undecodable", exc_info=True)
        raise UnreadableImageError(*reasons.of_error(error)) from error


def _load(file: BinaryIO, size: int, max_pixels: int) -> _Picture:
    """Return the picture at a scale that suffices for `size` pixels a side."""
    fields = camera_raw.fields_of(file)
    if fields is not None:
        raw = camera_raw.load(file, fields, size, max_pixels)
        turned = raw.orientation
        return _Picture(raw.image, raw.image.size, raw.size, turned, "raw", False, turned, raw.said)
    image, full_size, truncated = opening.load(file, size, max_pixels)
    said = blocks.of_picture(image, file)
    orientation, said_orientation = _orientations(image, said)
    shown_size = geometry.oriented(full_size, orientation)
    name = _NAMES.get(image.format or "", (image.format or "").lower())
    signal = cicp.declared(image, file)
    if signal is None and (found := _further_profile(image, file)):
        image.info["icc_profile"] = found
    return _Picture(
        image, full_size, shown_size, orientation, name, truncated, said_orientation, said, signal
    )


def _further_profile(image: Image.Image, file: BinaryIO) -> bytes | None:
    """Return the colour profile of a picture for which Pillow finds none."""
    if image.format == "JPEG2000":
        return box_files.jpeg_2000_profile(file)
    return png_colour.profile(image)


def _orientations(image: Image.Image, said: Blocks) -> tuple[int, int]:
    """Return (how `image` is still to be turned, what the file says).

    JPEG XL and HEIF have an orientation of their own, which their decoders apply, and want EXIF's
    and XMP's ignored. So does AVIF, whose own Pillow writes into EXIF. Pillow turns TIFF itself. Of
    a JPEG that was packed into JPEG XL the plugin gives the JPEG.
    """
    of_exif = next((exif.orientation(each) for each in said.exif), 1)
    if image.format == "JXL" and not image.jpeg:  # type: ignore[attr-defined]  # of the plugin
        return 1, 1
    if image.format == "HEIF":
        told = image.info.get("original_orientation")
        return 1, told if geometry.is_turn(told) else 1
    if image.format == "TIFF":
        return 1, of_exif
    if image.format == "AVIF" or any(Base.Orientation in each.main for each in said.exif[:1]):
        return of_exif, of_exif
    of_xmp = next((turned for each in said.xmp if (turned := _turned_by(each)) > 1), 1)
    return of_xmp, of_xmp


def _turned_by(packet: bytes) -> int:
    try:
        return xmp.orientation(packet)
    except ValueError:
        return 1
