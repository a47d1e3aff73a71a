"""What a file shows beside its picture: further frames, pages, or a second view."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image

from imgvecd.adapters.pillow import colour
from imgvecd.core.duplicates import detail

logger = logging.getLogger(__name__)

_MOST_LOOKS = 16
# Of one file: as long an animation as people send, or twenty scanned pages.
_MOST_PICTURES, _MOST_PIXELS = 500, 200_000_000
_OPENED_AS = {"MPO": "JPEG"}
_REDUCED, _MASK = 1, 4  # bits of a TIFF's NewSubfileType
_NEW_SUBFILE_TYPE = 254


def of(file: BinaryIO, shown: Image.Image) -> Iterator[Image.Image]:
    """Yield the file's pictures but the one that is shown, as sRGB, as far as they can be read."""
    count, place_shown = getattr(shown, "n_frames", 1), shown.tell()
    if count == 1 or shown.format in {None, "PSD"}:  # whose layers are parts of its picture
        return
    left = _MOST_PIXELS
    try:
        file.seek(0)
        # opened anew: formats of animations want their frames in order, from the first one on
        with Image.open(file, formats=(_OPENED_AS.get(shown.format, shown.format),)) as image:
            for place in range(min(count, _MOST_PICTURES)):
                image.seek(place)
                left -= image.width * image.height
                if left < 0:
                    return
                if place == place_shown or _is_made_from_another(image):
                    continue
                image.load()
                yield colour.to_srgb(colour.resizable(image), image.info.get("icc_profile"))
    except Exception:  # what bad bytes make Pillow raise is anything
        logger.debug("not every picture of a file can be read", exc_info=True)


def some(looks: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return as many of the looks as are kept, evenly chosen."""
    places = np.linspace(0, len(looks) - 1, min(len(looks), _MOST_LOOKS)).round().astype(int)
    return tuple(looks[place] for place in places)


def look(picture: Image.Image) -> bytes:
    """Return the picture's grey levels, squashed."""
    grey = picture.convert("L").resize((detail.LOOK_SIDE, detail.LOOK_SIDE), Image.Resampling.BOX)
    return grey.tobytes()


def _is_made_from_another(image: Image.Image) -> bool:
    """Return whether it is a TIFF's reduced version of another picture, or a mask."""
    kind = getattr(image, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)
    return bool(int(kind) & (_REDUCED | _MASK))
