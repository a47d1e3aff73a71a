"""From an open file to pixels and facts."""

from __future__ import annotations

import logging
from typing import BinaryIO

from PIL.ExifTags import Base

from imgvecd.adapters.pillow import camera_raw, colour, exif, facts, geometry, opening
from imgvecd.errors import UnreadableImageError
from imgvecd.types import ImageInfo, PreprocessSpec

logger = logging.getLogger(__name__)

_NAMES = {"MPO": "jpeg", "JXL": "jpegxl"}  # MPO: a JPEG with further pictures behind it


def decode(file: BinaryIO, spec: PreprocessSpec, max_pixels: int) -> tuple[ImageInfo, bytes]:
    """Return what the picture is, and its pixels as `DecodedImage.pixels`.

    Args:
        file: at its beginning, seekable.
        max_pixels: limit on what is decoded, after any reduction of scale.

    Raises:
        UnreadableImageError: whatever is wrong with the file.
        MemoryError: it takes more memory than the process may have.
    """
    try:
        return _decode(file, spec, max_pixels)
    except (UnreadableImageError, MemoryError):
        raise
    except Exception as error:  # what bad bytes make Pillow raise is anything
        logger.debug("undecodable", exc_info=True)
        raise UnreadableImageError("damaged", f"it cannot be decoded: {error}") from error


def _decode(file: BinaryIO, spec: PreprocessSpec, max_pixels: int) -> tuple[ImageInfo, bytes]:
    fields = camera_raw.fields_of(file)
    if fields is not None:
        raw = camera_raw.load(file, fields, spec.size, max_pixels)
        image, orientation, truncated, name = raw.image, raw.orientation, False, "raw"
        full_size, shown_size, known = image.size, raw.size, raw.fields
    else:
        image, full_size, truncated = opening.load(file, spec.size, max_pixels)
        fields = exif.fields_of(image)
        orientation = fields.get(Base.Orientation, 1)
        name = _NAMES.get(image.format or "", (image.format or "").lower())
        shown_size, known = geometry.oriented(full_size, orientation), (fields,)
    small = geometry.resize(colour.resizable(image), full_size, orientation, spec)
    rgb = geometry.padded(colour.to_srgb(small, image.info.get("icc_profile")), spec)
    taken_at, metadata = facts.read(image, known)
    info = ImageInfo(
        format=name,
        width=shown_size[0],
        height=shown_size[1],
        taken_at=taken_at,
        truncated=truncated,
        metadata=metadata,
    )
    return info, rgb.tobytes()
