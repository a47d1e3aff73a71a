"""Hits and duplicates as one page of HTML: `--html FILE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.errors import BadRequestError, DaemonError
from imgvecd.picture_sheet import SheetPicture, SheetSection, pieces

_SIZE = 512  # pixels of a picture's longer side: sharp in a row, some 40 kB


def of_hits(daemon: DaemonConnection, hits: Sequence[api.Hit]) -> Iterator[SheetSection]:
    """Yield the sections of a search: what was found, and what is weaker."""
    titles = {"found": "Found", "weaker": "Weaker", "nearest": "Nearest", None: "Nearest first"}
    for band in dict.fromkeys(hit.band for hit in hits):
        within = [hit for hit in hits if hit.band == band]
        yield SheetSection(titles[band], (_of_hit(daemon, hit) for hit in within))


def of_duplicates(
    daemon: DaemonConnection, groups: Iterable[api.DuplicateGroup]
) -> Iterator[SheetSection]:
    """Yield a section for each group, the file to keep framed."""
    for group in groups:
        pictures = (_of_file(daemon, file) for file in group.files)
        yield SheetSection(group.kind.replace("_", " "), pictures)


def write(path: str, title: str, sections: Iterable[SheetSection]) -> None:
    """Write the page; pictures are asked for one after the other.

    Raises:
        BadRequestError: the file cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(pieces(title, sections))
    except OSError as error:
        raise BadRequestError(f"--html {path}: {error.strerror}") from error


def _of_hit(daemon: DaemonConnection, hit: api.Hit) -> SheetPicture:
    match = "" if hit.relevance is None else f"{hit.relevance:.0%}"
    note = " · ".join(filter(None, [match, (hit.taken_at or "")[:10], f"#{hit.id}"]))
    name = hit.path.rpartition("/")[2]
    return SheetPicture(name, _thumbnail(daemon, hit.id), (note,), hit.width, hit.height)


def _of_file(daemon: DaemonConnection, file: api.DuplicateFile) -> SheetPicture:
    pixels = f"{file.width} × {file.height}" if file.width else ""
    note = " · ".join(filter(None, [pixels, f"{file.size_bytes:,} bytes"]))
    picture = _thumbnail(daemon, file.id)
    return SheetPicture(file.path, picture, (note,), file.width, file.height, framed=file.keep)


def _thumbnail(daemon: DaemonConnection, image_id: int) -> bytes | str:
    """Return a JPEG, or why there is none."""
    try:
        return daemon.get(f"/v1/images/{image_id}/thumbnail?size={_SIZE}")
    except DaemonError as error:
        return str(error)
