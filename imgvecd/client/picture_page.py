"""Hits and duplicates as one page of HTML: `--html FILE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.errors import BadRequestError, DaemonError
from imgvecd.picture_sheet import SheetPicture, SheetSection, pieces

_SIZE = 512  # pixels of a picture's longer side: sharp in a row, some 40 kB


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on the page.

    Attributes:
        stays: it is framed: the one of a group that is kept.
    """

    id: int
    name: str
    note: str
    width: int | None
    height: int | None
    stays: bool = False


Section = tuple[str, Sequence[Shown]]
"""A heading, and the pictures below it."""


def of_hits(hits: Sequence[api.Hit]) -> list[Section]:
    """Return the sections of a search: what was found, and what is weaker."""
    titles = {"found": "Found", "weaker": "Weaker", "nearest": "Nearest", None: "Nearest first"}
    bands = dict.fromkeys(hit.band for hit in hits)
    return [(titles[band], [_of_hit(hit) for hit in hits if hit.band == band]) for band in bands]


def of_duplicates(groups: Iterable[api.DuplicateGroup]) -> list[Section]:
    """Return a section for each group, the file to keep framed."""
    return [
        (group.kind.replace("_", " "), [_of_file(file) for file in group.files]) for group in groups
    ]


def write(daemon: DaemonConnection, path: str, title: str, sections: Sequence[Section]) -> None:
    """Write the page; pictures are asked for one after the other.

    Raises:
        BadRequestError: the file cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(pieces(title, _sheet(daemon, sections)))
    except OSError as error:
        raise BadRequestError(f"--html {path}: {error.strerror}") from error


def _sheet(daemon: DaemonConnection, sections: Sequence[Section]) -> Iterator[SheetSection]:
    for heading, pictures in sections:
        yield SheetSection(heading, (_with_picture(daemon, shown) for shown in pictures))


def _with_picture(daemon: DaemonConnection, shown: Shown) -> SheetPicture:
    picture: bytes | str
    try:
        picture = daemon.get(f"/v1/images/{shown.id}/thumbnail?size={_SIZE}")
    except DaemonError as error:
        picture = str(error)
    notes = (shown.note,)
    return SheetPicture(shown.name, picture, notes, shown.width, shown.height, shown.stays)


def _of_hit(hit: api.Hit) -> Shown:
    match = "" if hit.relevance is None else f"{hit.relevance:.0%}"
    note = "  ".join(filter(None, [match, (hit.taken_at or "")[:10], f"#{hit.id}"]))
    return Shown(hit.id, _name(hit.path), note, hit.width, hit.height)


def _of_file(file: api.DuplicateFile) -> Shown:
    pixels = f"{file.width} × {file.height}" if file.width else ""
    note = "  ".join(filter(None, [pixels, f"{file.size_bytes:,} bytes"]))
    return Shown(file.id, file.path, note, file.width, file.height, stays=file.keep)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
