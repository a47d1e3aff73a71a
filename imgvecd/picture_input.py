"""Pictures as programs hold them: a path, bytes, an open file, a Pillow image, a numpy array.

Neither Pillow nor numpy is imported before somebody hands over something of theirs.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from imgvecd.errors import BadRequestError, TooLargeError, UnreadableImageError

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    from PIL.Image import Image

_LARGEST_BYTES = 1 << 30  # of a file that somebody else has opened: /dev/zero has no end
_LONGEST_PATH = 4096  # PATH_MAX on Linux
_GREY, _RGB, _RGBA = 1, 3, 4
_HIGHEST_8_BIT = 255
_ROUNDING = 1e-3  # arithmetic ends a little beside 0 and 1
# What PNG can hold as it is; other modes become RGB.
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class ReadableFile(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """Return the next bytes."""
        ...


AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""Where a picture lies."""

if TYPE_CHECKING:
    AnyPicture = AnyPath | bytearray | memoryview | ReadableFile | Image | numpy.typing.NDArray[Any]
else:
    AnyPicture = Any


def content_of(picture: AnyPicture) -> bytes | None:
    """Return a picture's bytes, encoded if need be; None for a path, which says where they lie.

    Bytes are a picture, unless they begin with a slash or a file has that name. Arrays are
    height × width, with 1, 3 (RGB) or 4 (RGBA) channels or none: uint8, uint16, bool, or floats
    from 0 to 1.

    Raises:
        BadRequestError: it is none of these, or an array of another shape or type.
        UnreadableImageError: it cannot be read to its end, or is empty.
        TooLargeError: an open file has more than a gibibyte.
    """
    if is_path(picture):
        return None
    if isinstance(picture, bytes | bytearray | memoryview):
        return _filled(bytes(picture), "bytes")
    if _is_array(picture):
        return _png(_from_array(picture))
    if _is_pillow(picture):
        return _png(picture)
    if _is_file(picture):
        return _read(picture)
    raise BadRequestError(
        "expected a picture (a path, bytes, a file open for reading bytes, a PIL.Image or a numpy"
        f" array), not {type(picture).__name__}"
    )


def is_path(picture: object) -> TypeGuard[AnyPath]:
    """Return whether it says where a picture lies, and is none itself."""
    if isinstance(picture, bytes):
        return _names_a_file(picture)
    return isinstance(picture, str | os.PathLike)


def _names_a_file(data: bytes) -> bool:
    if not data or len(data) >= _LONGEST_PATH or b"\0" in data:
        return False
    return data.startswith(b"/") or os.path.lexists(data)


def _is_array(value: object) -> TypeGuard[numpy.typing.NDArray[Any]]:
    return _is_one_of("numpy", "ndarray", value)


def _is_pillow(value: object) -> TypeGuard[Image]:
    return _is_one_of("PIL.Image", "Image", value)


def _is_file(value: object) -> TypeGuard[ReadableFile]:
    return callable(getattr(value, "read", None))


def _is_one_of(module: str, name: str, value: object) -> bool:
    """Return whether a value is an instance of a class that may not be imported yet."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _filled(data: bytes, what: str) -> bytes:
    if not data:
        raise UnreadableImageError("truncated", f"the picture is empty: no {what}")
    return data


def _read(file: ReadableFile) -> bytes:
    try:
        data = file.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError, TypeError) as error:  # closed, or not open for reading
        raise UnreadableImageError("unreadable", f"the picture's file: {error}") from error
    if not isinstance(data, bytes):
        raise BadRequestError("the picture's file gives text: open it for bytes, with mode 'rb'")
    if len(data) > _LARGEST_BYTES:
        raise TooLargeError(f"the picture's file has more than {_LARGEST_BYTES:,} bytes")
    return _filled(data, "bytes are left to read in its file (seek(0)?)")


def _png(image: Image) -> bytes:
    """Return a Pillow image as a lossless file, with its orientation and colour profile."""
    out = io.BytesIO()
    try:
        image.load()
        profile, exif = image.info.get("icc_profile"), image.getexif()
        if image.mode not in _PNG_MODES:
            image, profile = image.convert("RGB"), None  # which described the other mode
        image.save(out, "PNG", compress_level=1, icc_profile=profile, exif=exif)
    except (OSError, ValueError, SystemError, SyntaxError) as error:  # as Pillow's plug-ins raise
        raise UnreadableImageError("damaged", f"the PIL.Image cannot be read: {error}") from error
    return out.getvalue()


def _from_array(array: numpy.typing.NDArray[Any]) -> Image:
    import numpy  # noqa: PLC0415  # whoever has an array has paid for it
    from PIL import Image  # noqa: PLC0415

    shape = array.shape
    channels = shape[2] if len(shape) == 3 else _GREY  # noqa: PLR2004  # height, width, channels
    if len(shape) not in {2, 3} or 0 in shape or channels not in {_GREY, _RGB, _RGBA}:
        raise BadRequestError(
            f"expected an array of height × width (× 1, 3 or 4 channels), not of shape {shape}"
        )
    levels = _levels(array)
    if channels == _GREY:
        levels = levels.reshape(shape[:2])
    elif levels.dtype != numpy.uint8:  # Pillow has no colours of 16 bits
        levels = (levels >> 8).astype(numpy.uint8)
    return Image.fromarray(numpy.ascontiguousarray(levels))


def _levels(array: numpy.typing.NDArray[Any]) -> numpy.typing.NDArray[Any]:
    """Return the array as uint8 or uint16."""
    import numpy  # noqa: PLC0415  # see above

    if array.dtype == numpy.uint16:
        return array.astype(numpy.uint16)  # in this machine's byte order
    if array.dtype == numpy.uint8:
        return array
    if array.dtype == numpy.bool_:
        return array.astype(numpy.uint8) * _HIGHEST_8_BIT
    if not numpy.issubdtype(array.dtype, numpy.floating):
        raise BadRequestError(
            f"expected an array of uint8, uint16, bool or floats, not of {array.dtype}:"
            " convert it, as in array.astype('uint8')"
        )
    low, high = float(array.min()), float(array.max())
    if not -_ROUNDING <= low <= high <= 1 + _ROUNDING:  # NaN is in no range
        raise BadRequestError(
            f"expected floats from 0 to 1, not from {low:g} to {high:g}: divide them, or convert"
            " the array to uint8"
        )
    scaled = numpy.clip(array.astype(numpy.float32), 0, 1) * _HIGHEST_8_BIT
    return numpy.rint(scaled).astype(numpy.uint8)
