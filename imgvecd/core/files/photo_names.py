"""When a picture was taken, by the name that a phone, a messenger or a screenshot gave it."""

from __future__ import annotations

import re

from imgvecd.core.files.photo_dates import day_and_month, moment, of_instant

# IMG_20210704_183011, PXL_20210704_163011123, IMG-20210704-WA0001, 20210704183011, 2021-7-4,
# Screenshot_2021-07-04-18-30-11, signal-2021-07-04-183011, photo_2021-07-04_18-30-11,
# WhatsApp Image 2021-07-04 at 18.30.11, Screen Shot 2021-07-04 at 6.30.11 PM
_DATE = re.compile(
    r"(?<!\d)(?:(?P<year>(?:19|20)\d\d)(?P<between>[-_. ])(?P<month>\d\d|\d(?=[-.]))(?P=between)"
    r"(?P<day>\d\d|(?<=[-.])\d(?!\d))"
    r"|(?P<compact>(?:199|20\d)\d[01]\d[0-3]\d))(?=\D|\d{6}(?!\d)|\d{9}(?!\d)|$)",
    re.ASCII,
)
_OF_EAST_ASIA = re.compile(
    r"(?P<year>\d{4})[年년] ?(?P<month>\d\d?)[月월] ?(?P<day>\d\d?)[日일]", re.ASCII
)
# 04.07.2021, 4.7.2021, Foto 25-12-2021, Photo 04.07.21, 18 30 11
_DAY_FIRST = re.compile(
    r"(?<![\d.])(?P<one>\d\d|\d(?=\.))(?P<between>[-_. ])(?P<other>\d\d|\d(?=\.))(?P=between)"
    r"(?:(?P<year>(?:19|20)\d\d)|(?P<short>\d\d))(?!\d)",
    re.ASCII,
)
# photo_5@04-07-2021_18-30-11: Telegram names its exports with the day first
_OF_TELEGRAM = re.compile(
    r"photo_\d+ ?@(?P<day>\d\d)-(?P<month>\d\d)-(?P<year>\d{4})(?=_)", re.ASCII
)
# Behind a date, in any language: "at 18.30.11", "a la(s) 6.30.11 p. m.", "下午6.30.11"
_TIME = re.compile(
    r"[-_ .,T]{0,3}(?:"
    r"(?:(?:[^\W\d_]{1,5}\.?(?:\(s\))? ){1,2}|上午|午前|오전 ?|(?P<after>下午|午後|오후 ?))?"
    r"(?:"
    r"(?P<hour>[0-9]{1,2})(?P<between>[-_.: ])(?P<minute>[0-9]{2})(?P=between)(?P<second>[0-9]{2})"
    r"(?:[-_.](?P<fraction>[0-9]{3})(?![0-9]))?"
    r"|(?P<h>[0-9]{1,2})h(?P<m>[0-9]{2})m(?P<s>[0-9]{2})s?(?P<ms>[0-9]{3})?)"
    r"|(?:(?:at|um|à) )?(?P<compact>[0-9]{6})(?P<digits>[0-9]{3})?)(?![0-9])"
    r"(?:\s?(?P<half>[AP])\.?\s?M\b)?(?P<zone>[ _]?(?:Z|UTC|iOS)\b|\+[0-9]{2}[:_.]?[0-9]{2}\b)?",
    re.IGNORECASE,
)
# Without seconds only where something says that it is a time: "at 18.30", "T18-30", "18h30"
_MINUTE = re.compile(
    r"(?:[-_ ,](?:at|um|à|om|kl\.?) |T)(?P<hour>\d\d?)[-_.: ](?P<minute>\d\d)(?![-_.: ]?\d)"
    r"(?:\s?(?P<half>[AP])\.?\s?M\b)?|[-_ ,T](?P<h>\d\d?)h(?P<m>\d\d)(?!\d)",
    re.IGNORECASE,
)
# 1625401234567, IMG_1625401234567, FB_IMG_1625401234567 (1), mmexport1625401234567: 2001 to 2033
_EPOCH_MS = re.compile(r"(?:mmexport|(?:[A-Za-z]+[-_ .]){0,3})(1\d{12})(?!\d)", re.ASCII)
# 1625401234, IMG_1625401234, RPReplay_Final1625401234: ten digits may be many things, so no others
_EPOCH_S = re.compile(
    r"(?:(?:img|image|photo|picture|pic|foto|camera|screenshot|capture)[-_ ]|RPReplay_Final)?"
    r"(1\d{9})(?: ?\(\d+\))?\.[^.]+",
    re.ASCII | re.IGNORECASE,
)
_LAST_CENTURY = 70  # of two digits, from which on they are of the 1900s, as POSIX has it
_IN_UTC = "PXL_"  # Pixel's camera names its files so; so does OneDrive, which marks them "_iOS"


def taken_at(name: str) -> str:
    """Return the time in a file's name as `photo_dates.moment` writes it; empty if it has none."""
    if instant := _EPOCH_MS.match(name) or _EPOCH_S.fullmatch(name):
        return of_instant(int(instant[1][:10]))
    day, end, is_sure = _day(name)
    if len(moment(day)) < len("YYYY-MM-DD"):
        return ""
    clock, offset, fraction = _clock(name, end)
    if name.startswith(_IN_UTC):
        offset = "Z"
    found = moment(f"{day} {clock}", offset=offset, fraction=fraction)
    return found if is_sure or len(found) > len("YYYY-MM-DD") else ""


def _day(name: str) -> tuple[str, int, bool]:
    """Return (YYYYMMDD, where it ends, whether it is one without a time behind it), if any."""
    for pattern in (_OF_TELEGRAM, _DATE, _OF_EAST_ASIA):
        if date := pattern.search(name):
            said = date.groupdict()
            if said.get("compact"):
                return said["compact"], date.end(), True
            return f"{said['year']}{int(said['month']):02d}{int(said['day']):02d}", date.end(), True
    date = _DAY_FIRST.search(name)
    if date is None:
        return "", 0, False
    dots = date["between"] == "."
    day, month = day_and_month(int(date["one"]), int(date["other"]), dots=dots)
    year = date["year"]
    if year is None and dots:  # else it may as well be a day
        year = f"{19 if int(date['short']) >= _LAST_CENTURY else 20}{date['short']}"
    # as Apple's programs name what they export, two digits are a year before a time
    return f"{year}{month:02d}{day:02d}" if year else "", date.end(), date["year"] is not None


def _clock(name: str, start: int) -> tuple[str, str, str]:
    """Return (time of day, its offset, its fraction of a second) at a place of a name, if any."""
    if time := _TIME.match(name, start):
        said = {name: value for name, value in time.groupdict().items() if value}
        clock = said.get("compact", "")
        parts = [clock[at : at + 2] for at in range(0, len(clock), 2)] or [
            said.get(long) or said[short]
            for long, short in (("hour", "h"), ("minute", "m"), ("second", "s"))
        ]
        zone = re.sub("[_.]", ":", said.get("zone", "").strip(" _"))
        offset = zone if zone.startswith("+") else "Z" * bool(zone)
        fraction = said.get("fraction") or said.get("ms") or said.get("digits", "")
        return ":".join(parts) + _half("p" if "after" in said else time["half"]), offset, fraction
    if time := _MINUTE.match(name, start):
        hour, minute = time["hour"] or time["h"], time["minute"] or time["m"]
        return f"{hour}:{minute}{_half(time['half'])}", "", ""
    return "", "", ""


def _half(letter: str | None) -> str:
    return f"{letter}m" if letter else ""
