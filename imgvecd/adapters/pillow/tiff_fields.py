"""TIFF's fields, of which EXIF is made: each is read by itself, so a bad one takes no other along.

Pillow's reader raises for a whole directory when one of its fields makes no sense, and knows
neither EXIF 3's UTF-8 nor big-endian BigTIFF. Nothing here raises for what bytes say.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

Value: TypeAlias = bytes | tuple[float, ...]
"""Bytes of texts, bytes and undefined things; numbers, NaN for a fraction with nothing below."""

EXIF_DIRECTORY, GPS_DIRECTORY, SUB_DIRECTORIES = 34665, 34853, 330
# TIFF's types → (bytes of one value, its form for `struct`; none for bytes).
_TYPES = {
    1: (1, ""), 2: (1, ""), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, ""),
    8: (2, "h"), 9: (4, "i"), 10: (8, "ii"), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"),
    16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
    129: (1, ""),  # EXIF 3: UTF-8
}  # fmt: skip
_FRACTIONS = {5, 10}
_UNKNOWN = 0xFFFFFFFF  # above a fraction: infinity, or what nobody knows
_MOST_FIELDS = 4096  # of a directory: those with the most, of makers' notes, have some hundred
_MOST_BYTES = 1 << 20  # of a value that `get` returns: an XP text of novel length
_MOST_DIRECTORIES = 64  # of a file, linked one behind the other
# How files and blocks begin → (the order of their bytes, whether it is BigTIFF).
_HEADERS = {
    b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True),
    b"IIRO": ("<", False), b"IIRS": ("<", False), b"MMOR": (">", False),  # Olympus
    b"IIU\0": ("<", False),  # Panasonic
}  # fmt: skip
_PREAMBLE = 64  # bytes in which "Exif\0\0" and lengths may stand before the header


class Directory:
    """The fields of one image file directory; empty if it cannot be read.

    Attributes:
        is_big_endian: how its numbers are written.
        next_at: where the following one begins; 0 if there is none.
    """

    def __init__(self, file: BinaryIO, start: int, order: str, big: bool, at: int) -> None:
        self._file = file
        self._start = start
        self._order = order
        self.is_big_endian = order == ">"
        self._big = big
        self._entries: dict[int, tuple[int, int, bytes]] = {}
        self.next_at = 0
        self._read(at)

    def __contains__(self, tag: int) -> bool:
        """Whether there is such a field, sound or not."""
        return tag in self._entries

    @property
    def tags(self) -> list[int]:
        """All that there are, in ascending order."""
        return sorted(self._entries)

    def kind(self, tag: int) -> tuple[int, int]:
        """Return the type of a field that there is, and how many values it has."""
        kind, count, _ = self._entries[tag]
        return kind, count

    def get(self, tag: int, most_bytes: int = _MOST_BYTES) -> Value | None:
        """Return a field's value; None if it is missing, damaged or longer than allowed."""
        data = self.raw(tag, most_bytes)
        if not data:
            return None
        kind = self._entries[tag][0]
        size, form = _TYPES[kind]
        if not form:
            return data
        whole = len(data) // size * size
        numbers = struct.unpack(f"{self._order}{whole // size * form}", data[:whole])
        if kind in _FRACTIONS:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            known = ((a, b) if a != _UNKNOWN else (0, 0) for a, b in pairs)
            return tuple(above / below if below else math.nan for above, below in known)
        return numbers or None

    def raw(self, tag: int, most_bytes: int = _MOST_BYTES) -> bytes:
        """Return a field's bytes whatever they are said to be; none as for `get`."""
        kind, count, inline = self._entries.get(tag, (1, 0, b""))
        length = _TYPES[kind][0] * count
        if length > most_bytes:
            return b""
        if length <= len(inline):
            return inline[:length]
        return self._bytes_at(self._offset(inline), length)

    def below(self, tag: int) -> Iterator[Directory]:
        """Yield the directories that a field points to."""
        places = self.get(tag)
        for place in places[:_MOST_DIRECTORIES] if isinstance(places, tuple) else ():
            if place == int(place) > 0:
                yield self.at(int(place))

    def at(self, place: int) -> Directory:
        """Return the directory at a place of the same file."""
        return Directory(self._file, self._start, self._order, self._big, place)

    def supplement(self, other: Directory) -> None:
        """Take over the fields of another directory of the same file that this one lacks."""
        self._entries = other._entries | self._entries

    def _read(self, at: int) -> None:
        counter, entry, inline = ("Q", 20, 8) if self._big else ("H", 12, 4)
        head = self._bytes_at(at, struct.calcsize(counter))
        if not at or len(head) < struct.calcsize(counter):
            return
        (count,) = struct.unpack(self._order + counter, head)
        table = self._bytes_at(at + len(head), min(count, _MOST_FIELDS) * entry)
        form = self._order + ("HHQ" if self._big else "HHI")
        for i in range(0, len(table) - entry + 1, entry):
            tag, kind, values = struct.unpack_from(form, table, i)
            if kind in _TYPES:  # the first of two that are called the same counts
                self._entries.setdefault(tag, (kind, values, table[i + entry - inline : i + entry]))
        link = self._bytes_at(at + len(head) + count * entry, inline)
        self.next_at = self._offset(link) if len(link) == inline else 0

    def _offset(self, data: bytes) -> int:
        return int(struct.unpack(self._order + ("Q" if self._big else "I"), data)[0])

    def _bytes_at(self, place: int, length: int) -> bytes:
        """Return as many of these bytes as there are."""
        if self._start + place > 2**62:
            return b""
        self._file.seek(self._start + place)
        return self._file.read(length)


class Fields:
    """What EXIF says of one picture.

    Attributes:
        main, exif, gps: directories, empty where there is none. What a program has put into `main`
            is in `exif` as well, unless that has it.
    """

    def __init__(self, main: Directory) -> None:
        self.main = main
        self.exif = next(main.below(EXIF_DIRECTORY), main.at(0))
        self.exif.supplement(main)
        self.gps = next(self.exif.below(GPS_DIRECTORY), main.at(0))

    @classmethod
    def of_block(cls, block: bytes) -> Fields:
        """Return the fields of an EXIF block, as formats that are no TIFF hold it."""
        places = [at for header in _HEADERS if (at := block.find(header, 0, _PREAMBLE)) >= 0]
        return cls.of_file(io.BytesIO(block[min(places, default=len(block)) :]))

    @classmethod
    def of_file(cls, file: BinaryIO) -> Fields:
        """Return those of a TIFF file's first directory; of what is no TIFF, none."""
        return cls(next(directories(file), Directory(io.BytesIO(), 0, "<", False, 0)))


def directories(file: BinaryIO) -> Iterator[Directory]:
    """Yield the directories of a TIFF file that follow each other: its pages."""
    file.seek(0)
    header = file.read(16)
    if header[:4] not in _HEADERS:
        return
    order, big = _HEADERS[header[:4]]
    if len(header) < (16 if big else 8):
        return
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), header, 8 if big else 4)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(at)
        directory = Directory(file, 0, order, big, at)
        yield directory
        at = directory.next_at
