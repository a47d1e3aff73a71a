"""A page of pictures with captions: HTML in one file, which needs and loads nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

_STYLE = """
:root { color-scheme: light dark; --back: #f6f5f2; --card: #fff; --text: #1d1d1b; --dim: #6b6a66;
  --line: #e2e0da; --mark: #2f6f4f; }
@media (prefers-color-scheme: dark) { :root { --back: #161615; --card: #222220; --text: #ecebe6;
  --dim: #a09f99; --line: #34332f; --mark: #7fc9a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 24px 64px; background: var(--back);
  color: var(--text); font: 15px/1.45 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
h1 { font-size: 28px; margin: 0; }
header p { color: var(--dim); margin: 4px 0 0; }
section { margin-top: 36px; }
h2 { font-size: 18px; margin: 0 0 12px; font-weight: 600; }
h2 small { font-size: 13px; font-weight: 400; color: var(--dim); display: block; }
.row { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; }
figure.marked { border-color: var(--mark); box-shadow: 0 0 0 1px var(--mark); }
img, .none { display: block; width: 100%; height: 150px; object-fit: cover;
  background: var(--line); }
figcaption { padding: 8px 10px 10px; font-size: 13px; overflow-wrap: anywhere; }
figcaption b { display: block; font-weight: 600; }
figcaption i { display: block; font-style: normal; color: var(--dim); font-size: 12px; }
figcaption em { font-style: normal; color: var(--mark); font-weight: 600; font-size: 12px; }
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A picture and what is said of it.

    Attributes:
        picture: a JPEG; empty shows a grey field.
        marked: it stands out: what was asked for, or what is to be kept.
    """

    picture: bytes
    name: str
    note: str
    facts: str
    folder: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class SheetSection:
    """A row of pictures, and what they are the answer to."""

    title: str
    asked: str
    cards: tuple[Card, ...]


def render(subject: str, sections: Sequence[SheetSection]) -> str:
    """Return the page."""
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>imgvecd: {html.escape(subject)}</title>\n<style>{_STYLE}</style>\n"
        f"<header><h1>imgvecd</h1><p>What it found among {html.escape(subject)}</p></header>\n"
        f"{body}\n</html>\n"
    )


def _section(section: SheetSection) -> str:
    cards = "\n".join(_card(card) for card in section.cards)
    title, asked = html.escape(section.title), html.escape(section.asked)
    return (
        f'<section><h2>{asked}<small>{title}</small></h2>\n<div class="row">{cards}</div></section>'
    )


def _card(card: Card) -> str:
    name = html.escape(card.name)
    encoded = base64.b64encode(card.picture).decode()
    picture = (
        f'<img src="data:image/jpeg;base64,{encoded}" alt="{name}">'
        if card.picture
        else '<div class="none"></div>'
    )
    kind = ' class="marked"' if card.marked else ""
    return (
        f"<figure{kind}>{picture}<figcaption><b>{name}</b><em>{html.escape(card.note)}</em>"
        f"<i>{html.escape(card.facts)}</i><i>{html.escape(card.folder)}</i></figcaption></figure>"
    )
