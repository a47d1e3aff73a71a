"""Camera RAW: the preview in it if that is large enough, else the developed picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base

from imgvecd.adapters import raw
from imgvecd.adapters.pillow import exif, geometry, opening
from imgvecd.errors import UnreadableImageError

_TIFF = (b"II*\0", b"MM\0*")
_CANON_2 = b"CR"  # behind the header of a TIFF
_DNG_VERSION = 50706
_SUB_IFDS = 330
_REDUCED = 1  # NewSubfileType
_MOSAICS = {32803, 34892}  # PhotometricInterpretation: colour filter array, linear raw


@dataclass(frozen=True, slots=True)
class RawPicture:
    """What shows a RAW file.

    Attributes:
        image: decoded.
        size: of the whole picture, as a person sees it.
        orientation: of `image`, as in EXIF.
        fields: EXIF, of the file and of its preview.
    """

    image: Image.Image
    size: tuple[int, int]
    orientation: int
    fields: tuple[Image.Exif, ...]


def fields_of(file: BinaryIO) -> Image.Exif | None:
    """Return the EXIF of a RAW file, as far as it can be read; None if the file is no RAW."""
    prefix = file.read(raw.MAGIC_BYTES)
    file.seek(0)
    if raw.is_raw(prefix):
        return Image.Exif()
    if not prefix.startswith(_TIFF):
        return None
    fields = Image.Exif()
    try:
        fields.load_from_fp(file)
        found = _is_raw_tiff(prefix, fields)
    except exif.DAMAGE:
        found = False
    file.seek(0)
    return fields if found else None


def load(file: BinaryIO, fields: Image.Exif, size: int, max_pixels: int) -> RawPicture:
    """Return what shows the file.

    Args:
        fields: its EXIF.
        size: least side of a preview that will do.

    Raises:
        UnreadableImageError: the extra is missing, or it has too many pixels.
        Exception: what LibRaw and Pillow raise for damaged files.
    """
    known: tuple[Image.Exif, ...] = (fields,)
    with raw.opened(file) as source:
        full = geometry.oriented(source.size, source.orientation)
        preview = source.preview()
        image = None if preview is None else _decoded(preview, size, max_pixels)
        if image is None:
            if full[0] * full[1] > max_pixels:
                message = f"{full[0]} × {full[1]} pixels are too many"
                raise UnreadableImageError("too_large", message)
            image, orientation = Image.fromarray(source.develop()), 1
        else:
            of_preview = exif.fields_of(image)
            orientation = of_preview.get(Base.Orientation, source.orientation)
            known = (fields, of_preview)
    if packet := fields.get(Base.XMLPacket):
        image.info["xmp"] = packet
    return RawPicture(image, full, orientation, known)


def _decoded(preview: bytes, size: int, max_pixels: int) -> Image.Image | None:
    """Return the preview, unless it is smaller than what is wanted."""
    image, full_size, _ = opening.load(io.BytesIO(preview), size, max_pixels)
    return image if min(full_size) >= size else None


def _is_raw_tiff(prefix: bytes, fields: Image.Exif) -> bool:
    return (
        prefix[8:10] == _CANON_2
        or _DNG_VERSION in fields
        or fields.get(Base.PhotometricInterpretation) in _MOSAICS
        # a camera's small picture in front of the large ones: Nikon, Sony, Samsung and others
        or (
            fields.get(Base.NewSubfileType) == _REDUCED
            and _SUB_IFDS in fields
            and Base.Make in fields
        )
    )
