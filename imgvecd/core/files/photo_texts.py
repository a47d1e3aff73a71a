"""Texts in files that do not say how they are encoded."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterable
from encodings import normalize_encoding
from encodings.aliases import aliases

_BOMS = (  # UTF-32 first: its mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OF_JAPAN = ("iso2022_jp", "utf-8", "euc_jp", "shift_jis")  # those that exclude most come first
KNOWN_ENCODINGS = (
    "ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
    "utf-32-be", "latin-1", *(f"iso-8859-{i}" for i in (*range(2, 12), 13, 14, 15, 16)),
    *(f"cp{i}" for i in (*range(1250, 1259), 437, 850, 852, 866, 874, 932, 949, 950)), "koi8-r",
    "koi8-u", "mac-roman", "mac-cyrillic", *_OF_JAPAN, "euc-kr", "gb2312", "gbk", "gb18030", "big5",
)  # fmt: skip
"""In which texts may be written; those that say another one are not read. A decoder loads them
before it can open no file any more."""
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
# Of "made with" and the like only what goes on with a program's name: "GIMP", "mozjpeg", no "love".
_OF_PROGRAMS = re.compile(
    r"(?:(?:gif )?(?:created|made|edited|saved|resized|produced|written) (?:with|using)"
    r"|(?:gif )?(?:generated|processed|compressed|optimi[sz]ed|converted|encoded|exported)"
    r" (?:with|by|using|in|from|at)) (?:the )?(?-i:(?!\d+\b)[\w./]*[A-Z\d_]"
    r"|gimp|darktable|digikam|mozjpeg|pingo|exiftool)"
    r"|creator: |software:|file (?:written|source)|lead tech|intel\(r\)|applemark|acd systems|lavc"
    r"|ulead|handmade software|xv \d|jpeg encoder",
    re.IGNORECASE,
)
# What cameras write where a description belongs, whatever the picture shows, with their makers'
# names in capitals; the short ones are modes of Huawei's.
_OF_CAMERAS = re.compile(
    r"(?-i:[A-Z]+[ _]){0,2}digital (?:still )?camera|sony dsc|<digimax.*"
    r"|samsung(?: camera pictures)?|exif_jpeg\w*|dcim[\\/].*|default|binary comment|charset=ascii"
    r"|dvc [\d.]+ hdmi|[\s!-/:-@\[-`{-~]*"
    r"|(?-i:rhdr|hdrpl|oznor(?:wo)?|ozedf|frontbhdp|fbt|rbt|ptr|fbthdr|btr|dav|mde|mde_soft|edf"
    r"|btfmdn|btf|btfhdr|frem|rpt|sdr_hdrb|cof|qrf|fshbty|ptfdt)",
    re.IGNORECASE | re.DOTALL,
)
_CONTROLS = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_KANA, _LATIN = re.compile("[\u3041-\u30ff]"), re.compile("[A-Za-z]")
_LITTLE, _BIG = [False, True] * 2, [True, False] * 2  # where UTF-16's zeros are
_SURELY_ASCII = 8  # bytes: of four Chinese characters, one or another is no ASCII


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
    if _is_wide(value):
        return of_wide(value)
    value = value.partition(b"\0")[0]
    if not value.strip(b"\xff"):  # of memory that nobody wrote to
        return ""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(value)
    except UnicodeDecodeError:
        return latin(value).strip()
    whole = len(text.encode()) == len(value)
    # a single byte at the end that could begin a character is more likely Latin-1's é
    return (latin(value) if text.isascii() and not whole else text).strip()


def latin(value: bytes) -> str:
    """Return a text of Windows-1252, which is Latin-1 where that has letters.

    What has bytes without a meaning there is more likely Japanese, if it can be that: with kana, or
    without Latin letters.
    """
    with contextlib.suppress(UnicodeDecodeError):
        return value.decode("cp1252")
    with contextlib.suppress(UnicodeDecodeError):
        text = value.decode("shift_jis")
        if _KANA.search(text) or not _LATIN.search(text):
            return text
    return value.decode("latin-1")


def _is_wide(value: bytes) -> bool:
    """Return whether bytes are UTF-16 without a mark, of a script in which every other is zero."""
    head = value[:4]
    return len(head) == 4 and [byte == 0 for byte in head] in (_LITTLE, _BIG)  # noqa: PLR2004


def of_wide(value: bytes, *, big: bool = False) -> str:
    """Return a text of UTF-16 in an order that nobody tells, up to its first zero character.

    The one is meant in which most characters have one byte, blanks and digits among them; else the
    one with fewer different upper bytes, since scripts have some pages of Unicode only.
    Plain ASCII, or UTF-8, is what some programs write all the same.

    Args:
        big: the order where both are as likely.
    """
    plain = value.rstrip(b"\0")
    if value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _is_bytewise(plain):
        return text_of(value)
    value = value[: len(value) // 2 * 2]
    first, second = value[::2], value[1::2]
    zeros = first.count(0) - second.count(0)
    spread = len(set(second)) - len(set(first))
    most = zeros if abs(zeros) > len(first) // 2 else spread
    big = most > 0 if most else big
    text = value.decode("utf-16-be" if big else "utf-16-le", "replace")
    return text.partition("\0")[0].strip()


def _is_bytewise(value: bytes) -> bool:
    """Return whether bytes are rather ASCII than characters of two bytes each, as of Chinese.

    So is UTF-8 that has other characters as well: in hardly any two bytes of another text fit.
    """
    enough = len(value) % 2 or len(value) >= _SURELY_ASCII
    if not enough or not value.translate(None, _PRINTABLE):
        return bool(enough)
    try:
        return not value.decode().isascii() and not _CONTROLS.search(value.decode())
    except UnicodeDecodeError:
        return False


def by_people(texts: Iterable[str]) -> str:
    """Return the first of some comments that no program made of its own accord; else nothing."""
    return described(text for text in texts if not _OF_PROGRAMS.match(text))


def described(texts: Iterable[str]) -> str:
    """Return the first of some texts that has words, and that no camera writes by itself."""
    return next((text for text in texts if not _OF_CAMERAS.fullmatch(text.strip())), "")


def legible(text: str) -> str:
    """Return a comment; nothing of bytes that were none, as programs leave there."""
    return "" if _CONTROLS.search(text) else text


def of_japan(value: bytes) -> str:
    """Return a text of one of Japan's encodings, empty if it is of none."""
    for encoding in _OF_JAPAN:
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode(encoding).strip("\0 ")
    return ""
