"""Texts in files that do not say how they are encoded."""

from __future__ import annotations

import codecs
from encodings import normalize_encoding
from encodings.aliases import aliases

_BOMS = (  # UTF-32 first: its mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
KNOWN_ENCODINGS = (
    "ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
    "utf-32-be", "latin-1", *(f"iso-8859-{i}" for i in (*range(2, 11), 13, 14, 15, 16)),
    *(f"cp{i}" for i in range(1250, 1259)), "koi8-r", "koi8-u", "shift_jis", "euc-jp", "euc-kr",
    "gbk", "gb18030", "big5",
)  # fmt: skip
"""In which texts may be written; those that say another one are not read."""


def is_known(encoding: str) -> bool:
    """Return whether an encoding is one of those, by whichever of its names."""
    return _canonical(encoding) in _KNOWN


def _canonical(encoding: str) -> str:
    name = normalize_encoding(encoding).lower()
    return aliases.get(name, name)


_KNOWN = frozenset(map(_canonical, KNOWN_ENCODINGS))


def text_of(value: bytes) -> str:
    """Return a text up to its first zero byte: UTF-8 if it can be that, else Latin-1.

    So says the Metadata Working Group's guidance. Of UTF-8 that was cut within its last character,
    what is whole counts.
    """
    for mark, encoding in _BOMS:
        if value.startswith(mark):
            text = codecs.getincrementaldecoder(encoding)("replace").decode(value[len(mark) :])
            return text.partition("\0")[0].strip()
    value = value.partition(b"\0")[0]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(value)
    except UnicodeDecodeError:
        return latin(value).strip()
    whole = len(text.encode()) == len(value)
    # a single byte at the end that could begin a character is more likely Latin-1's é
    return (latin(value) if text.isascii() and not whole else text).strip()


def latin(value: bytes) -> str:
    """Return a text of Windows-1252, which is Latin-1 where that has letters."""
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:  # of a byte that has no meaning there
        return value.decode("latin-1")


def of_wide(value: bytes) -> str:
    """Return a text of UTF-16 in an order that nobody tells, up to its first zero character.

    Of both ways the one with more characters of one byte is meant: blanks and digits are, too.
    """
    if value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text_of(value)
    little = value[1::2].count(0) >= value[::2].count(0)
    text = value.decode("utf-16-le" if little else "utf-16-be", "replace")
    return text.partition("\0")[0].strip()


def of_windows(value: bytes) -> str:
    """Return the text of one of Windows' own EXIF fields: UTF-16, whatever the block's order."""
    return value.decode("utf-16-le", "replace").partition("\0")[0].removeprefix("\ufeff").strip()
