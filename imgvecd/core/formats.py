"""Which files count as images: a table of name extensions, whatever their case."""

from __future__ import annotations

IMAGE_EXTENSIONS = frozenset(
    {
        "jpg", "jpeg", "jpe", "jfif",
        "png",
        "webp",
        "gif",
        "tif", "tiff",
        "bmp",
        "jp2", "j2k",
        "heic", "heif", "hif",
        "avif",
    }
)  # fmt: skip
"""Without dot, in lower case."""


def is_image_name(name: str) -> bool:
    """Return whether a file of this name (last path component) is taken for an image."""
    stem, _, extension = name.rpartition(".")
    return bool(stem) and extension.lower() in IMAGE_EXTENSIONS
