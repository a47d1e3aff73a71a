"""When a picture was taken, by the name that a phone, a messenger or a screenshot gave it."""

from __future__ import annotations

import re

from imgvecd.core.files.photo_dates import day_and_month, day_in_words, moment, of_instant, plain

# IMG_20210704_183011, PXL_20210704_163011123, IMG-20210704-WA0001, 20210704183011, 2021-7-4,
# Screenshot_2021-07-04-18-30-11, signal-2021-07-04-183011, photo_2021-07-04_18-30-11,
# WhatsApp Image 2021-07-04 at 18.30.11, Screen Shot 2021-07-04 at 6.30.11 PM
_DATE = re.compile(
    r"(?<!\d)(?:(?P<year>18[3-9]\d|(?:19|20)\d\d|25[3-9]\d)(?P<between>[-_. :])"
    r"(?P<month>\d\d|\d(?=[-.]))(?P=between)(?P<day>\d\d|(?<=[-.])\d(?!\d))"
    r"|(?P<compact>(?:199|20\d)\d[01]\d[0-3]\d))(?=\D|\d{6}(?!\d)|\d{9}(?!\d)|\d{8}-|$)",
    re.ASCII,
)
# 2021_0704_183011_001F
_OF_DASHCAMS = re.compile(
    r"(?<!\d)(?P<year>20\d\d)_(?P<month>\d\d)(?P<day>\d\d)(?=_\d{6}(?!\d))", re.ASCII
)
# 04.07.2021, 4.7.2021, Foto 25-12-2021, Photo 04.07.21, 18 30 11
_DAY_FIRST = re.compile(
    r"(?<![\d.])(?P<one>\d\d|\d(?=\.))(?P<between>[-_. ])(?P<other>\d\d|\d(?=\.))(?P=between)"
    r"(?:(?P<year>(?:19|20)\d\d)|(?P<short>\d\d))(?!\d)",
    re.ASCII,
)
# photo_5@04-07-2021_18-30-11: Telegram names its exports with the day first
_OF_TELEGRAM = re.compile(
    r"[a-z]_\d+ ?@(?P<day>\d\d)-(?P<month>\d\d)-(?P<year>\d{4})(?=_)", re.ASCII
)
# Half of a day, behind a time
_HALF = re.compile(
    r"\s?(?:(?P<a>A\.?\s?M|π\.μ|ص)|(?P<p>P\.?\s?M|μ\.μ|م))(?![^\W_])",
    re.IGNORECASE,
)
# Behind a date, in any language: "at 18.30.11", "a la(s) 6.30.11 p. m.", "को 6.30.11 PM"
_TIME = re.compile(
    r"[-_ .,T]{0,3}(?:"
    r"(?:于|(?:[^\s\d_.,()-]{1,5}\.?,?(?:\(s\))?[ -]){0,2}) ?(?:"
    r"(?P<hour>\d{1,2})(?P<between>[-_.: ])(?P<minute>\d\d)(?P=between)(?P<second>\d\d)"
    r"(?:[-_](?P<fraction>\d{3})(?!\d)|[.,](?P<fractions>\d{3,9})(?!\d))?"
    r"|(?P<h>\d{1,2})h(?P<m>\d\d)[m_](?P<s>\d\d)s?(?P<ms>\d{3})?)"
    r"|(?:(?:at|um|à) )?(?P<compact>\d{6})(?:\.?(?P<digits>\d{3})|\d\d)?)(?!\d)",
    re.IGNORECASE,
)
# Without seconds only where something says that it is a time: "at 18.30", "T18-30", "18h30", and
# in the form of Flameshot
_MINUTE = re.compile(
    r"(?:[-_ ,](?:at|um|à|om|kl\.?) |T|_(?=\d\d-\d\d\.[^.]+$))"
    r"(?P<hour>\d\d?)[-_.: ](?P<minute>\d\d)(?![-_.: ]?\d)"
    r"|T(?P<hours>\d\d)(?P<minutes>\d\d)(?!\d)|[-_ ,T](?P<h>\d\d?)h(?P<m>\d\d)(?!\d)",
    re.IGNORECASE,
)
# or a half of the day behind it: "6.30 PM"
_MINUTE_OF_HALF = re.compile(
    rf"[-_ ,]{{1,2}}(?P<hour>\d\d?)[-_.:](?P<minute>\d\d)(?={_HALF.pattern})", re.IGNORECASE
)
_ZONE = re.compile(
    r"(?P<offset>Z|[ _]?(?:(?:UTC|GMT)?\+\d\d[:_.]?\d\d|(?:UTC|GMT)[-+]\d\d?|UTC|GMT|iOS))"
    r"(?![^\W_])",
    re.IGNORECASE,
)
# West of Greenwich only where the form is ISO's, else it may be any number: T163011-0700
_ZONE_WEST = re.compile(r"(?P<offset>-(?:0\d|1[0-2])[:_.]?[0-5]0)(?!\w)", re.ASCII)
# 1625401234567, IMG_1625401234567, FB_IMG_1625401234567 (1), mmexport1625401234567, and
# what is "cropped" or, by WeCom, 企业微信截图_1625401234567: 2001 to 2033
_EPOCH_MS = re.compile(
    r"(?:mmexport(?:[0-9a-f]{32}_)?|cropped|(?:[^\W\d_]+[-_ .]){0,3})(1\d{12})(?!\d)"
)
# 1625401234, IMG_1625401234, RPReplay_Final1625401234: ten digits may be many things, so no others
_EPOCH_S = re.compile(
    r"(?:(?:img|image|photo|picture|pic|foto|camera|screenshot|capture)[-_ ]|RPReplay_Final)?"
    r"(1\d{9})(?: ?\(\d+\))?\.[^.]+",
    re.ASCII | re.IGNORECASE,
)
# Digests, UUIDs, Facebook's three numbers and LINE's one, in which there may be anything
_NUMBERS = re.compile(
    r"(?<![^\W_])(?:(?=\d*[a-f])[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{5,}_\d{9,}_\d{9,}_[a-z]|s__\d{8})(?![^\W_])",
    re.ASCII | re.IGNORECASE,
)
_CLOCK = ("hour", "hours", "h", "minute", "minutes", "m", "second", "s")  # groups of patterns
_FRACTIONS = ("fraction", "fractions", "ms", "digits")
_NOON = 12
_BUDDHIST, _AHEAD = 2500, 543  # Thailand's years are those of another era
_LAST_CENTURY = 70  # of two digits, from which on they are of the 1900s, as POSIX has it
_IN_UTC = "PXL_"  # Pixel's camera names its files so; so does OneDrive, which marks them "_iOS"


