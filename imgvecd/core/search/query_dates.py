"""Times among the words of a query: "beach July 2023" is "beach", taken in July 2023.

Understands English, German, French, Spanish, Vietnamese and Chinese. What stands in quotes is never
taken apart. Months alone are words like any other ("may", "mars"): a year makes them a time.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import time_ranges
from imgvecd.core.search.time_words import (
    COUNTED,
    COUNTS,
    DECADES,
    MONTH_NAMES,
    MONTHS,
    RELATIVE_YEARS,
    SEASONS,
    UNITS,
    WHOLE,
    any_of,
    key,
    listed,
)
from imgvecd.core.search.words import QUOTED, UNSPACED, is_of_small_words
from imgvecd.errors import BadRequestError

_A_DAY = datetime.timedelta(1)
_LONGEST = 500  # characters: what is longer is no query that a person typed
_SATURDAY = 5
_MOST_MONTHS = 12

_LAST = "last letzte letzten letzter letztes vergangene vergangenen vergangener vergangenes"
_THIS = "this diese diesen dieser dieses diesem cet cette ce este esta"
_LAST_AFTER = "dernier dernière passé passée pasado pasada trước năm_ngoái năm_trước"
_THIS_AFTER = "năm_nay này"
_LAST_SOME = (
    f"{_LAST} past the_last the_past die_letzten den_letzten los_últimos las_últimas últimos"
)
_BEFORE_IT = (
    "in on from of the taken during im am aus vom von den des de du en au el la le los del vào của"
    " trong năm ngày"
)
_SINCE = "since seit depuis à_partir_de desde từ ab"
_AFTER = "after nach après después_de sau"
_BEFORE = "before vor avant antes_de trước"
_UNTIL = "until till up_to bis jusqu'en jusqu'à hasta đến"
_BETWEEN = "between zwischen entre giữa"
_AND = "and und et y và"
_TO = r"(?:to|until|till|bis|à|a|hasta|đến|到|-|–|\.\.)"


def _day_of(match: re.Match[str], today: datetime.date) -> str:
    named = match.groupdict()
    parts = [_year(named["year"], today), _month(named["month"])]
    if named.get("day"):
        parts.append(f"{int(named['day']):02}")
    return "-".join(parts)


def _american_or_not(match: re.Match[str], _: datetime.date) -> str:
    """Return the day of "15/8/2021" or "8/15/2021"; "7/8/2021" is two days, and so none."""
    first, second = int(match["first"]), int(match["second"])
    if first <= _MOST_MONTHS and second <= _MOST_MONTHS and first != second:
        raise BadRequestError("the seventh of August or the eighth of July")
    day, month = (second, first) if second > _MOST_MONTHS else (first, second)
    return f"{match['year']}-{month:02}-{day:02}"


def _year(words: str, today: datetime.date) -> str:
    which = RELATIVE_YEARS.get(key(words))
    return words if which is None else str(today.year - (which == "last"))


def _month(words: str) -> str:
    return f"{int(MONTH_NAMES.get(key(words), words)):02}"


def _season(match: re.Match[str], today: datetime.date) -> str:
    return f"{SEASONS[key(match['season'])]} {_year(match['year'], today)}"


def _one_winter(match: re.Match[str], _: datetime.date) -> str:
    first, last = int(match["year"]), match["next"]
    if int(last) != (first + 1) % 10 ** len(last):
        raise BadRequestError("no winter is so long")
    return f"{SEASONS[key(match['season'])]} {first}"


def _last(match: re.Match[str], _: datetime.date) -> str:
    unit = key(match["unit"])
    return f"last {SEASONS.get(unit) or UNITS.get(unit) or MONTHS[int(MONTH_NAMES[unit]) - 1]}"


def _this(match: re.Match[str], _: datetime.date) -> str:
    unit = key(match["unit"])
    return f"this {SEASONS.get(unit) or UNITS[unit]}"


def _whole(match: re.Match[str], today: datetime.date) -> str:
    said = WHOLE[key(match["whole"])]
    if said == "day before yesterday":
        return (today - 2 * _A_DAY).isoformat()
    if said == "last weekend":  # the last one that is over
        days = (today.weekday() - _SATURDAY) % 7
        saturday = today - (days if days > 1 else days + 7) * _A_DAY
        return f"{saturday}..{saturday + _A_DAY}"
    return said


def _counted(match: re.Match[str]) -> tuple[int, str]:
    return int(COUNTS.get(key(match["count"]), match["count"])), COUNTED[key(match["unit"])]


def _last_some(match: re.Match[str], _: datetime.date) -> str:
    count, unit = _counted(match)
    return f"{count}{unit}s"


def _ago(match: re.Match[str], today: datetime.date) -> str:
    """Return the day, week, month or year that was so long ago."""
    count, unit = _counted(match)
    if unit == "year":
        return str(today.year - count)
    if unit == "month":
        year, month = divmod(12 * today.year + today.month - 1 - count, 12)
        return f"{year}-{month + 1:02}"
    if unit == "week":
        monday = today - (today.weekday() + 7 * count) * _A_DAY
        return f"{monday}..{monday + 6 * _A_DAY}"
    return (today - count * _A_DAY).isoformat()


def _decade(match: re.Match[str], _: datetime.date) -> str:
    named = match.groupdict()
    tens = named.get("tens") or DECADES[key(match["decade"])]
    first = f"{named.get('century') or '19'}{tens}"
    return f"{first}0..{first}9"


def _end(match: re.Match[str], name: str, step: int = 0) -> str:
    """Return a year or month, or the one after (1) or before it (-1)."""
    year, month = int(match[name]), match[f"{name}_month"]
    if not month:
        return str(year + step)
    year, month = divmod(12 * year + int(_month(month)) - 1 + step, 12)
    return f"{year}-{month + 1:02}"


def _an_end(name: str) -> str:
    months = any_of(MONTH_NAMES)
    return rf"(?:(?P<{name}_month>{months}){_JOINT})?(?P<{name}>(?:19|20)\d\d)"


_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ANY_YEAR = rf"(?P<year>(?:19|20)\d\d|{any_of(RELATIVE_YEARS)})"
_MONTH = f"(?P<month>{any_of(MONTH_NAMES)})"
_NUMBER = r"(?P<month>\d{1,2})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?"
_SEASON = f"(?P<season>{any_of(SEASONS)})"
_UNIT = f"(?P<unit>{any_of([*SEASONS, *UNITS])})"
_LONG_UNIT = f"(?P<unit>{any_of([*SEASONS, *UNITS, *MONTH_NAMES])})"
_COUNT = rf"(?P<count>\d{{1,3}}|{any_of(COUNTS)})"
_SOME = rf"{_COUNT}\s+(?P<unit>{any_of(COUNTED)})"
_JOINT = r"\.?,?\s*(?:(?:of|de|del|năm|nam)\s+)?"
_BEFORE_TIME = rf"(?:{listed(_BEFORE_IT)}\s+)*(?:[ld]['’])?"

_Meaning = Callable[[re.Match[str], datetime.date], str]
# The most telling first; each is said as `time_ranges` takes it.
_SPACED: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_YEAR}(?P<mark>[-/.]){_NUMBER}(?P=mark)(?P<day>\d{{1,2}})", _day_of),
    (rf"(?P<day>\d{{1,2}})\.\s?{_NUMBER}\.\s?{_YEAR}", _day_of),
    (rf"(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{_YEAR}", _american_or_not),
    (rf"{_DAY}\s+(?:(?:of|de)\s+)?{_MONTH}{_JOINT}{_ANY_YEAR}", _day_of),
    (rf"{_MONTH}\.?\s+{_DAY},?\s+{_YEAR}", _day_of),
    (rf"{_SEASON}{_JOINT}{_YEAR}\s?[-/–]\s?(?P<next>(?:20)?\d\d)", _one_winter),
    (
        rf"(?:{listed(_BETWEEN)}\s+{_an_end('first')}\s+{listed(_AND)}\s+{_an_end('last')})",
        lambda match, _: f"{_end(match, 'first')}..{_end(match, 'last')}",
    ),
    (
        rf"{_an_end('first')}\s*{_TO}\s*{_an_end('last')}",
        lambda match, _: f"{_end(match, 'first')}..{_end(match, 'last')}",
    ),
    (
        rf"{listed(_SINCE)}\s+{_an_end('first')}",
        lambda match, _: f"{_end(match, 'first')}..",
    ),
    (
        rf"{listed(_AFTER)}\s+{_an_end('first')}",
        lambda match, _: f"{_end(match, 'first', 1)}..",
    ),
    (
        rf"{listed(_BEFORE)}\s+{_an_end('last')}",
        lambda match, _: f"..{_end(match, 'last', -1)}",
    ),
    (
        rf"{listed(_UNTIL)}\s+{_an_end('last')}",
        lambda match, _: f"..{_end(match, 'last')}",
    ),
    (rf"{_YEAR}-{_NUMBER}", _day_of),
    (rf"(?:tháng\s+|thang\s+)?{_NUMBER}/{_YEAR}", _day_of),
    (rf"{_MONTH}{_JOINT}{_ANY_YEAR}", _day_of),
    (rf"{_YEAR}\s+{_MONTH}", _day_of),
    (rf"{_SEASON}{_JOINT}{_ANY_YEAR}", _season),
    (rf"{_YEAR}\s+{_SEASON}", _season),
    (r"(?P<century>19|20)(?P<tens>\d)0(?:['’]?s|er(?:\s+jahre[n]?)?)", _decade),
    (
        r"(?:les\s+|los\s+)?(?:années|annees|años|anos|thập niên|thap nien)\s+(?P<tens>[5-9])0",
        _decade,
    ),
    (r"['’]?(?P<tens>[5-9])0(?:['’]?s|er(?:\s+jahre[n]?)?)", _decade),
    (rf"(?P<decade>{any_of(DECADES)})(?:\s+jahre[n]?)?", _decade),
    (rf"{_SOME}\s+(?:ago|trước|truoc)", _ago),
    (rf"(?:vor|il\s+y\s+a|hace)\s+{_SOME}", _ago),
    (rf"{listed(_LAST_SOME)}\s+{_SOME}", _last_some),
    (rf"(?:les\s+)?{_COUNT}\s+derni[eè]re?s\s+(?P<unit>{any_of(COUNTED)})", _last_some),
    (rf"{_SOME}\s+qua", _last_some),
    (rf"(?P<whole>{any_of(WHOLE)})", _whole),
    (rf"{listed(_LAST)}\s+{_LONG_UNIT}", _last),
    (rf"{_UNIT}\s+{listed(_LAST_AFTER)}", _last),
    (rf"{listed(_THIS)}\s+{_UNIT}", _this),
    (rf"{_UNIT}\s+{listed(_THIS_AFTER)}", _this),
    (_YEAR, lambda match, _: match["year"]),
)
_IS_UNSPACED = re.compile(f"[{UNSPACED}]").match
_CHINESE_MONTH = r"(?P<month>\d{1,2}(?=月)|[一二三四五六七八九十]{1,2}月)月?"
_CHINESE_COUNT = r"(?P<count>\d{1,3}|[一二两三四五六七八九十])(?P<unit>年|个月|周|个星期|天)"
_CHINESE: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_YEAR}年{_CHINESE_MONTH}(?P<day>\d{{1,2}})[日号]", _day_of),
    (
        r"(?P<first>(?:19|20)\d\d)年?(?:到|至|-)(?P<last>(?:19|20)\d\d)年",
        lambda match, _: f"{match['first']}..{match['last']}",
    ),
    (rf"{_YEAR}年{_CHINESE_MONTH}", _day_of),
    (rf"{_ANY_YEAR}年?的?{_CHINESE_MONTH}", _day_of),
    (rf"{_ANY_YEAR}年?的?(?P<season>[春夏秋冬][天季])", _season),
    (rf"{_YEAR}年?(?:之前|以前)", lambda match, _: f"..{int(match['year']) - 1}"),
    (rf"{_YEAR}年?(?:之后|以后)", lambda match, _: f"{int(match['year']) + 1}.."),
    (rf"{_YEAR}年", lambda match, _: match["year"]),
    (r"(?P<tens>[5-9])0年代", _decade),
    (rf"{_CHINESE_COUNT}(?:之前|以前|前)", _ago),
    (rf"(?:最近|过去){_CHINESE_COUNT}", _last_some),
    (rf"(?P<whole>{any_of(filter(_IS_UNSPACED, WHOLE))})", _whole),
)
_PATTERNS: tuple[tuple[re.Pattern[str], _Meaning], ...] = (
    *((re.compile(f"{pattern}的?"), meaning) for pattern, meaning in _CHINESE),
    *(
        (
            re.compile(
                rf"(?<![\w/.\-]){_BEFORE_TIME}{pattern}(?:['’]s)?(?![\w/\-])", re.IGNORECASE
            ),
            meaning,
        )
        for pattern, meaning in _SPACED
    ),
)


def understood(text: str, today: datetime.date) -> Understood | None:
    """Return what a text says of times, and the words that are left; None if it says nothing."""
    if len(text) > _LONGEST:
        return None
    text = unicodedata.normalize("NFC", text)
    quoted = [match.span() for match in QUOTED.finditer(text)]
    impossible: list[tuple[int, int]] = []  # "February 2020" in "30 February 2020" is none, either
    for pattern, meaning in _PATTERNS:
        for match in pattern.finditer(text):
            closed = quoted + impossible
            if any(match.start() < end and start < match.end() for start, end in closed):
                continue
            try:
                taken = meaning(match, today)
                first, end = time_ranges.span(taken, today)
            except BadRequestError:  # there is no month 13
                first, end = today, today
            if first >= end:
                impossible.append(match.span())
                continue
            if first <= today:  # nothing was taken in times to come
                left = " ".join(f"{text[: match.start()]} {text[match.end() :]}".split())
                return Understood(
                    text="" if is_of_small_words(left) else left.strip(" ,;."),
                    words=match.group().strip(" ,;."),
                    taken=taken,
                    taken_from=None if first == first.min else first.isoformat(),
                    taken_to=None if end == end.max else (end - _A_DAY).isoformat(),
                )
    return None


def taken_apart(
    request: SearchRequest, today: datetime.date
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with the time in its text as a filter, and what was understood.

    It is as it was where it wants none or has one. A text that tells nothing but a time stays,
    since something has to be looked for.
    """
    filters = request.filters
    is_dated = filters.taken or filters.taken_from or filters.taken_to
    if request.text is None or not request.dates or is_dated:
        return request, None
    said = understood(request.text, today)
    if said is None or (not said.text and len(request.all_terms()) > 1):
        return request, None
    filters = msgspec.structs.replace(filters, taken=said.taken)
    text = said.text or request.text
    return msgspec.structs.replace(request, text=text, filters=filters), said
