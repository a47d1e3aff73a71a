"""What a person or an agency wrote about a picture in IPTC's older format (IIM)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

from imgvecd.core.files.photo_dates import moment
from imgvecd.core.files.photo_facts import each, several
from imgvecd.core.files.photo_texts import described, latin, of_japan, text_of
from imgvecd.types import Facts

_MARKER = 0x1C
_HEADER_BYTES = 5
_EXTENDED = 0x8000  # the bit that says that a length is one of a length
_MOST_FIELDS = 10_000  # of a block: keywords are cut at 2,000
_RECORDS = range(1, 10)
_OF_TEXTS = {1, 2}  # records of which no value that is read here is of other bytes
_NEXT = re.compile(rb"\x1c[\x01-\x09]")
_CHARACTER_SET = (1, 90)
_KEYWORDS, _CREATORS = (2, 25), (2, 80)
_DATES = (((2, 55), (2, 60)), ((2, 62), (2, 63)))  # created, digitised
_TEXTS = {
    "title": ((2, 5), (2, 105)),  # and the headline
    "city": ((2, 90),),
    "country": ((2, 101),),
    "copyright": ((2, 116),),
}
_DESCRIPTION = (2, 120)
# What ISO 2022's escapes in field 1:90 name; anything else is found out of the bytes.
_UTF_16 = re.compile(rb"\x1b%/[@CEJKL]")
_ONE_BYTE = re.compile(rb"\x1b[-.,/](.)")
_TWO_BYTES = re.compile(rb"\x1b\$[()*+]?(.)")
_JAPANESE = "Japanese"  # of which there are several
_OF_TWO_BYTES = {
    b"A": "gb18030", b"C": "euc-kr", **dict.fromkeys((b"@", b"B", b"D", b"O"), _JAPANESE)
}  # fmt: skip
_OF_ONE_BYTE = {
    b"A": "latin-1", b"B": "iso-8859-2", b"C": "iso-8859-3", b"D": "iso-8859-4", b"L": "iso-8859-5",
    b"G": "iso-8859-6", b"F": "iso-8859-7", b"H": "iso-8859-8", b"M": "iso-8859-9",
    b"V": "iso-8859-10", b"T": "iso-8859-11", b"Y": "iso-8859-13", b"_": "iso-8859-14",
    b"b": "iso-8859-15", b"f": "iso-8859-16",
}  # fmt: skip

_Fields = dict[tuple[int, int], list[bytes]]


def facts(block: bytes) -> Facts:
    """Return what is known, by standard names, with `taken_at`.

    A field that makes no sense takes no other along.
    """
    fields: _Fields = {}
    for tag, value in _fields(block):
        if value.strip(b"\0 "):
            fields.setdefault(tag, []).append(value)
    encoding = _encoding(b"".join(fields.get(_CHARACTER_SET, [])[:1]))
    return each(
        {
            **{name: partial(_first, fields, tags, encoding) for name, tags in _TEXTS.items()},
            "description": lambda: described(_texts(fields, _DESCRIPTION, encoding)),
            "creator": lambda: several(_texts(fields, _CREATORS, encoding)),
            "keywords": lambda: _texts(fields, _KEYWORDS, encoding),
            "taken_at": lambda: _taken_at(fields),
        }
    )


def _fields(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield (record and data set, value); what makes no sense is skipped to the next marker."""
    at = block.find(_MARKER)
    for _ in range(_MOST_FIELDS):
        if at < 0 or at + _HEADER_BYTES > len(block):
            return
        record, number = block[at + 1], block[at + 2]
        length = int.from_bytes(block[at + 3 : at + _HEADER_BYTES])
        start = at + _HEADER_BYTES
        if length & _EXTENDED:
            digits = length & ~_EXTENDED
            length = int.from_bytes(block[start : start + digits]) if digits <= 4 else len(block)  # noqa: PLR2004
            start += digits
        end = start + length
        whole = end <= len(block) and (end == len(block) or block[end] == _MARKER)
        if record not in _RECORDS or not (whole or _is_padding(block[end:])):
            # its length is wrong: it lasts until the next field begins
            following = block.find(_MARKER, at + 1)
            end = len(block) if following < 0 else following
        if record in _OF_TEXTS and (inside := _NEXT.search(block, at + _HEADER_BYTES, end)):
            end = inside.start()  # no text has a marker in it
        if record in _RECORDS:
            yield (record, number), block[start:end]
        at = block.find(_MARKER, max(end, at + 1))


def _is_padding(rest: bytes) -> bool:
    return bool(rest) and not rest.strip(b"\0 ")


def _texts(fields: _Fields, tag: tuple[int, int], encoding: str) -> list[str]:
    return [text for value in fields.get(tag, []) if (text := _text(value, encoding))]


def _first(fields: _Fields, tags: Iterable[tuple[int, int]], encoding: str) -> str:
    return next((text for tag in tags for text in _texts(fields, tag, encoding)), "")


def _text(value: bytes, encoding: str) -> str:
    """Decode; many programs wrote UTF-8 without saying so, and some said so without writing it."""
    if encoding == _JAPANESE:
        return of_japan(value) or text_of(value)
    if encoding and (encoding == "utf-16-be" or not _is_utf8(value)):
        return value.decode(encoding, "replace").strip("\0 ")
    return text_of(value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _encoding(mark: bytes) -> str:
    """Return what an escape names; empty for UTF-8 and what is not known."""
    if _UTF_16.match(mark):
        return "utf-16-be"
    for pattern, names in ((_ONE_BYTE, _OF_ONE_BYTE), (_TWO_BYTES, _OF_TWO_BYTES)):
        if found := pattern.match(mark):
            return names.get(found[1], "")
    return ""


def _taken_at(fields: _Fields) -> str:
    """Return "20230506" and "070809+0200" as `ImageInfo.taken_at`."""
    for date, time in _DATES:
        clock = b"".join(fields.get(time, [])[:1])
        for day in fields.get(date, ()):
            if found := moment(" ".join(latin(each).strip("\0 ") for each in (day, clock))):
                return found
    return ""
