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
_EPOCH_MS = re.compile(r"(?:FB_IMG_|mmexport|wx_camera_)(\d{13})(?!\d)", re.ASCII)
_IN_UTC = "PXL_"  # Pixel's camera names its files so


def taken_at(name: str) -> str:
    """Return the time in a file's name as `photo_dates.moment` writes it; empty if it has none."""
    if instant := _EPOCH_MS.match(name):
        return of_instant(int(instant[1]) / 1000)
    date = _DATE.search(name)
    if date is None:
        return ""
    day = date["compact"] or f"{date['year']}{date['month']}{date['day']}"
    if len(moment(day)) < len("YYYY-MM-DD"):
        return ""
    time = _TIME.match(name, date.end())
    if time is None:
        return moment(day)
    clock = time["compact"] or f"{int(time['hour']):02d}{time['minute']}{time['second']}"
    written = f"{clock[:2]}:{clock[2:4]}:{clock[4:]}{time['half'] or ''}"
    return moment(
        f"{day} {written}",
        offset="Z" if name.startswith(_IN_UTC) else "",
        fraction=time["fraction"] or time["digits"] or "",
    )
