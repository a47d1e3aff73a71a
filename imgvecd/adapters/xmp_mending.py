"""XML as a parser takes it, of packets that are nearly XML: one bad tag takes no other along.

What programs and accidents leave: a `<` in a text, attributes without quotes or said twice, ends
that are missing or belong to nothing. In linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = r"[A-Za-z_][\w.\-]{0,200}(?::[A-Za-z_][\w.\-]{0,200})?"
_PIECE = re.compile(
    rf"</(?P<end>{_NAME})\s*>"
    rf"""|<(?P<start>{_NAME})(?P<said>(?:[^<>"']|"[^"]*"|'[^']*')*)>"""
)
_ENDS = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>"}
_ASIDE = re.compile("|".join(map(re.escape, _ENDS)))
_ATTRIBUTE = re.compile(rf"""(?<!\S)({_NAME})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>/]+))""")
_DEEPEST = 100  # elements within each other: XMP has some ten


def mended(text: str) -> str:
    """Return a text whose tags are all closed in order, each with every attribute once."""
    return "".join(_pieces(text))


def plain(text: str) -> str:
    """Return a text without comments and instructions, and what is marked as text as any other."""
    return "".join(_between(text))


def _between(text: str) -> Iterator[str]:
    at = 0
    ends: dict[str, int] = {}
    for found in _ASIDE.finditer(text):
        if found.start() < at:
            continue
        end = _ENDS[found[0]]
        if ends.get(end, 0) >= 0:
            ends[end] = text.find(end, found.end())
        if ends[end] < 0:
            continue  # nor has any later one
        yield text[at : found.start()]
        if found[0] == "<![CDATA[":
            yield text[found.end() : ends[end]].replace("&", "&amp;").replace("<", "&lt;")
        at = ends[end] + len(end)
    yield text[at:]


def _pieces(text: str) -> Iterator[str]:
    open_: list[str] = []
    at = 0
    for found in _PIECE.finditer(text):
        yield _escaped(text[at : found.start()])
        at = found.end()
        if start := found["start"]:
            said = found["said"]
            attributes = {
                name: double or single or bare
                for name, double, single, bare in _ATTRIBUTE.findall(said)
            }
            inside = "".join(f' {k}="{_in_quotes(v)}"' for k, v in attributes.items())
            alone = said.rstrip().endswith("/")
            if alone or len(open_) < _DEEPEST:
                yield f"<{start}{inside}{'/' if alone else ''}>"
            if not alone and len(open_) < _DEEPEST:
                open_.append(start)
        elif (end := found["end"]) in open_:
            while (last := open_.pop()) != end:
                yield f"</{last}>"
            yield f"</{end}>"
    yield _escaped(text[at:])
    yield from (f"</{name}>" for name in reversed(open_))


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


def _in_quotes(value: str) -> str:
    return _escaped(value).replace('"', "&quot;")
