"""Where each format keeps EXIF, XMP, IPTC and texts: blocks of bytes, not read any further."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image
from PIL.PngImagePlugin import iTXt

from imgvecd.adapters.pillow import jpeg_segments, photoshop
from imgvecd.adapters.pillow.tiff_fields import Fields, directories
from imgvecd.core.files.photo_texts import text_of

_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG = 700, 33723, 34377
_IPTC_RESOURCE, _EXIF_RESOURCE, _XMP_RESOURCE = 0x0404, 0x0422, 0x0424
_RESOURCE = re.compile(rb"8BIM\x04\x04(?=.)", re.DOTALL)
_PNG_XMP = "xml:com.adobe.xmp"
_LARGEST = 16_000_000  # bytes of a block: far above any that a program writes
_PROFILE = "raw profile type "  # how ImageMagick and ExifTool name blocks in PNG's texts
_JPEG_XL = b"\0\0\0\x0cJXL "
_JPEG_2000 = b"\0\0\0\x0cjP  "
_UUIDS = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    b"JpgTiffExif->JP2": "exif",
    bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e"): "exif",  # Photoshop's
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
    bytes.fromhex("09a14e97c0b442e0bebf36df6f0ce36f"): "iptc",
    bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb"): "resources",
}
_MOST_BOXES = 10_000  # of a file, on its outermost level
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_TRAILER_BYTES = 258  # behind the packet, so that readers who know nothing of it skip it


@dataclass(slots=True)
class Blocks:
    """What one picture's file says of it, as bytes.

    Attributes:
        exif, xmp: each that the file holds; the first counts most.
        preview: EXIF of a RAW file's preview, which LibRaw may have made up.
        texts: PNG's, by their names in lower case.
        comments: JPEG's and GIF's.
    """

    exif: list[Fields] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    iptc: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    preview: Fields | None = None


def of_picture(image: Image.Image, file: BinaryIO) -> Blocks:
    """Return the blocks of a picture that Pillow has opened, in `file`."""
    found = _by_pillow(image)
    match image.format:
        case "JPEG" | "MPO":
            _of_jpeg(file, found)
        case "TIFF":
            _of_pages(image, file, found)
        case "PNG":
            _of_png(image, found)
        case "GIF":
            found.xmp += _of_gif(file)
            comment = image.info.get("comment")
            found.comments = [text_of(comment)] if isinstance(comment, bytes) else []
        case "WEBP":
            _of_webp(file, found)
        case "PSD":
            _of_psd(photoshop.resources(file), found)
        case "JXL" | "JPEG2000":
            _of_boxes(file, found)
            resources = image.info.get("photoshop")  # of a JPEG in JPEG XL
            if isinstance(resources, dict):
                found.iptc = bytes(resources.get(_IPTC_RESOURCE) or b"")
    return found


def _by_pillow(image: Image.Image) -> Blocks:
    block, packet = image.info.get("exif"), image.info.get("xmp")
    return Blocks(
        exif=[Fields.of_block(block)] if isinstance(block, bytes) else [],
        xmp=[packet] if isinstance(packet, bytes) else [],
    )


def _of_pages(image: Image.Image, file: BinaryIO, found: Blocks) -> None:
    of_tiff(Fields.of_file(file), found)
    if image.tell():  # the page that is shown
        pages = list(directories(file))
        of_tiff(Fields(pages[image.tell()]), found)


def of_tiff(fields: Fields, found: Blocks) -> None:
    """Add what a TIFF's directory holds, in front of what was found so far."""
    found.exif.insert(0, fields)
    found.xmp = [each for each in (_bytes(fields, _XMP_TAG), *found.xmp) if each]
    found.iptc = (
        _bytes(fields, _IPTC_TAG) or _in_resources(_bytes(fields, _PHOTOSHOP_TAG)) or found.iptc
    )


def _bytes(fields: Fields, tag: int) -> bytes:
    value = fields.main.get(tag, _LARGEST)
    if isinstance(value, tuple):  # IPTC is called 32-bit numbers by many, and is bytes all the same
        return fields.main.raw(tag, _LARGEST)
    return value or b""


def _of_jpeg(file: BinaryIO, found: Blocks) -> None:
    """Read the segments; Pillow knows one block, one packet, and resources in one segment."""
    said = jpeg_segments.said(file)
    found.exif = list(map(Fields.of_block, said.exif))
    found.xmp = said.xmp
    found.iptc = _in_resources(said.resources)
    found.comments = list(map(text_of, said.comments))


