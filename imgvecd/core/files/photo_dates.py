"""When a picture was taken, as files, programs and phones write it → ISO 8601, as precise as said.

The length of what comes out is its precision: "1950", "1950-07", "1950-07-04", "1950-07-04T18:30",
"…T18:30:11", "…T18:30:11.25", the last three with an offset ("+02:00") where one is known.

Which date of a file counts is chosen in `adapters.pillow.facts` and `core.files.companions`;
without any, `catalog.files.dating` takes the name's or the file's age.
"""

from __future__ import annotations

import datetime
import re
import unicodedata

from imgvecd.spelling import folded_words, normalized

# A space may stand for the first of two digits, and behind a dot.
_DATE = re.compile(
    r"(?P<year>\d{4})(?:[-:/.]\s?(?P<month>\d\d?)(?:[-:/.]\s?(?P<day>\d\d?)\.?)?"
    r"(?:(?!\d)|(?<=\d\d)(?=\d\d:\d\d))"
    r"|(?P<months>\d\d)(?P<days>\d\d)(?=\D|\d{6}(?!\d)|$)|(?!\d))",
    re.ASCII,
)
_YEAR_LAST = re.compile(
    r"(?P<one>\d\d?)(?P<between>[-/.])(?P<other>\d\d?)(?P=between)(?P<year>\d{4})(?!\d)", re.ASCII
)
_BEFORE_TIME = re.compile(r"[Tt\s,_]+|[-:](?=\d\d?[:.\-]\s?\d\d?[:.\-]\s?\d)|", re.ASCII)
_APART = re.compile(
    r"(\d{4})([ _])(\d\d)\2(\d\d)(?:[ _T](\d\d)\2(\d\d)(?:\2(\d\d))?)?(?!\d)", re.ASCII
)
_TIME = re.compile(
    r"(?P<hour>\d\d?)(?P<between>[:.\-])\s?(?P<minute>\d\d?)"
    r"(?:(?P=between)\s?(?P<second>\d\d?)(?:[.,:](?P<fraction>\d+))?)?(?!\d)"
    r"\s*(?P<half>[AaPp])?\.?(?(half)\s?[Mm]\.?)"
    r"|(?P<hours>\d\d)(?P<minutes>\d\d)(?:(?P<seconds>\d\d)(?:[.,](?P<fractions>\d+))?)?(?!\d)",
    re.ASCII,
)
_OFFSET = re.compile(
    r"(?:UTC|GMT)?(?P<sign>[+\-\u2212])(?P<hour>\d\d?)(?::?(?P<minute>\d\d))?(?!\d)|(?P<zulu>Z|UTC|GMT)",
    re.ASCII | re.IGNORECASE,
)
_NOTHING = re.compile(r"[\s:/.+\-0Z]*$")  # what is not known is written as blanks or zeros
# English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish, Polish, Russian
_MONTHS = (
    "january jan januar jänner janvier janv enero ene gennaio janeiro januari stycznia января янв",
    "february feb februar februari février févr febrero febbraio fevereiro lutego февраля февр",
    "march mar märz mär mars marzo março maart mrt marts marca марта мар",
    "april apr avril avr abril abr aprile kwietnia апреля апр",
    "may mai mayo maggio mag maio mei maj maja мая",
    "june jun juni juin junio giugno giu junho czerwca июня июн",
    "july jul juli juillet juil julio luglio lug julho lipca июля июл",
    "august aug août agosto ago augustus augusti sierpnia августа авг",
    "september sep sept septembre septiembre setiembre settembre setembro września сентября сент",
    "october oct oktober okt octobre octubre ottobre ott outubro października октября окт",
    "november nov novembre noviembre novembro listopada ноября нояб",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro grudnia декабря дек",
)
_MONTH_OF = {word: at for at, words in enumerate(_MONTHS, 1) for word in words.split()}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\b\.?"
_DAY = r"(?P<day>\d\d?)(?:st|nd|rd|th|er)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+)?"
# 4 July 2021, 4 de julio de 2021; July 4, 2021; 2021-Jul-04; Sun Jul  4 18:30:11 2021, of which
# the time is moved back
_WITH_NAMES = tuple(
    re.compile(_WEEKDAY + form, re.IGNORECASE)
    for form in (
        rf"(?:{_DAY}[\s.\-/]+(?:de )?)?{_MONTH}[\s,.\-/]+(?:de )?(?P<year>\d{{4}})(?!\d)",
        rf"{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}})(?![\d:])",
        rf"(?P<year>\d{{4}})(?P<between>[\-/ ]){_MONTH}(?:(?P=between){_DAY}(?!\d))?",
        rf"{_MONTH}\s+{_DAY}\s+(?P<time>[\d:]+)\s+(?:[A-Z]+\s+)?(?P<year>\d{{4}})(?!\d)",
    )
)
# East Asia's: 2021年7月4日 18時30分11秒, 下午6:30:11, 2021년 7월 4일 오후 6시 30분
_OF_EAST_ASIA = re.compile(
    r"(?<!\d)(?P<year>\d{4}) ?[年년] ?(?P<month>\d\d?) ?[月월] ?(?P<day>\d\d?) ?[日일]", re.ASCII
)
# Which twelve hours of the day a word means, by the first of them: 中午 (noon) 11:50 is before it,
# 晚上 (evening) 12:30 after midnight.
_PARTS_OF_DAY = {
    **dict.fromkeys(("上午", "午前", "早上", "清晨", "凌晨", "오전", "새벽", "아침"), 0),
    **dict.fromkeys(("中午", "正午", "정오"), 7),
    **dict.fromkeys(("下午", "午後", "午后", "오후"), 12),
    **dict.fromkeys(("傍晚", "夕方", "저녁"), 15),
    **dict.fromkeys(("晚上", "夜里", "夜裡", "深夜", "半夜", "午夜", "真夜中"), 17),
}
_CLOCK_OF_EAST_ASIA = re.compile(
    rf"(?P<part>{'|'.join(_PARTS_OF_DAY)})?\s?"
    r"(?P<hour>\d\d?) ?(?P<between>[-_.: ]|[時时点點시] ?)(?P<minute>\d\d)"
    r"(?:(?:(?P=between)|[分분] ?)(?P<second>\d\d)秒?초?)?[分분]?(?!\d)",
    re.ASCII,
)
_OF_PHOTOGRAPHY = re.compile(r"(?<!\d)(?:18|19|20)\d\d(?!\d)", re.ASCII)
_LONGEST = 64  # characters: no way of writing a time has more
_EARLIEST_YEAR, _LATEST_YEAR = 1000, 9998  # programs write year 0 or 1 for "not known"
_FRACTION_DIGITS = 6
_FARTHEST_OFFSET_MIN = 15 * 60
_NOON = 12
_BUDDHIST, _AHEAD = range(2500, 2600), 543  # Thailand's years are those of another era


