"""Files that belong together by their names: sidecars, the film of a Live Photo, RAW and JPEG.

`a.xmp` and `a.jpg.xmp` are sidecars of `a.jpg`, `a.mov` its film, `a.cr2` the RAW that it was
developed from, `a-edited.jpg` its edit, all in one folder; neither case nor Unicode's spelling
counts, and what makers call the files of one shot is known (`shots`), and so is how exports name
side files (`exports`). Names alone decide, so files that are renamed together stay together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Literal

from imgvecd.core.files import exports
from imgvecd.core.files.formats import RAW_EXTENSIONS, is_companion_name, is_image_name
from imgvecd.core.files.photo_dates import adds_nothing, is_to_the_second
from imgvecd.core.files.shots import shot_of
from imgvecd.spelling import folded_name
from imgvecd.types import Facts

CompanionKind = Literal["sidecar", "video", "raw", "developed", "edited", "original"]

_WRITTEN = {"title", "description", "rating", "favorite"}  # by people, in the service


def stem(name: bytes) -> bytes:
    """Return a file's name without its extension."""
    return name.rpartition(b".")[0]


def kind_beside(name: bytes, other: bytes) -> CompanionKind | None:
    """Return what the file `other` is to the image file `name`, in one folder; None: nothing."""
    if other == name:
        return None
    of_other = _extension(other)
    if of_other in {b"xmp", b"json"}:
        return "sidecar" if _describes(other, name) else None
    if shot_of(os.fsdecode(name)).key != shot_of(os.fsdecode(other)).key:
        return None
    if of_other == b"aae":
        return "sidecar"
    if is_companion_name(os.fsdecode(other)):
        return "video"
    return _kind_of_picture(name, other) if is_image_name(os.fsdecode(other)) else None


def _describes(sidecar: bytes, name: bytes) -> bool:
    if _extension(sidecar) == b"json":
        return exports.rank(name, sidecar) is not None
    return folded_name(stem(sidecar)) in {folded_name(name), folded_name(stem(name))}


def _kind_of_picture(name: bytes, other: bytes) -> CompanionKind | None:
    """Return what a picture of the same shot is to an image."""
    mine, its = shot_of(os.fsdecode(name)), shot_of(os.fsdecode(other))
    if is_raw(other) != is_raw(name):
        return "raw" if is_raw(other) else "developed"
    if mine.edited != its.edited:
        return "edited" if its.edited else "original"
    return None


def is_raw(name: bytes) -> bool:
    """Return whether a file of this name is camera RAW."""
    return _extension(name).decode("ascii", "replace") in RAW_EXTENSIONS


def sidecars_of(name: bytes, others: Iterable[bytes]) -> list[bytes]:
    """Return the XMP sidecars of an image, the more specific one first."""
    found = [
        other
        for other in others
        if _extension(other) == b"xmp" and kind_beside(name, other) == "sidecar"
    ]
    nearest = (name, folded_name(name), stem(name))
    return sorted(
        found,
        key=lambda other: (
            *(spelled not in {stem(other), folded_name(stem(other))} for spelled in nearest),
            other,
        ),
    )


def export_of(name: bytes, others: Iterable[bytes]) -> bytes | None:
    """Return the side file that an export put beside an image: the one whose name is closest."""
    found = [other for other in others if _extension(other) == b"json"]
    ranks = {other: rank for other in found if (rank := exports.rank(name, other)) is not None}
    return min(ranks, key=lambda other: (ranks[other], other), default=None)


def with_export(taken_at: str | None, facts: Facts, exported: Facts) -> tuple[str | None, Facts]:
    """Return (when taken, facts) with what the side file of an export says besides.

    The service knew what the picture's file says, and an instant instead of local time. So it says
    when and where only for a picture that does not; what was written there is the later word.
    """
    merged = dict(facts)
    placed = "gps_latitude" in facts
    for name, value in exported.items():
        own = facts.get(name)
        if isinstance(value, list) and isinstance(own, list):
            merged[name] = list(dict.fromkeys([*own, *value]))
        elif name in _WRITTEN or (own is None and not (placed and name.startswith("gps_"))):
            merged[name] = value
    moment = merged.pop("taken_at", None)
    if isinstance(moment, str) and _is_open(taken_at, facts):
        taken_at = moment
        merged["taken_at_source"] = "sidecar"
    return taken_at, merged


def _is_open(taken_at: str | None, facts: Facts) -> bool:
    """Return whether a picture tells no time itself, nor its name one to the second."""
    source = facts.get("taken_at_source")
    if taken_at is None or source == "file":
        return True
    return source == "name" and not is_to_the_second(taken_at)


def overlaid(
    taken_at: str | None, facts: Facts, sidecars: Sequence[Facts]
) -> tuple[str | None, Facts]:
    """Return (when taken, facts) with what sidecars say instead; the first of them counts most.

    A sidecar is where a program writes that leaves pictures alone, so it is the later word. But the
    same time without its offset, or less precise, is no news.
    """
    merged = dict(facts)
    for sidecar in reversed(sidecars):
        moment = sidecar.get("taken_at")
        if isinstance(moment, str) and not adds_nothing(moment, taken_at or ""):
            taken_at = moment
            merged["taken_at_source"] = "sidecar"
        merged |= {name: value for name, value in sidecar.items() if name != "taken_at"}
    return taken_at, merged


def _extension(name: bytes) -> bytes:
    return name.rpartition(b".")[2].lower()
