"""XMP's RDF → properties of the picture itself, of packets as programs and accidents left them.

defusedxml parses them, which refuses document types and entities. XMP allows a small part of RDF,
which is read here: properties are attributes or elements of the outermost descriptions, alone or in
a Bag, Seq or Alt. Descriptions inside properties are of other pictures: of ingredients, ancestors.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from imgvecd.adapters import xmp_mending
from imgvecd.core.files.photo_texts import is_known, latin

Properties = dict[str, list[str]]

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LARGEST = 16_000_000
"""Bytes of a packet: those with the most edits in them have some hundred thousand, and the tree of
a larger one takes a decoder's whole time and memory."""

_CONTAINERS = {RDF + "Bag", RDF + "Seq", RDF + "Alt"}
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_MOST_REPAIRS = 5  # explaining prefixes, mending tags, explaining what then has none
_MOST_UNKNOWN = 20_000  # prefixes that a packet does not explain
_WIDE = (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2))
_BLANK = b"\r\n\t "
_BEGINNING = re.compile("[\ufeff\r\n\t ]*<[!-~]")
_FARTHEST = 256  # bytes in which blanks may stand before the first element
_DECLARED = re.compile(rb"""<\?xml[^>]{1,200}?encoding\s*=\s*["']([A-Za-z0-9._\-]{1,40})["']""")
_END = re.compile(r"</(?:[\w.\-]+:)?(?:xmpmeta|xapmeta|xml_doc)\s*>")
_RDF_END = re.compile(r"</(?:[\w.\-]+:)?RDF\s*>")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PAIR = re.compile(r"&#(xd[89ab][\da-f]{2}|5[56]\d{3});&#(xd[c-f][\da-f]{2}|5[67]\d{3});", re.IGNORECASE)  # noqa: E501 # fmt: skip
_REFERENCE = re.compile(r"&#(?:x([\da-f]{1,40})|(\d{1,40}));", re.IGNORECASE)
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,9}|#x[0-9a-fA-F]{1,8});)")
_UNBOUND = re.compile(r"(?<=[<\s/])([A-Za-z_][\w.\-]*):(?=[\w.\-])")
_BOUND = re.compile(r"xmlns:([\w.\-]+)\s*=")
_DOCTYPE = re.compile(r"<!(?:DOCTYPE|ENTITY)")


def description_of(packet: bytes) -> tuple[Properties, list[Element]]:
    """Return (properties of the picture, the elements that hold them), as far as they can be read.

    Raises:
        ValueError: it is no XMP, or far too much of it.
    """
    if len(packet) > LARGEST:
        raise ValueError(f"XMP has {LARGEST:,} bytes at most")
    root = _parsed(_repaired(_text(packet)))
    rdf = next(root.iter(RDF + "RDF"), None)
    # a description may be called by its type
    described = root.findall(RDF + "Description") if rdf is None else list(rdf)
    properties: Properties = {}
    elements: list[Element] = []
    for description in _of_the_picture(described):
        elements += description
        for name, values in _properties(description):
            properties.setdefault(_known_by(name), []).extend(values)
    return properties, elements


def _of_the_picture(descriptions: list[Element]) -> Iterator[Element]:
    """Yield the descriptions of one thing; what has a name of its own is part of a property."""
    subject = ""
    for description in descriptions:
        about = description.get(RDF + "about", "")
        subject = subject or about
        named = RDF + "ID" in description.attrib or RDF + "nodeID" in description.attrib
        if not named and about in {"", subject}:
            yield description


def _properties(description: Element) -> Iterator[tuple[str, list[str]]]:
    for name, value in description.attrib.items():
        yield name, [value.strip()]
    for child in description:
        items = [
            _value(item)
            for container in child
            if container.tag in _CONTAINERS
            for item in sorted(
                container, key=lambda item: item.get(_LANGUAGE, "").lower() != "x-default"
            )
        ]
        yield child.tag, items or [_value(child)]


def _known_by(name: str) -> str:
    """Return a property's name: some programs leave out the slash at the end of its namespace."""
    space, bracket, local = name.rpartition("}")
    return name if space[-1:] in {"", "/", "#"} else f"{space}/{bracket}{local}"


