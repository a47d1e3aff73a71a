"""Opening a file that Pillow knows, and decoding it at a sufficient scale."""

from __future__ import annotations

import errno
import io
import struct
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from imgvecd.adapters.pillow import (
    bitmaps,
    box_files,
    jpeg_segments,
    photoshop,
    png_chunks,
    reasons,
    tiff_rewriting,
    tiff_values,
    webp_frames,
)
from imgvecd.adapters.pillow.colour import HIGHEST
from imgvecd.adapters.pillow.tiff_fields import Directory, directories
from imgvecd.core.files.formats import missing_reason
from imgvecd.errors import UnreadableImageError

# Never EPS, for which Pillow calls Ghostscript, nor formats that hold no picture of a person's.
_FORMATS = (
    "JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF", "HEIF", "PPM", "QOI", "ICO",
    "PSD",
)  # fmt: skip
_BARE_FORMATS = ("TGA", "DIB")  # without any mark by which to know them: only if all else fails
# Of TGA: whether there is a map of colours, and the kind; and bits a pixel, at the header's end.
_TGA_MAPS, _TGA_KINDS, _TGA_BITS = {0, 1}, {1, 2, 3, 9, 10, 11}, {8, 15, 16, 24, 32}
# JPEG is decoded at a scale that leaves at least so many times the pixels that are needed:
# measured cosine to the full decode ≥ 0.9993 (at no margin 0.996), at a third of the time.
_DRAFT_MARGIN = 2
_JPEG_XL = (b"\xff\n", b"\0\0\0\x0cJXL \r\n\x87\n")  # how its files begin
# How TIFF begins, and where it says where its directory is: order of bytes, place, form, BigTIFF.
_TIFF = {
    b"II*\0": ("<", 4, "I", "H", 12), b"MM\0*": (">", 4, "I", "H", 12),
    b"II+\0": ("<", 8, "Q", "Q", 20), b"MM\0+": (">", 8, "Q", "Q", 20),
}  # fmt: skip
_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _OLD_REDUCED = 254, 255, 2
_REDUCED, _MASK = 1, 4  # bits of the new one
_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}  # the others have pages: the first one is shown
# Formats whose fourth byte many programs leave at 0, and mean no picture that cannot be seen.
_ALPHA_UNSET = {"BMP", "DIB", "TGA", "ICO"}
_FARTHEST_FRAME = 16  # of an animation: past any fade-in, and cheap to reach
# What Pillow raises over pixels that are not there.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)
_OF_BYTES = {
    None, errno.EINVAL, errno.EOVERFLOW, errno.ERANGE, errno.EDOM, errno.EFBIG, errno.EILSEQ,
}  # fmt: skip
_LEAST_SHARE = 0.25  # of a truncated picture's rows: less does not show what it was

pillow_heif.register_heif_opener(thumbnails=False)
pillow_heif.options.DECODE_THREADS = 1  # the pool runs pictures, not their parts, side by side
Image.MAX_IMAGE_PIXELS = None  # `max_pixels` rules, which knows about reduced scales
# Colour profiles of displays and what programs write into PNG are larger than Pillow's megabyte;
# what unfolds without end is a failure all the same.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 64 << 20


def load(file: BinaryIO, size: int, max_pixels: int) -> tuple[Image.Image, tuple[int, int], bool]:
    """Return (decoded picture, its full size, whether the file ended before the picture did)."""
    try:
        return _load(file, size, max_pixels)
    except (UnreadableImageError, KeyError, *_DAMAGE) as error:
        if is_the_systems(error):
            raise
        if (kind := jpeg_segments.unsupported(file)) is not None:
            raise UnreadableImageError("unsupported", kind) from error
        if (sound := png_chunks.without_damage(file)) is not None:
            return _load(sound, size, max_pixels)
        if (still := webp_frames.first_frame(file)) is not None:
            return *_load(still, size, max_pixels)[:2], True
        if (longer := box_files.lengthened(file)) is not None:
            share = file.seek(0, io.SEEK_END) / len(longer.getbuffer())
            return _load_beginning(longer, share, size, max_pixels)
        if (image := _rewritten(file, max_pixels)) is not None:
            return image, image.size, False
        file.seek(0)
        raise


