"""Which files count as images: a table of name extensions, whatever their case; and extras."""

from __future__ import annotations

import importlib.util

RAW_EXTENSIONS = frozenset(
    {
        "3fr", "arw", "cr2", "cr3", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef",
        "nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
    }
)  # fmt: skip
"""Of camera RAW; without dot, in lower case."""

IMAGE_EXTENSIONS = RAW_EXTENSIONS | {
    "jpg", "jpeg", "jpe", "jfif",
    "png", "apng",
    "webp",
    "gif",
    "tif", "tiff",
    "bmp", "dib",
    "jp2", "j2k", "j2c", "jpf", "jpx",
    "heic", "heif", "hif", "heics", "heifs",
    "avif", "avifs",
    "jxl",
    "ppm", "pgm", "pbm", "pnm", "pfm", "qoi", "tga", "ico",
}  # fmt: skip
"""Without dot, in lower case."""

COMPANION_EXTENSIONS = frozenset({"xmp", "aae", "mov", "mp4"})
"""Of files that may belong to an image: sidecars, and the films of Live Photos."""

# Extra of the package → the module that decodes its format.
_EXTRAS = {"jxl": "pillow_jxl", "raw": "rawpy"}


def is_image_name(name: str) -> bool:
    """Return whether a file of this name (last path component) is taken for an image."""
    stem, _, extension = name.rpartition(".")
    return bool(stem) and extension.lower() in IMAGE_EXTENSIONS


def is_sidecar_name(name: str) -> bool:
    """Return whether a file of this name holds metadata that can be read (XMP)."""
    return name.lower().endswith(".xmp")


def is_companion_name(name: str) -> bool:
    """Return whether a file of this name may belong to an image, without being one."""
    return name.rpartition(".")[2].lower() in COMPANION_EXTENSIONS


def is_same_kind(name: str, other: str) -> bool:
    """Return whether files of both names mean the same: images, what belongs to one, or neither."""
    return (is_image_name(name), is_sidecar_name(name), is_companion_name(name)) == (
        is_image_name(other),
        is_sidecar_name(other),
        is_companion_name(other),
    )


def is_read_name(name: str) -> bool:
    """Return whether what is in a file of this name matters; of a film only that it is there."""
    return is_image_name(name) or is_sidecar_name(name)


def is_watched_name(name: str) -> bool:
    """Return whether a file of this name is an image or may belong to one."""
    return is_image_name(name) or is_companion_name(name)


def missing_reason(extra: str) -> str:
    """Return the failure reason of files that cannot be decoded without an extra."""
    return f"needs_{extra}"


def curable_reasons() -> list[str]:
    """Return the failure reasons of which the extra is installed now."""
    return [
        missing_reason(extra)
        for extra, module in _EXTRAS.items()
        if importlib.util.find_spec(module) is not None
    ]
