"""Which files count as images: a table of name extensions, whatever their case; and extras.

A new format stands here and, with what decodes it, in `adapters.pillow.opening`.
"""

from __future__ import annotations

import importlib.util
import re

RAW_EXTENSIONS = frozenset(
    {
        "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mef",
        "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
    }
)  # fmt: skip
"""Of camera RAW; without dot, in lower case."""

IMAGE_EXTENSIONS = RAW_EXTENSIONS | {
    "jpg", "jpeg", "jpe", "jfif", "jfi", "jif", "pjpeg", "pjp", "mpo", "jps", "insp",
    "png", "apng",
    "webp",
    "gif",
    "tif", "tiff",
    "bmp", "dib",
    "jp2", "j2k", "j2c", "jpf", "jpx",
    "heic", "heif", "hif", "heics", "heifs",
    "avif", "avifs",
    "jxl",
    "ppm", "pgm", "pbm", "pnm", "pfm", "qoi", "tga", "ico", "psd", "psb",
}  # fmt: skip
"""Without dot, in lower case."""

COMPANION_EXTENSIONS = frozenset({"xmp", "aae", "mov", "mp4"})
"""Of files that may belong to an image: sidecars, and the films of Live Photos. Besides, there are
those of `is_export_name`."""

SUPPLEMENT = "supplemental-metadata"
"""What Google Takeout puts behind a picture's name in that of its side file, whole or cut."""
CUT_LENGTHS = frozenset({46, 47})
"""Characters to which Takeout cuts the names of side files, without ".json"."""

_JSON = re.compile(r"(?P<title>.+?)(?P<number>\(\d{1,9}\))?\.json", re.IGNORECASE | re.DOTALL)

# Extra of the package → the module that decodes its format.
_EXTRAS = {"jxl": "pillow_jxl", "raw": "rawpy"}


def is_image_name(name: str) -> bool:
    """Return whether a file of this name (last path component) is taken for an image."""
    stem, _, extension = name.rpartition(".")
    return bool(stem) and extension.lower() in IMAGE_EXTENSIONS


def is_sidecar_name(name: str) -> bool:
    """Return whether a file of this name holds metadata that can be read."""
    return name.lower().endswith(".xmp") or is_export_name(name)


def is_export_name(name: str) -> bool:
    """Return whether a file of this name is JSON that an export may have put beside a picture.

    It is named after one ("a.jpg.json"), or cut to Takeout's length; other JSON is left alone.
    """
    return export_title(name) is not None


def export_title(name: str) -> tuple[str, str, bool] | None:
    """Return (name of the picture, its number as "(1)" or "", whether that name is whole).

    None for what is no side file of an export.
    """
    if name[-5:].lower() != ".json" or (found := _JSON.fullmatch(name)) is None:
        return None
    title, number = found["title"], found["number"] or ""
    named, _, ending = title.rpartition(".")
    if SUPPLEMENT.startswith(ending.lower()) and is_image_name(named):
        return named, number, True
    if is_image_name(title):
        return title, number, True
    is_cut = not CUT_LENGTHS.isdisjoint((len(title), utf16_length(title), utf16_length(title) + 1))
    return (title, number, False) if is_cut else None


def utf16_length(text: str) -> int:
    """Return how many characters Google, Java and JavaScript take a text to have."""
    return len(text) + sum(character > "\uffff" for character in text)


def is_companion_name(name: str) -> bool:
    """Return whether a file of this name may belong to an image, without being one."""
    return name.rpartition(".")[2].lower() in COMPANION_EXTENSIONS or is_export_name(name)


def is_same_kind(name: str, other: str) -> bool:
    """Return whether files of both names mean the same: images, what belongs to one, or neither."""
    return _kind(name) == _kind(other)


def _kind(name: str) -> tuple[bool, bool, bool, bool]:
    return is_image_name(name), is_sidecar_name(name), is_companion_name(name), is_export_name(name)


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