def _of_png(image: Image.Image, found: Blocks) -> None:
    for name, value in image.info.items():
        if not isinstance(value, str):
            continue
        lowered = name.lower() if isinstance(name, str) else ""
        # Latin-1 by the standard, and UTF-8 by many programs
        written = value.encode("utf-8" if isinstance(value, iTXt) else "latin-1", "replace")
        if lowered == _PNG_XMP:
            found.xmp.append(written)
            continue
        if not lowered.startswith(_PROFILE):
            found.texts[lowered] = value if isinstance(value, iTXt) else text_of(written)
            continue
        kind, profile = lowered.removeprefix(_PROFILE), _profile(value)
        if kind in {"exif", "app1"} and b"http://ns.adobe.com/xap/" in profile[:64]:
            found.xmp.append(profile.partition(b"\0")[2])
        elif kind in {"exif", "app1"}:
            found.exif.append(Fields.of_block(profile))
        elif kind == "xmp":
            found.xmp.append(profile)
        elif kind in {"iptc", "8bim"}:
            found.iptc = _in_resources(profile) or profile


def _profile(text: str) -> bytes:
    """Return the bytes of a profile: a name, a length, hexadecimal digits, each on a line."""
    digits = "".join(text.split("\n")[3:] if text.startswith("\n") else text.split("\n")[2:])
    try:
        return binascii.unhexlify("".join(digits.split())[: 2 * _LARGEST])
    except ValueError:
        return b""


def _in_resources(data: bytes) -> bytes:
    """Return all IPTC out of Photoshop's image resources."""
    found = []
    for start in _RESOURCE.finditer(data):
        at = start.end() + (data[start.end()] + 2 & ~1)  # a name with its length, of even length
        size = int.from_bytes(data[at : at + 4])
        found.append(data[at + 4 : at + 4 + size])
    return b"".join(found)


def _of_gif(file: BinaryIO) -> list[bytes]:
    """Return the packet in a GIF: mostly as it is, with a trailer to be skipped; or in blocks."""
    file.seek(0)
    data = file.read(_LARGEST)
    at = data.find(_GIF_XMP)
    if at < 0:
        return []
    start = at + len(_GIF_XMP)
    if data[start : start + 1] != b"<" and data[start + 1 : start + 2] == b"<":
        return [b"".join(_blocks(data, start))]
    end = data.find(b"\x01\xff\xfe\xfd", start)
    return [data[start : end if end >= 0 else start + _LARGEST]]


def _blocks(data: bytes, at: int) -> Iterator[bytes]:
    while at < len(data) and data[at]:
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def _of_webp(file: BinaryIO, found: Blocks) -> None:
    """Read the chunks: Pillow does the first ones, and only where the header tells of them."""
    exif, xmp = [], []
    at = 12  # behind "RIFF", a length and "WEBP"
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(8)
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if len(header) < 8:  # noqa: PLR2004  # a name and a length
            break
        if name == b"EXIF":
            exif.append(Fields.of_block(file.read(min(size, _LARGEST))))
        elif name[:3] == b"XMP":
            xmp.append(file.read(min(size, _LARGEST)))
        at += 8 + size + size % 2
    found.exif, found.xmp = exif or found.exif, xmp or found.xmp


def _of_psd(resources: Iterable[tuple[int, bytes]], found: Blocks) -> None:
    for kind, data in resources:
        if kind == _EXIF_RESOURCE:
            found.exif.append(Fields.of_block(data))
        elif kind == _XMP_RESOURCE:
            found.xmp.append(data)
        elif kind == _IPTC_RESOURCE:
            found.iptc = data


def _of_boxes(file: BinaryIO, found: Blocks) -> None:
    for kind, data in _boxes(file):
        if kind == b"xml ":
            found.xmp.append(data)
        elif kind == b"Exif" and not found.exif:
            found.exif.append(Fields.of_block(data))
        elif kind == b"uuid":
            what, content = _UUIDS.get(data[:16]), data[16:]
            if what == "exif":
                found.exif.append(Fields.of_block(content))
            elif what == "xmp":
                found.xmp.append(content)
            elif what == "iptc":
                found.iptc = content
            elif what == "resources":
                found.iptc = _in_resources(content) or found.iptc


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of the boxes on the outermost level that may say something."""
    file.seek(0)
    if not file.read(12).startswith((_JPEG_XL, _JPEG_2000)):
        return
    at, room = 12, _LARGEST
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:  # noqa: PLR2004  # a length and a type
            return
        size, kind, head = int.from_bytes(header[:4]), header[4:8], 8
        if size == 1:
            size, head = int.from_bytes(header[8:16]), 16
        if kind in {b"xml ", b"Exif", b"uuid", b"brob"}:
            file.seek(at + head)
            data = file.read(min(size - head, _LARGEST) if size >= head else _LARGEST)
            if kind == b"brob":  # a few bytes of which may be millions, so all share one limit
                kind, data = data[:4], _unpacked(data[4:], room)
                room -= len(data)
            yield kind, data
        if size < head:  # it lasts until the end, or is damaged
            return
        at += size


def _unpacked(data: bytes, room: int) -> bytes:
    """Return what Brotli has compressed, up to `room` bytes.

    Nothing of what is damaged, or without the extra `jxl`.
    """
    try:
        import brotli  # noqa: PLC0415  # an extra
    except ImportError:
        return b""
    if room <= 0:
        return b""
    try:
        return bytes(brotli.Decompressor().process(data, output_buffer_limit=room))[:room]
    except brotli.error:
        return b""