def taken_at(name: str) -> str:
    """Return the time in a file's name as `photo_dates.moment` writes it; empty if it has none."""
    name = plain(name)
    if instant := _EPOCH_MS.match(name) or _EPOCH_S.fullmatch(name):
        return of_instant(int(instant[1][:10]))
    name = _NUMBERS.sub("", name)
    day, (start, end), is_sure = _day(name)
    if len(moment(day)) < len("YYYY-MM-DD"):
        return ""
    clock, offset, fraction = _clock(name, end)
    if clock.replace(":", "") == day[2:]:
        clock = ""  # LINE_ALBUM_2021.07.04_210704_1: the day once more
    if name[:start].endswith(_IN_UTC):
        offset = "Z"
    found = moment(f"{day} {clock}", offset=offset, fraction=fraction)
    return found if is_sure or len(found) > len("YYYY-MM-DD") else ""


def _day(name: str) -> tuple[str, tuple[int, int], bool]:
    """Return (YYYYMMDD, where it stands, whether it is one without a time behind it), if any."""
    year_first, day_first = _DATE.search(name), _DAY_FIRST.search(name)
    if year_first and day_first and day_first.start() < year_first.start() < day_first.end():
        year_first = None  # "4.7.2021 18 30 11"
    dates = (_OF_TELEGRAM.search(name), year_first, _OF_DASHCAMS.search(name))
    if date := next(filter(None, dates), None):
        said = date.groupdict()
        if said.get("compact"):
            return said["compact"], date.span(), True
        year = int(said["year"])
        is_buddhist = year > _BUDDHIST
        year -= _AHEAD * is_buddhist
        return f"{year}{int(said['month']):02d}{int(said['day']):02d}", date.span(), not is_buddhist
    in_words = day_in_words(name)
    if day_first and not (in_words[0] and in_words[1] < day_first.span()):
        found = _day_first(day_first)
        if found[0]:
            return found
    return *in_words, True


def _day_first(date: re.Match[str]) -> tuple[str, tuple[int, int], bool]:
    dots = date["between"] == "."
    day, month = day_and_month(int(date["one"]), int(date["other"]), dots=dots)
    year = date["year"]
    if year is None and dots:  # else it may as well be a day
        year = f"{19 if int(date['short']) >= _LAST_CENTURY else 20}{date['short']}"
    # as Apple's programs name what they export, two digits are a year before a time
    return f"{year}{month:02d}{day:02d}" if year else "", date.span(), date["year"] is not None


def _clock(name: str, start: int) -> tuple[str, str, str]:
    """Return (time of day, its offset, its fraction of a second) at a place of a name, if any."""
    matches = (pattern.match(name, start) for pattern in (_TIME, _MINUTE, _MINUTE_OF_HALF))
    time = next(filter(None, matches), None)
    if time is None:
        return "", "", ""
    end = time.end()
    said = _said(time)
    if half := _HALF.match(name, end):
        said |= _said(half)
        end = half.end()
    compact = said.get("compact", "")
    numbers = [int(compact[at : at + 2]) for at in range(0, len(compact), 2)] or [
        int(said[group]) for group in _CLOCK if group in said
    ]
    if numbers[0] < _NOON and "p" in said:  # East Asia counts from 0
        numbers[0] += _NOON
    elif numbers[0] == _NOON and "a" in said:
        numbers[0] = 0
    zone = _ZONE.match(name, end)
    if zone is None and name[start : start + 1] in {"T", "t"}:
        zone = _ZONE_WEST.match(name, end)
    offset = re.sub("[_.]", ":", zone["offset"].strip(" _")) if zone else ""
    fraction = next((said[each] for each in _FRACTIONS if each in said), "")
    clock = ":".join(f"{number:02d}" for number in numbers)
    return clock, "Z" if offset.lower() == "ios" else offset, fraction


def _said(match: re.Match[str]) -> dict[str, str]:
    return {group: value for group, value in match.groupdict().items() if value}
