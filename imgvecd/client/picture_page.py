"""Pictures as one page of HTML that loads nothing else: to be mailed, or looked at later."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.errors import BadRequestError, DaemonError
from imgvecd.terminal_output import printable

_SIZE = 512  # pixels of a picture's longer side: sharp in a row, some 40 kB
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1400px; padding: 24px 16px 60px;
  background: #fbfaf8; color: #1d1b19;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 28px 0 8px; }
.row { display: flex; flex-wrap: wrap; gap: 6px; }
.row::after { content: ""; flex: 1e6 1 0; }
figure { margin: 0; background: #efedea; border-radius: 6px; overflow: hidden; }
figure.stays { outline: 3px solid #24614f; outline-offset: -3px; }
img, .none { display: block; width: 100%; }
.none { display: grid; place-items: center; min-height: 120px; color: #66615a; padding: 8px; }
figcaption { font-size: .82rem; color: #66615a; padding: 5px 9px 7px; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #141413; color: #eeebe6; }
  figure { background: #292826; } figcaption, .none { color: #a8a39b; } }
"""
_SMALL = '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
_POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
)


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
            file.writelines(_pieces(daemon, title, sections))
    except OSError as error:
        raise BadRequestError(f"--html {path}: {error.strerror}") from error


def _pieces(daemon: DaemonConnection, title: str, sections: Sequence[Section]) -> Iterator[str]:
    name = html.escape(title)
    yield f"{_SMALL}{_POLICY}<title>{name}</title>\n<style>{_STYLE}</style>\n<h1>{name}</h1>\n"
    for heading, pictures in sections:
        if heading:
            yield f"<h2>{html.escape(heading)}</h2>\n"
        yield '<div class="row">\n'
        for picture in pictures:
            yield _figure(daemon, picture)
        yield "</div>\n"
    yield "</html>\n"


def _figure(daemon: DaemonConnection, shown: Shown) -> str:
    ratio = (shown.width or 4) / (shown.height or 3)
    # each as wide as its shape asks for, and then stretched until the row is full
    style = f"flex: {ratio:.3f} 1 {220 * min(ratio, 3):.0f}px"
    name, kind = html.escape(printable(shown.name)), ' class="stays"' if shown.stays else ""
    try:
        jpeg = daemon.get(f"/v1/images/{shown.id}/thumbnail?size={_SIZE}")
    except DaemonError as error:
        picture = f'<div class="none">{html.escape(str(error))}</div>'
    else:
        data = base64.b64encode(jpeg).decode()
        picture = f'<img alt="{name}" src="data:image/jpeg;base64,{data}">'
    note = f"<br>{html.escape(shown.note)}" if shown.note else ""
    caption = f"<figcaption><bdi>{name}</bdi>{note}</figcaption>"
    return f'<figure{kind} style="{style}">{picture}{caption}</figure>\n'


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
