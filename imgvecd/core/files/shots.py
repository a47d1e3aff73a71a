"""Which shot a file shows, by its name: what cameras, phones and programs call the parts of one.

RAW, development, film and edit of one shot have names that differ in case, in Unicode's spelling,
or in an ending that says what they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from imgvecd.core.files.formats import RAW_EXTENSIONS, is_image_name
from imgvecd.spelling import composed, folded, spellings

_GOOGLE = re.compile(
    r"(?P<shot>(?:PXL|MVIMG|IMG|VID)_\d{8}_\d{6,9})"
    r"(?P<parts>(?:\.(?:(?:RAW|PORTRAIT|MOTION|NIGHT|LONG_EXPOSURE|ACTION_PAN)-\d\d"
    r"|COVER|ORIGINAL|MP|TS|LS|RAW|PORTRAIT|NIGHT|PANO|PHOTOSPHERE|LONG_EXPOSURE|ACTION_PAN))*)"
    r"(?P<number>(?: ?\(\d+\))?)",
    re.IGNORECASE,
)
_APPLE = re.compile(
    r"(?P<head>IMG_)(?P<edit>[EO]?)(?P<number>\d{4,}(?: ?\(\d+\)| \d)?)", re.IGNORECASE
)
# Of a Photos Library: the film of a Live Photo, and the RAW of a pair
_PHOTOS = re.compile(
    r"(?P<shot>[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})_[34]", re.ASCII | re.IGNORECASE
)
_LUMIA = re.compile(r"(?P<shot>WP_\d{8}.*?)(?:_(?:Pro|Raw|Rich|Smart)|__highres)+", re.IGNORECASE)
EDIT_ENDINGS = (
    "-edited", "-edit", "-bearbeitet", "-modifié", "-editado", "-editada", "-modificato",
    "-modificata", "-bewerkt", "-redigerad", "-redigeret", "-redigert", "-edytowane", "-upraveno",
    "-muokattu", "-düzenlendi", "-изменено", "-编辑", "-已編輯", "-編集済み", "-수정됨",
    "-ha editado", "-editat", "-effects",
)  # fmt: skip
"""What Google Photos, in several languages, puts behind the name of what was edited."""
_EDITED = re.compile(
    rf"(?P<shot>.+?)(?:~\d+|[_ ]edit(?:ed|_\d{{13,}})?|(?:{'|'.join(EDIT_ENDINGS)})(?:-\d)?"
    r"|-enhanced(?:-[a-z]{2})*(?:-\d)?| ?\(edited\)|_mh\d{13}"
    # possessive: each could end anywhere in a row of them, which takes exponential time
    r"|[-_]dxo(?:_[\w ]++)?+|[-_](?:topaz|denoiseai|sharpenai|gigapixel)[-\w ]*+)+",
    re.IGNORECASE,
)
# Of several photos of the same name Google Photos numbers the edits behind their ending.
_NUMBERED_EDIT = re.compile(
    rf"(?P<head>.+)(?:{'|'.join(EDIT_ENDINGS)})(?P<number>\(\d+\))", re.IGNORECASE
)
_NUMBERED = re.compile(r"(?P<head>.+)(?P<number>\(\d+\))")
_RAW_ENDING = re.compile(
    rf"(?P<shot>.+?)(?:[-_ .]raw|\(raw\)|_hevc|\.(?:{'|'.join(RAW_EXTENSIONS)}))", re.IGNORECASE
)

# What may follow a shot in a name, as half-open ranges of bytes: " " to ".", "_", "~".
_AFTER = ((b" ", b"/"), (b"_", b"`"), (b"~", b"\x7f"))


class Shot(NamedTuple):
    """What a file's name says.

    Attributes:
        key: the same for all files of a shot.
        edited: the name says that it is an edit.
        beginning: what the names of its files begin with, as spelled in this one.
    """

    key: str
    edited: bool
    beginning: str


def shot_of(name: str) -> Shot:
    """Return what the name of an image, a film or a sidecar says."""
    stem = _stem(name)
    edited = False
    if found := _NUMBERED_EDIT.fullmatch(stem) or _NUMBERED_EDIT.fullmatch(composed(stem)):
        stem, edited = found["head"] + found["number"], True
    elif found := _EDITED.fullmatch(stem) or _EDITED.fullmatch(composed(stem)):
        stem, edited = found["shot"], True
    if found := _APPLE.fullmatch(stem):
        edited = edited or found["edit"].upper() == "E"
        return Shot(folded(found["head"] + found["number"]), edited, stem)
    if found := _GOOGLE.fullmatch(stem):
        parts = found["parts"].upper()
        # of a portrait the cover is made from the original; of a RAW pair both are the camera's
        edited = edited or ("COVER" in parts and "RAW" not in parts)
        return Shot(folded(found["shot"] + found["number"]), edited, found["shot"])
    for pattern in (_PHOTOS, _LUMIA, _RAW_ENDING):
        if found := pattern.fullmatch(stem):
            stem = found["shot"]
    return Shot(folded(stem), edited, stem)


def ranges(name: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield half-open ranges of names that hold all files of the shot of `name`, and some more.

    What comes third is in the names; empty if anything may be.
    """
    beginning = shot_of(os.fsdecode(name)).beginning
    variants = [beginning]
    if found := _APPLE.fullmatch(beginning):
        variants = [f"{found['head']}{mark}{found['number']}" for mark in ("", "E", "O")]
    cases = (case for text in variants for case in (text, text.upper(), text.lower()))
    encoded = (spelled for case in cases for spelled in spellings(os.fsencode(case)))
    for start in dict.fromkeys(encoded):
        yield from ((start + first, start + beyond, b"") for first, beyond in _AFTER)
    if found := _NUMBERED.fullmatch(beginning):
        number = os.fsencode(found["number"])
        for start in dict.fromkeys(spellings(os.fsencode(found["head"]))):
            yield start + b"-", start + b".", number


def _stem(name: str) -> str:
    """Return a name without its extension, of a sidecar without its image's extension as well."""
    stem, _, extension = name.rpartition(".")
    names_an_image = extension.lower() in {"xmp", "aae"} and is_image_name(stem)
    return stem.rpartition(".")[0] if names_an_image else stem
