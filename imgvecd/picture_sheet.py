"""Pictures as one page of HTML that loads nothing else: to be mailed, or looked at later."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imgvecd.terminal_output import printable

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1400px; padding: 24px 16px 60px;
  background: #fbfaf8; color: #1d1b19;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 28px 0 8px; }
small { display: block; font-weight: 400; color: #66615a; }
.row { display: flex; flex-wrap: wrap; gap: 6px; }
.row::after { content: ""; flex: 1e6 1 0; }
figure { margin: 0; background: #efedea; border-radius: 6px; overflow: hidden; }
figure.stays { outline: 3px solid #24614f; outline-offset: -3px; }
img, .none { display: block; width: 100%; }
.none { display: grid; place-items: center; min-height: 120px; color: #66615a; padding: 8px; }
figcaption { font-size: .82rem; color: #66615a; padding: 5px 9px 7px; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #141413; color: #eeebe6; }
  figure { background: #292826; } figcaption, .none, small { color: #a8a39b; } }
"""
_HEAD = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
)


@dataclass(frozen=True, slots=True)
class SheetPicture:
    """A picture on the page.

    Attributes:
        picture: a JPEG, or why there is none.
        notes: lines below the name.
        width, height: pixels, of any scale; None if unknown.
        framed: it stands out: what was asked for, or what is kept of a group.
    """

    name: str
    picture: bytes | str
    notes: tuple[str, ...]
    width: int | None
    height: int | None
    framed: bool = False


@dataclass(frozen=True, slots=True)
class SheetSection:
    """A heading, which may be empty, and the pictures below it, which are taken one by one."""

    heading: str
    pictures: Iterable[SheetPicture]
    about: str = ""


def pieces(title: str, sections: Iterable[SheetSection], about: str = "") -> Iterator[str]:
    """Yield the page, piece by piece."""
    yield f"{_HEAD}<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n"
    yield _heading("h1", title, about)
    for section in sections:
        if section.heading:
            yield _heading("h2", section.heading, section.about)
        yield '<div class="row">\n'
        for picture in section.pictures:
            yield _figure(picture)
        yield "</div>\n"
    yield "</html>\n"


def _heading(tag: str, text: str, about: str) -> str:
    small = f"<small>{_escaped(about)}</small>" if about else ""
    return f"<{tag}>{_escaped(text)}{small}</{tag}>\n"


def _figure(shown: SheetPicture) -> str:
    ratio = (shown.width or 4) / (shown.height or 3)
    # each as wide as its shape asks for, and then stretched until the row is full
    style = f"flex: {ratio:.3f} 1 {220 * min(ratio, 3):.0f}px"
    name, kind = _escaped(shown.name), ' class="stays"' if shown.framed else ""
    if isinstance(shown.picture, str):
        picture = f'<div class="none">{_escaped(shown.picture)}</div>'
    else:
        data = base64.b64encode(shown.picture).decode()
        picture = f'<img alt="{name}" src="data:image/jpeg;base64,{data}">'
    notes = "".join(f"<br>{_escaped(note)}" for note in shown.notes if note)
    caption = f"<figcaption><bdi>{name}</bdi>{notes}</figcaption>"
    return f'<figure{kind} style="{style}">{picture}{caption}</figure>\n'


def _escaped(text: str) -> str:
    return html.escape(printable(text))
