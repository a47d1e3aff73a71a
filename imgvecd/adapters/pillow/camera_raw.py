"""Camera RAW: the preview in it if that is large enough, else the developed picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base

from imgvecd.adapters import raw
from imgvecd.adapters.pillow import blocks, exif, geometry, opening, reasons
from imgvecd.adapters.pillow.tiff_fields import SUB_DIRECTORIES, Fields

_TIFF = (b"II*\0", b"MM\0*")
_CANON_2 = b"CR"  # behind the header of a TIFF
_DNG_VERSION = 50706
_REDUCED = 1  # NewSubfileType
_MOSAICS = {32803, 34892}  # PhotometricInterpretation: colour filter array, linear raw


@dataclass(frozen=True, slots=True)
class RawPicture:
    """What shows a RAW file.

    Attributes:
        image: decoded.
        size: of the whole picture, as a person sees it.
        orientation: of `image`, as in EXIF.
        said: what the file and its preview say.
    """

    image: Image.Image
    size: tuple[int, int]
    orientation: int
    said: blocks.Blocks


def fields_of(file: BinaryIO) -> Fields | None:
    """Return the EXIF of a RAW file, as far as it can be read; None if the file is no RAW."""
    prefix = file.read(raw.MAGIC_BYTES)
    file.seek(0)
    if not raw.is_raw(prefix) and not prefix.startswith(_TIFF):
        return None
    fields = Fields.of_file(file)
    found = raw.is_raw(prefix) or _is_raw_tiff(prefix, fields)
    file.seek(0)
    return fields if found else None


def load(file: BinaryIO, fields: Fields, size: int, max_pixels: int) -> RawPicture:
    """Return what shows the file.

    Args:
        fields: its EXIF.
        size: least side of a preview that will do.

    Raises:
        UnreadableImageError: the extra is missing, or it has too many pixels.
        Exception: what LibRaw and Pillow raise for damaged files.
    """
    said = blocks.Blocks()
    with raw.opened(file) as source:
        full = geometry.oriented(source.size, source.orientation)
        preview = source.preview()
        image = None if preview is None else _decoded(preview, size, max_pixels)
        if image is None:
            reasons.limit_pixels(full, max_pixels)
            image, orientation = Image.fromarray(source.develop()), 1
        else:
            block = image.info.get("exif")
            said.preview = Fields.of_block(block if isinstance(block, bytes) else b"")
            turned = Base.Orientation in said.preview.main
            orientation = exif.orientation(said.preview) if turned else source.orientation
    blocks.of_tiff(fields, said)
    return RawPicture(image, full, orientation, said)


def _decoded(preview: bytes, size: int, max_pixels: int) -> Image.Image | None:
    """Return the preview, unless it is smaller than what is wanted."""
    image, full_size, _ = opening.load(io.BytesIO(preview), size, max_pixels)
    return image if min(full_size) >= size else None


def _is_raw_tiff(prefix: bytes, fields: Fields) -> bool:
    main = fields.main
    return (
        prefix[8:10] == _CANON_2
        or _DNG_VERSION in main
        or any(main.get(Base.PhotometricInterpretation) == (mosaic,) for mosaic in _MOSAICS)
        # a camera's small picture in front of the large ones: Nikon, Sony, Samsung and others
        or (
            main.get(Base.NewSubfileType) == (_REDUCED,)
            and SUB_DIRECTORIES in main
            and Base.Make in main
        )
    )