def moment(text: str, *, offset: str = "", fraction: str = "") -> str:
    """Return a time as ISO 8601, as precise as it says; empty if it says none.

    Args:
        text: in EXIF's, XMP's, IPTC's or the mail format's form, or nearly.
        offset, fraction: what another field says, for a text that does not.
    """
    text = _year_first(plain(text.strip("\0 \t\r\n")[:_LONGEST]).lstrip("+"))
    date = _DATE.match(text)
    if date is None:
        return ""
    day = _day(date)
    rest = text[date.end() :]
    rest = rest[_BEFORE_TIME.match(rest).end() :]  # type: ignore[union-attr]  # which may be nothing
    if len(day) < len("YYYY-MM-DD"):
        return day if _NOTHING.match(rest) else ""
    time = _TIME.match(rest)
    days, clock = _clock(time, fraction) if time else (0, "")
    if time is None or not clock:
        return day
    if days:
        day = (datetime.date.fromisoformat(day) + datetime.timedelta(days=days)).isoformat()
    return f"{day}T{clock}{_offset(rest[time.end() :]) or _offset(offset)}"


def plain(text: str) -> str:
    """Return a text in one spelling, with any script's digits, and East Asia's times, as ours.

    Marks of which way a text runs are left out.
    """
    if text.isascii():
        return text
    text = "".join(
        str(unicodedata.decimal(character, character))
        for character in normalized("NFKC", text)
        if unicodedata.category(character) != "Cf"
    )
    text = _OF_EAST_ASIA.sub(
        lambda day: f"{day['year']}-{int(day['month']):02d}-{int(day['day']):02d} ", text
    )
    return _CLOCK_OF_EAST_ASIA.sub(_western, text)