def _value(element: Element) -> str:
    """Return a simple value, also one that has qualifiers beside it, or is an address."""
    text = (element.text or "").strip() or element.get(RDF + "resource", "").strip()
    return text or (element.findtext(f".//{RDF}value") or "").strip()


def _text(packet: bytes) -> str:
    """Decode: by how its first character is written, what it declares; else UTF-8, else Latin-1."""
    for start in dict.fromkeys((packet, packet.lstrip(_BLANK))):
        place = max(start.find(b"<", 0, _FARTHEST), 0)
        for encoding, width in _WIDE:
            head = start[: (place // width + 2) * width].decode(encoding, "replace")
            if _BEGINNING.fullmatch(head):
                return start.decode(encoding, "replace")
    packet = packet.strip(b"\0" + _BLANK)
    try:
        return packet.decode()
    except UnicodeDecodeError:
        declared = _DECLARED.match(packet)
        name = declared[1].decode() if declared else ""
    if name.lower() not in {"", "utf-8", "utf8"}:
        if not is_known(name):
            raise ValueError(f"not XMP: {name} is an unknown encoding")
        return packet.decode(name, "replace")
    # a byte that is none takes its value along, not the others; all of them are another encoding's
    marred = packet.decode(errors="replace")
    return marred if _is_mostly_utf8(packet) else latin(packet)


def _is_mostly_utf8(packet: bytes) -> bool:
    return any(ord(character) > 127 for character in packet.decode(errors="ignore"))  # noqa: PLR2004


def _repaired(text: str) -> str:
    """Return the part that is XML, without what keeps a parser from reading the rest of it."""
    text = xmp_mending.plain(text[max(text.find("<"), 0) :])
    if _DOCTYPE.search(text):
        return text  # which is refused
    for end in (_END, _RDF_END):
        if last := list(end.finditer(text))[-1:]:
            text = text[: last[0].end()]
            break
    text = _PAIR.sub(_joined, text)
    text = _REFERENCE.sub(_allowed, _FORBIDDEN.sub("", text))
    return _BARE_AMPERSAND.sub("&amp;", text)


def _joined(pair: re.Match[str]) -> str:
    """Return the character of two halves, as programs write it that think in UTF-16."""
    high, low = (int(half[1:], 16) if half[0] in "xX" else int(half) for half in pair.groups())
    halves = struct.pack("<2H", high, low)
    return halves.decode("utf-16-le", "ignore")


def _allowed(reference: re.Match[str]) -> str:
    """Return a reference to a character that XML may hold; of any other, nothing."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    exists = code <= sys.maxunicode and not _FORBIDDEN.match(chr(code))
    return reference[0] if exists else ""


def _parsed(text: str) -> Element:
    """Return the outermost element; of what is no XML, with what can be read all the same."""
    mended = ""
    for _ in range(_MOST_REPAIRS):
        builder = _Builder()
        parser = DefusedXMLParser(target=builder, forbid_dtd=True)
        try:
            parser.feed(text)
            parser.close()
        except ParseError as error:
            if "unbound prefix" in str(error) and (bound := _bound(text)) != text:
                text = bound
                continue
            if not mended:
                text = mended = xmp_mending.mended(text)
                continue
            if builder.outermost is None:
                raise ValueError(f"not XMP: {error}") from error
        except DefusedXmlException as error:
            raise ValueError(f"not XMP: {error}") from error
        break
    if builder.outermost is None:
        raise ValueError("not XMP: it holds no element")
    return builder.outermost


class _Builder(TreeBuilder):
    """Builds the tree, and knows its top while it is still growing."""

    outermost: Element | None = None

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        element = super().start(tag, attrs)
        if self.outermost is None:
            self.outermost = element
        return element


def _bound(text: str) -> str:
    """Explain the prefixes that the packet does not, so that no property with one is read.

    A text with more of them than any program leaves stays as it is.
    """
    known = {"xml", "xmlns", *_BOUND.findall(text)}
    unknown: set[str] = set()
    for found in _UNBOUND.finditer(text):
        if found[1] not in known:
            unknown.add(found[1])
            if len(unknown) > _MOST_UNKNOWN:
                return text
    spaces = "".join(f' xmlns:{prefix}="unknown:{prefix}"' for prefix in sorted(unknown))
    return re.sub(r"(<[A-Za-z_][\w.:\-]*)", rf"\1{spaces}", text, count=1)