def _load_beginning(
    longer: BinaryIO, share: float, size: int, max_pixels: int
) -> tuple[Image.Image, tuple[int, int], bool]:
    """Return the first image of a file that was lengthened, of which `share` is there."""
    image, full_size = _prepare(longer, size, max_pixels)
    is_animated = getattr(image, "is_animated", False)
    try:
        if share < _LEAST_SHARE and not is_animated:
            raise UnreadableImageError("truncated", "too much of it is missing")
        image.load()
    except _DAMAGE as error:
        raise UnreadableImageError("truncated", "its end is missing") from error
    return image, full_size, True


def _rewritten(file: BinaryIO, max_pixels: int) -> Image.Image | None:
    """Return a picture of a kind that Pillow does not read, but that can be made into one."""
    file.seek(0)
    if file.read(4) in _TIFF:
        page = _main_page(file)
        image = tiff_rewriting.of_segments(file, page, _open, max_pixels)
        return image or tiff_values.opened(file, page, max_pixels)
    image = photoshop.opened(file, max_pixels) or bitmaps.opened(file, max_pixels)
    if image is not None:
        image.load()
    return image


def is_the_systems(error: BaseException) -> bool:
    """Return whether the disk is at fault, not the picture.

    Pillow's own errors have no number, and bad bytes make decoders seek to where no file goes, and
    calculate what has no result.
    """
    return isinstance(error, OSError) and error.errno not in _OF_BYTES


def _load(file: BinaryIO, size: int, max_pixels: int) -> tuple[Image.Image, tuple[int, int], bool]:
    image, full_size = _prepare(file, size, max_pixels)
    try:
        _show(image)
    except _DAMAGE as error:
        if is_the_systems(error):
            raise
        if (first := _first_frame(file, size, max_pixels)) is not None:
            return first, full_size, True
        return _load_part(file, size, max_pixels, error), full_size, True
    return image, full_size, False


def _first_frame(file: BinaryIO, size: int, max_pixels: int) -> Image.Image | None:
    """Return the first picture of an animation if that is whole."""
    file.seek(0)
    try:
        image, _ = _prepare(file, size, max_pixels)
        if image.format not in _ANIMATED:
            return None
        image.load()
    except _DAMAGE:
        return None
    return image


def _load_part(file: BinaryIO, size: int, max_pixels: int, error: Exception) -> Image.Image:
    """Return as much of a damaged picture as there is, unless that is too little."""
    file.seek(0)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image, _ = _prepare(file, size, max_pixels)
        image.load()  # of an animation, too, what comes first
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    if _decoded_share(image) < _LEAST_SHARE:
        said = reasons.of_error(error)[1]
        raise UnreadableImageError("truncated", f"too much of it is missing: {said}") from error
    return image


def _decoded_share(image: Image.Image) -> float:
    """Return the share of rows that show something; what is missing is of one colour."""
    rows = np.asarray(image)
    return float((rows != rows[:, :1]).reshape(len(rows), -1).any(axis=1).mean())


def _prepare(file: BinaryIO, size: int, max_pixels: int) -> tuple[Image.Image, tuple[int, int]]:
    """Return (picture, its full size): opened, at a sufficient scale, not decoded yet.

    A JPEG is decoded at a half, a quarter or an eighth, where enough pixels remain.
    """
    image = _open(file)
    if image.format == "TIFF":
        image.seek(_main_page(file))
        tiff_rewriting.read_as_said(image)
    elif image.format == "PPM" and image.mode == "I":
        image.info[HIGHEST] = 0xFFFF
    full_size = image.size
    least = _DRAFT_MARGIN * size
    image.draft(None, (least, least))
    reasons.limit_pixels(image.size, max_pixels, full=full_size)
    if image.format == "PSD" and photoshop.has_selection(image, file):
        image.load()
        image.putalpha(255)
    return image, full_size


def _main_page(file: BinaryIO) -> int:
    """Return which page of a TIFF file is the picture: the first that is not made for another."""
    place = file.tell()
    pages = [_is_reduced(page) for page in directories(file)]
    file.seek(place)
    return pages.index(False) if False in pages else 0


