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
_CONTAINERS = {"Bag", "Seq", "Alt"}
_NODES = {"Description", *_CONTAINERS}  # all that a property may hold that is no structure itself
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
    open_: list[tuple[str, str | None]] = []  # names, and their kinds as for `_may_hold`
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
            local = start.rpartition(":")[2]
            while open_ and not _may_hold(open_[-1][1], local):
                yield f"</{open_.pop()[0]}>"
            inside = "".join(f' {k}="{_in_quotes(v)}"' for k, v in attributes.items())
            alone = said.rstrip().endswith("/")
            if alone or len(open_) < _DEEPEST:
                yield f"<{start}{inside}{'/' if alone else ''}>"
            if not alone and len(open_) < _DEEPEST:
                is_rdf = local == "Description" or bool(open_ and open_[-1][1] is not None)
                is_structure = "Resource" in attributes.values()
                open_.append((start, ("" if is_structure else local) if is_rdf else None))
        elif any(name == found["end"] for name, _ in open_):
            while (last := open_.pop()[0]) != found["end"]:
                yield f"</{last}>"
            yield f"</{last}>"
    yield _escaped(text[at:])
    yield from (f"</{name}>" for name, _ in reversed(open_))


def _may_hold(kind: str | None, child: str) -> bool:
    """Return whether RDF allows an element within another; if not, the other's end is missing.

    Args:
        kind: the other's local name; empty for a structure, None outside of all descriptions.
        child: the element's local name.
    """
    if kind is None:
        return True
    if kind in _CONTAINERS:
        return child == "li"
    return (child in _NODES) == (kind not in {"", "Description"})


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


def _in_quotes(value: str) -> str:
    return _escaped(value).replace('"', "&quot;")
