"""JPEG's segments, as far as its picture: what kind of JPEG it is, and what is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

_START = b"\xff\xd8"
_MOST_SEGMENTS = 1000
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # tables and what is reserved lie between
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_SCAN, _END = 0xDA, 0xD9
_APP1, _APP13, _COMMENT = 0xE1, 0xED, 0xFE
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_HIERARCHICAL = {0xC5, 0xC6, 0xCD, 0xCE}
_LS = 0xF7
_COMMON_BITS = 8

_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_BYTES, _ORDERS = 6, {b"II", b"MM"}
_FURTHER_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = (b"Photoshop 3.0\0", b"Adobe_Photoshop2.5:")
_GUID_BYTES, _PLACE_BYTES = 32, 8  # of the packet, its length and a part's place in it
_LARGEST_FURTHER = 1 << 20  # bytes: what people write is far below, larger are maps of depth


class Said(NamedTuple):
    """What a file says of its picture.

    Attributes:
        exif: each block, in order.
        xmp: each packet, and behind them what was too large for one segment.
        resources: Photoshop's, which may go on from one segment to the next.
        comments: each, in order.
    """

    exif: list[bytes]
    xmp: list[bytes]
    resources: bytes
    comments: list[bytes]


def said(file: BinaryIO) -> Said:
    """Return what a JPEG file says of its picture; the file's position moves."""
    blocks: list[bytes] = []
    packets: list[bytes] = []
    resources: list[bytes] = []
    comments: list[bytes] = []
    parts: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for marker, length in _segments(file):
        if marker not in {_APP1, _APP13, _COMMENT}:
            continue
        data = file.read(length)
        if marker == _COMMENT:
            comments.append(data)
        elif marker == _APP13:
            heads = filter(data.startswith, _PHOTOSHOP)
            resources += (data.removeprefix(head) for head in heads)
        elif data.startswith(_EXIF) and blocks and data[_EXIF_BYTES:][:2] not in _ORDERS:
            blocks[-1] += data[_EXIF_BYTES:]  # which went on in another segment
        elif data.startswith(_EXIF):
            blocks.append(data)
        elif data.startswith(_XMP):
            packets.append(data[len(_XMP) :])
        elif data.startswith(_FURTHER_XMP):
            at = len(_FURTHER_XMP) + _GUID_BYTES
            place = data[at + 4 : at + _PLACE_BYTES]
            parts[data[len(_FURTHER_XMP) : at]][place] = data[at + _PLACE_BYTES :]
    packets += list(_further(packets, parts))
    return Said(blocks, packets, b"".join(resources), comments)


def _further(packets: list[bytes], parts: Mapping[bytes, Mapping[bytes, bytes]]) -> Iterator[bytes]:
    """Yield the packets in parts that one of the others names."""
    for guid, pieces in parts.items():
        whole = b"".join(pieces[place] for place in sorted(pieces))
        if len(whole) <= _LARGEST_FURTHER and any(guid in packet for packet in packets):
            yield whole


def unsupported(file: BinaryIO) -> str | None:
    """Return what kind of JPEG a file is, for a person, if it is one that cannot be read."""
    for marker, _ in _segments(file):
        if marker in _FRAMES:
            return _named(marker, file.read(1))
    return None


def _segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield (marker, length of its content, where the file then stands), up to the picture."""
    file.seek(0)
    if file.read(2) != _START:
        return
    for _ in range(_MOST_SEGMENTS):
        head = file.read(2)
        while head == b"\xff\xff":
            head = b"\xff" + file.read(1)
        if len(head) < 2 or head[0] != 0xFF or head[1] in {_SCAN, _END}:  # noqa: PLR2004  # a marker
            return
        if head[1] in _ALONE:
            continue
        length = max(int.from_bytes(file.read(2)) - 2, 0)
        start = file.tell()
        yield head[1], length
        file.seek(start + length)


def _named(kind: int, precision: bytes) -> str | None:
    if kind == _LS:
        return "it is JPEG-LS, which is not supported"
    if precision and precision[0] != _COMMON_BITS:
        return f"it is a JPEG of {precision[0]} bits a colour, which is not supported"
    if kind in _LOSSLESS:
        return "it is a lossless JPEG, which is not supported"
    if kind in _HIERARCHICAL:
        return "it is a hierarchical JPEG, which is not supported"
    return None