def _western(clock: re.Match[str]) -> str:
    """Return a time of East Asia on a clock of 24 hours; any other as it is."""
    part, between = clock["part"], clock["between"]
    if not part and between in "-_.: ":
        return clock[0]
    numbers = [int(clock["hour"]), int(clock["minute"]), int(clock["second"] or -1)]
    hour, minute, second = numbers
    if part and hour <= _NOON:
        first = _PARTS_OF_DAY[part]
        hour = ((hour - first) % _NOON + first) % (2 * _NOON)
    return f" {hour:02d}:{minute:02d}" + (f":{second:02d}" if second >= 0 else "")


def day_and_month(one: int, other: int, *, dots: bool) -> tuple[int, int]:
    """Return (day, month) of the numbers in front of a year; zeros if it may be two days.

    Between dots the day comes first, wherever people write so; else only where one number cannot be
    a month, or both are the same.
    """
    if other > len(_MONTHS) >= one:
        return other, one
    return (one, other) if dots or one > len(_MONTHS) or one == other else (0, 0)


def day_in_words(text: str) -> tuple[str, tuple[int, int]]:
    """Return (YYYYMMDD, from where to where) of the first day in a text whose month is a word.

    ("", (0, 0)) if there is none in the time of photography.
    """
    for pattern in _WITH_NAMES[:3] if _OF_PHOTOGRAPHY.search(text) else ():  # which most lack
        for found in pattern.finditer(text):
            is_apart = not text[found.start() - 1 : found.start()].isalnum()
            if found["day"] and is_apart and _OF_PHOTOGRAPHY.match(found["year"]):
                month = _month_number(found["month"])
                return f"{found['year']}{month:02d}{int(found['day']):02d}", found.span()
    return "", (0, 0)


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
    if int(year) in _BUDDHIST:
        year = f"{int(year) - _AHEAD}"
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
    digits = (match["fraction"] or match["fractions"] or fraction.strip("\0 ."))[:_FRACTION_DIGITS]
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


def _year_first(text: str) -> str:
    """Return a text, with its date as `_DATE` has it if its year is last or its month in words."""
    if found := _YEAR_LAST.match(text):
        one, other = int(found["one"]), int(found["other"])
        day, month = day_and_month(one, other, dots=found["between"] == ".")
        return f"{found['year']}-{month:02d}-{day:02d}{text[found.end() :]}" if day else ""
    if found := _APART.match(text):
        date, clock = found.group(1, 3, 4), filter(None, found.group(5, 6, 7))
        return f"{'-'.join(date)} {':'.join(clock)}{text[found.end() :]}"
    for pattern in _WITH_NAMES:
        if found := pattern.match(text):
            said = found.groupdict()
            month = _month_number(said["month"])
            time = f" {said['time']}" if said.get("time") else text[found.end() :]
            return f"{said['year']}-{month:02d}-{int(said['day'] or 0):02d}{time}"
    return text


def _month_number(word: str) -> int:
    return _MONTH_OF[folded_words(word)]  # "APRİL" and "aprıl" are found as well
