"""Camera RAW, by rawpy (LibRaw): an extra of the package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from imgvecd.core.files.formats import missing_reason
from imgvecd.errors import UnreadableImageError

if TYPE_CHECKING:
    import rawpy

# LibRaw's turns → EXIF orientations.
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}
# Beginnings of files, and where they lie. Other kinds of RAW look like TIFF.
_MAGIC = (
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"),  # Olympus
    (0, b"IIU\0"),  # Panasonic
    (0, b"FOVb"),  # Sigma
    (0, b"\0MRM"),  # Minolta
    (4, b"ftypcrx "), (6, b"HEAPCCDR"),  # Canon
)  # fmt: skip
MAGIC_BYTES = 16
"""How much of a file's beginning `is_raw` looks at."""


def is_raw(prefix: bytes) -> bool:
    """Return whether a file that begins so is camera RAW, and could be nothing else."""
    return any(prefix.startswith(magic, at) for at, magic in _MAGIC)


class RawFile:
    """An open RAW file.

    Attributes:
        size: width and height as stored.
        orientation: as in EXIF.
    """

    def __init__(self, raw: rawpy.RawPy) -> None:
        self._raw = raw
        self.size = (int(raw.sizes.width), int(raw.sizes.height))
        self.orientation = _ORIENTATIONS.get(raw.sizes.flip, 1)

    def preview(self) -> bytes | None:
        """Return the largest picture that the camera has put into the file, a JPEG, if any.

        LibRaw gives it EXIF if it has none: camera, time, exposure, orientation.
        """
        import rawpy  # noqa: PLC0415  # an extra

        try:
            found = self._raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        return found.data if isinstance(found.data, bytes) else None

    def develop(self) -> NDArray[np.uint8]:
        """Return the picture at half its size, upright, shape (height, width, 3), sRGB."""
        return self._raw.postprocess(use_camera_wb=True, half_size=True)


@contextlib.contextmanager
def opened(file: BinaryIO) -> Iterator[RawFile]:
    """Yield the RAW file in `file`.

    Raises:
        UnreadableImageError: the extra is missing, or LibRaw does not know it.
    """
    try:
        import rawpy  # noqa: PLC0415  # an extra
    except ImportError:
        raise UnreadableImageError(
            missing_reason("raw"),
            "camera RAW needs an extra: `pip install 'imgvecd[raw]'`, then `imgvec retry`",
        ) from None
    file.seek(0)
    try:
        raw = rawpy.imread(file)
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnreadableImageError(
            "unsupported", "it is neither camera RAW that LibRaw knows nor TIFF that Pillow knows"
        ) from error
    with raw:
        yield RawFile(raw)
