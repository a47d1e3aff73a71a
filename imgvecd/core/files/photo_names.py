"""When a picture was taken, by the name that a phone, a messenger or a screenshot gave it."""

from __future__ import annotations

import re

from imgvecd.core.files.photo_dates import moment, of_instant

# IMG_20210704_183011, PXL_20210704_163011123, IMG-20210704-WA0001, 20210704183011,
# Screenshot_2021-07-04-18-30-11, signal-2021-07-04-183011, photo_2021-07-04_18-30-11,
# WhatsApp Image 2021-07-04 at 18.30.11, Screen Shot 2021-07-04 at 6.30.11 PM
_DATE = re.compile(
    r"(?<!\d)(?:(?P<year>(?:19|20)\d\d)(?P<between>[-_. ])(?P<month>\d\d)(?P=between)(?P<day>\d\d)"
    r"|(?P<compact>(?:199|20\d)\d[01]\d[0-3]\d))(?=\D|\d{6}(?!\d)|\d{9}(?!\d)|$)",
    re.ASCII,
)
_TIME = re.compile(
    r"(?:[-_ .,T]{0,3}(?:at|um|à)? ?)(?:"
    r"(?P<hour>\d\d?)(?P<between>[-_.:h ])(?P<minute>\d\d)(?P=between)(?P<second>\d\d)"
    r"(?:[-_.](?P<fraction>\d{1,3})(?!\d))?"
    r"|(?P<compact>\d{6})(?P<digits>\d{3})?)(?!\d)[ \u202f]?(?P<half>[AP]M\b)?",
    re.ASCII | re.IGNORECASE,
)
# 04.07.2021, Foto 25-12-2021, Photo 04.07.21, 18 30 11
_DAY_FIRST = re.compile(
    r"(?<![\d.])(?P<one>\d\d)(?P<between>[-_. ])(?P<other>\d\d)(?P=between)"
    r"(?:(?P<year>(?:19|20)\d\d)|(?P<short>\d\d))(?!\d)",
    re.ASCII,
)
# 1625401234567, IMG_1625401234567, FB_IMG_1625401234567 (1), mmexport1625401234567: 2001 to 2033
_EPOCH_MS = re.compile(r"(?:mmexport|(?:[A-Za-z]+[-_ ]){0,3})(1\d{12})(?!\d)", re.ASCII)
_MONTHS = 12
_LAST_CENTURY = 70  # of two digits, from which on they are of the 1900s, as POSIX has it
_IN_UTC = "PXL_"  # Pixel's camera names its files so


def taken_at(name: str) -> str:
    """Return the time in a file's name as `photo_dates.moment` writes it; empty if it has none."""
    if instant := _EPOCH_MS.match(name):
        return of_instant(int(instant[1]) / 1000)
    if date := _DATE.search(name):
        day = date["compact"] or f"{date['year']}{date['month']}{date['day']}"
    elif date := _DAY_FIRST.search(name):
        day = _year_last(date)
    if date is None or len(moment(day)) < len("YYYY-MM-DD"):
        return ""
    time = _TIME.match(name, date.end())
    if time is None:
        return "" if date.re is _DAY_FIRST and date["short"] else moment(day)
    clock = time["compact"] or f"{int(time['hour']):02d}{time['minute']}{time['second']}"
    written = f"{clock[:2]}:{clock[2:4]}:{clock[4:]}{time['half'] or ''}"
    return moment(
        f"{day} {written}",
        offset="Z" if name.startswith(_IN_UTC) else "",
        fraction=time["fraction"] or time["digits"] or "",
    )


def _year_last(date: re.Match[str]) -> str:
    """Return YYYYMMDD of a date with the year at its end; empty if it may be two days.

    Between dots the day comes first, wherever people write so; else only where one number cannot be
    a month, or both are the same. A year of two digits may as well be a day: only between dots, and
    (which the caller asks) before a time of day, as Apple's programs name what they export.
    """
    day, month = int(date["one"]), int(date["other"])
    dots = date["between"] == "."
    if month > _MONTHS >= day:
        day, month = month, day
    elif not dots and day <= _MONTHS and day != month:
        return ""
    year = date["year"]
    if year is None:
        if not dots:
            return ""
        year = f"{19 if int(date['short']) >= _LAST_CENTURY else 20}{date['short']}"
    return f"{year}{month:02d}{day:02d}"
