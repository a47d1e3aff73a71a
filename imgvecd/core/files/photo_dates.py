"""When a picture was taken, as files, programs and phones write it → ISO 8601, as precise as said.

The length of what comes out is its precision: "1950", "1950-07", "1950-07-04", "1950-07-04T18:30",
"…T18:30:11", "…T18:30:11.25", the last three with an offset ("+02:00") where one is known.

Which date of a file counts is chosen in `adapters.pillow.facts` and `core.files.companions`;
without any, `catalog.files.dating` takes the name's or the file's age.
"""

from __future__ import annotations

import datetime
import re
from email.utils import parsedate_tz

_DATE = re.compile(
    r"(?P<year>\d{4})"
    r"(?:[-:/.](?P<month>\d\d?)(?:[-:/.](?P<day>\d\d?))?|(?P<months>\d\d)(?P<days>\d\d))?(?!\d)",
    re.ASCII,
)
_TIME = re.compile(
    r"(?P<hour>\d\d?)(?P<between>[:.\-])(?P<minute>\d\d)"
    r"(?:(?P=between)(?P<second>\d\d)(?:[.,:](?P<fraction>\d+))?)?\s*(?P<half>[AaPp])?\.?(?(half)[Mm]\.?)"
    r"|(?P<hours>\d\d)(?P<minutes>\d\d)(?P<seconds>\d\d)(?:[.,](?P<fractions>\d+))?",
    re.ASCII,
)
_OFFSET = re.compile(
    r"(?P<sign>[+\-\u2212])(?P<hour>\d\d?)(?::?(?P<minute>\d\d))?(?!\d)|(?P<zulu>Z|UTC|GMT)",
    re.ASCII | re.IGNORECASE,
)
_NOTHING = re.compile(r"[\s:/.\-0]*$")  # EXIF writes what is not known as blanks or zeros
_MONTH_NAME = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_LONGEST = 64  # characters: no way of writing a time has more
_EARLIEST_YEAR, _LATEST_YEAR = 1000, 9998  # programs write year 0 or 1 for "not known"
_FRACTION_DIGITS = 6
_FARTHEST_OFFSET_MIN = 15 * 60
_NOON = 12


def moment(text: str, *, offset: str = "", fraction: str = "") -> str:
    """Return a time as ISO 8601, as precise as it says; empty if it says none.

    Args:
        text: in EXIF's, XMP's, IPTC's or the mail format's form, or nearly.
        offset, fraction: what another field says, for a text that does not.
    """
    text = text.strip("\0 \t\r\n")[:_LONGEST]
    if _MONTH_NAME.search(text):
        return _of_mail(text)
    date = _DATE.match(text)
    if date is None:
        return ""
    day = _day(date)
    rest = text[date.end() :].lstrip("Tt ,_")
    if len(day) < len("YYYY-MM-DD"):
        return day if _NOTHING.match(rest) else ""
    time = _TIME.match(rest)
    days, clock = _clock(time, fraction) if time else (0, "")
    if time is None or not clock:
        return day
    if days:
        day = (datetime.date.fromisoformat(day) + datetime.timedelta(days=days)).isoformat()
    return f"{day}T{clock}{_offset(rest[time.end() :]) or _offset(offset)}"


def is_to_the_second(taken_at: str) -> bool:
    """Return whether a time as `moment` returns it is known to the second, or better."""
    return taken_at[16:17] == ":"


def of_instant(seconds: float, *, digits: int = 0) -> str:
    """Return an instant, in seconds since the epoch, as this machine's local time with its offset.

    Empty if it is none that a picture can have; 0 is what programs write that know none.

    Args:
        digits: of the fraction of a second.
    """
    if not -(2**33) < seconds < 2**33 or not seconds:  # the years 1697 to 2242
        return ""
    local = datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone()
    whole = local.replace(microsecond=0, tzinfo=None).isoformat()
    part = f".{local.microsecond:06d}"[: digits + 1] if digits else ""
    return whole + part + local.isoformat()[-len("+00:00") :]


def adds_nothing(new: str, known: str) -> bool:
    """Return whether `new` is the same time as `known`, less precise or without its offset."""
    bare_new, offset_new = _split(new)
    bare, offset = _split(known)
    if "." in bare_new:
        bare_new = bare_new.rstrip("0").rstrip(".")
    return bare.startswith(bare_new) and offset_new in {"", offset}


def _split(taken_at: str) -> tuple[str, str]:
    """Return (time, offset)."""
    at = max(taken_at.find("+", len("YYYY-MM-DDT")), taken_at.find("-", len("YYYY-MM-DDT")))
    return (taken_at, "") if at < 0 else (taken_at[:at], taken_at[at:])


def _day(match: re.Match[str]) -> str:
    """Return year, month and day as far as they are told; empty for a day that never was."""
    year = match["year"]
    month = int(match["month"] or match["months"] or 0)
    day = int(match["day"] or match["days"] or 0)
    if not _EARLIEST_YEAR <= int(year) <= _LATEST_YEAR or (day and not month):
        return ""
    try:
        datetime.date(int(year), month or 1, day or 1)
    except ValueError:
        return ""
    if not month:
        return year
    return f"{year}-{month:02d}-{day:02d}" if day else f"{year}-{month:02d}"


def _clock(match: re.Match[str], fraction: str) -> tuple[int, str]:
    """Return (days to add, the time of day); empty for one that no clock shows.

    24:05 is what some cameras and ISO 8601 call the first minutes of the next day.
    """
    hour = int(match["hour"] or match["hours"])
    minute = int(match["minute"] or match["minutes"])
    second = match["second"] or match["seconds"]
    half = (match["half"] or "").lower()
    if half:
        if not 1 <= hour <= _NOON:
            return 0, ""
        hour = hour % _NOON + (_NOON if half == "p" else 0)
    days, hour = divmod(hour, 24)
    if days > (0 if hour else 1) or minute > 59 or int(second or 0) > 60:  # noqa: PLR2004
        return 0, ""
    clock = f"{hour:02d}:{minute:02d}"
    if second is None:
        return days, clock
    clock += f":{min(int(second), 59):02d}"  # a leap second is the one before to everybody else
    digits = (match["fraction"] or match["fractions"] or fraction.strip("\0 "))[:_FRACTION_DIGITS]
    return days, f"{clock}.{digits}" if digits.isascii() and digits.isdigit() else clock


def _offset(text: str) -> str:
    match = _OFFSET.match(text.strip("\0 "))
    if match is None:
        return ""
    if match["zulu"]:
        return "+00:00"
    minutes = int(match["hour"]) * 60 + int(match["minute"] or 0)
    if minutes > _FARTHEST_OFFSET_MIN or int(match["minute"] or 0) > 59:  # noqa: PLR2004
        return ""
    sign = "+" if match["sign"] == "+" else "-"
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _of_mail(text: str) -> str:
    """Read "Sun, 04 Jul 2021 18:30:11 +0200" and "Sun Jul  4 18:30:11 2021", as PNG has them."""
    parsed = parsedate_tz(text)
    if parsed is None:
        return ""
    year, month, day, hour, minute, second, *_, offset_s = parsed
    written = f"{year:04d}:{month:02d}:{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    if offset_s is None or not re.search(r"[+-]\d{4}\s*$|GMT|UTC", text):
        return moment(written)
    sign = "-" if offset_s < 0 else "+"
    minutes = abs(offset_s) // 60
    return moment(f"{written}{sign}{minutes // 60:02d}{minutes % 60:02d}")