def _is_reduced(page: Directory) -> bool:
    """Return whether a page is a reduced version of another, or a mask."""
    new, old = page.get(_NEW_SUBFILE_TYPE) or (0,), page.get(_OLD_SUBFILE_TYPE)
    return bool(int(new[0]) & (_REDUCED | _MASK)) or old == (_OLD_REDUCED,)


def _show(image: Image.Image) -> None:
    """Decode it; of an animation a frame that is past its beginning."""
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        image.seek(min(image.n_frames // 2, _FARTHEST_FRAME))  # type: ignore[attr-defined]
    image.load()
    if (
        image.format in _ALPHA_UNSET
        and image.mode == "RGBA"
        and not image.getchannel("A").getbbox()
    ):
        image.putalpha(255)


def _open(file: BinaryIO) -> Image.Image:
    prefix = file.read(16)
    file.seek(0)
    if prefix.startswith(_JPEG_XL):
        return _open_jpeg_xl(file)
    try:
        return Image.open(tiff_rewriting.classic(file) or file, formats=_FORMATS)
    except UnidentifiedImageError:
        pass
    if _may_be_bare(file):
        try:
            return Image.open(file, formats=_BARE_FORMATS)
        except UnidentifiedImageError:
            pass
    if not prefix:
        raise UnreadableImageError("damaged", "the file is empty")
    if prefix[:4] in _TIFF:
        if not _has_directory(file, prefix[:4]):
            message = "its end is missing, which says what it holds"
            raise UnreadableImageError("truncated", message)
        raise UnreadableImageError(*reasons.of_tiff(file))
    if any(accept and accept(prefix) for _, accept in map(Image.OPEN.__getitem__, _FORMATS)):
        raise UnreadableImageError("damaged", "its header is damaged or incomplete")
    raise UnreadableImageError("unsupported", "it is not a picture in a supported format")


def _may_be_bare(file: BinaryIO) -> bool:
    """Return whether a file begins as TGA, or as a bitmap without the header of its file."""
    file.seek(0)
    header = file.read(18)
    file.seek(0)
    if len(header) < 18:  # noqa: PLR2004  # of TGA
        return False
    map_kind, kind, bits = header[1], header[2], header[16]
    is_tga = map_kind in _TGA_MAPS and kind in _TGA_KINDS and bits in _TGA_BITS
    return is_tga or bitmaps.begins(header)


def _has_directory(file: BinaryIO, prefix: bytes) -> bool:
    """Return whether all of a TIFF's directory is there: many programs write it at the end."""
    order, link, place_form, count_form, entry = _TIFF[prefix]
    size = file.seek(0, io.SEEK_END)
    file.seek(link)
    try:
        (place,) = struct.unpack(order + place_form, file.read(struct.calcsize(place_form)))
        if place > size:
            return False
        file.seek(place)
        (entries,) = struct.unpack(order + count_form, file.read(struct.calcsize(count_form)))
    except struct.error:
        return False
    head, following = struct.calcsize(count_form), struct.calcsize(place_form)
    return bool(place + head + entry * entries + following <= size)


def _open_jpeg_xl(file: BinaryIO) -> Image.Image:
    try:
        # an extra, known to Pillow once it is imported
        from pillow_jxl import JpegXLImagePlugin  # noqa: PLC0415
    except ImportError:
        raise UnreadableImageError(
            missing_reason("jxl"),
            "JPEG XL needs an extra: `pip install 'imgvecd[jxl]'`, then `imgvec retry`",
        ) from None
    JpegXLImagePlugin.DECODE_THREADS = 0  # as above; 1 would be one more
    try:
        return Image.open(file, formats=("JXL",))
    except Exception as error:  # its decoder raises what it likes, and says no more than "error"
        if isinstance(error, MemoryError | OSError):
            raise
        message = "it is damaged, or incomplete, or takes more than `decode.memory_mb`"
        fault = box_files.jpeg_xl_fault(file) or ("damaged", message)
        raise UnreadableImageError(*fault) from error
