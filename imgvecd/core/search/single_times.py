"""Single times in a text: "July 2023", "last summer", "christmas 2019", "gestern", "两个月前".

English, German, French, Spanish, Vietnamese and Chinese. Months, seasons and feasts alone are words
like any other ("may", "mars"): a year makes them a time.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from imgvecd.core.search import time_ranges
from imgvecd.core.search.feasts import feast
from imgvecd.core.search.time_ranges import Span
from imgvecd.core.search.time_words import (
    COUNTED,
    COUNTS,
    DECADES,
    FEASTS,
    MONTH_NAMES,
    MONTHS,
    ORDINALS,
    PARTS,
    RELATIVE_YEARS,
    SEASONS,
    UNITS,
    WEEKDAYS,
    WHOLE,
    any_of,
    key,
    listed,
)
from imgvecd.core.search.words import UNSPACED
from imgvecd.errors import BadRequestError

_A_DAY = datetime.timedelta(1)
_SATURDAY = 5
_WEEK_DAYS = 7
_MOST_MONTHS = 12
_CENTURY = 100

_LAST = (
    "last letzte letzten letzter letztes letztem vergangene vergangenen vergangener vergangenes"
    " vergangenem vorige vorigen voriger voriges vorigem"
)
_THIS = "this diese diesen dieser dieses diesem cet cette ce este esta"
_LAST_AFTER = "dernier dernière passé passée pasado pasada trước vừa_rồi năm_ngoái năm_trước"
_THIS_AFTER = "năm_nay này"
_LAST_SOME = (
    f"{_LAST} past the_last the_past die_letzten den_letzten los_últimos las_últimas últimos"
)
_LAST_WEEK = (
    "last_week letzte_woche letzter_woche vorige_woche voriger_woche la_semaine_dernière"
    " de_la_semaine_dernière la_semana_pasada de_la_semana_pasada tuần_trước"
)
_ON = "on this am vom diesen diesem ce este"  # a day of the week: its last one
_ON_DAY = "ngày vom am den le du el del"  # in these languages the day stands before the month
_AGO = "ago trước"
_AGO_BEFORE = "vor il_y_a hace cách_đây"
_SOME_AGO = "a_few few several some ein_paar einigen quelques unos unas algunos algunas vài mấy"
_FEWEST, _MOST = 2, 7  # of some years ago
_TO = "or to oder bis ou à o a hoặc đến"  # between two counts
_BEFORE_LAST = "vorletzte vorletzten vorletzter vorletztem vorletztes"
_IN = "in im am an zu on at over en à al de vào lúc in_the on_the in_der"  # a part of a year
_THIS_DAY = "today this_day on_this_day heute aujourd'hui hoy hôm_nay"
# What stands before a number, or behind it, that is no year.
_NUMBERED = (
    "room flight route gate number no nr nr. page size windows highway bus line apartment flat"
    " zimmer flug nummer seite größe linie chambre vol page numéro taille habitación vuelo número"
    " página talla phòng số over more_than nearly almost mehr_als fast plus_de más_de hơn"
)
_MEASURES = (
    "calories kcal kalorien km kilometers kilometres kilometer miles meilen meters metres meter"
    " mètres metros feet ft steps stairs schritte stufen pas pasos euro euros dollar dollars pounds"
    " px pixel pixels ml grams gramm watt watts volt volts hp ps rpm mah pieces teile"
    " years jahre jahren años"
)
_MAKES = (  # "2019 Toyota" is a car of that year
    "alfa_romeo audi bmw buick cadillac camaro chevrolet chevy chrysler citroën corvette dodge"
    " ducati ferrari fiat ford harley honda hyundai jaguar jeep kawasaki kia lamborghini lexus"
    " mazda mercedes mini_cooper mitsubishi mustang nissan opel peugeot pontiac porsche renault"
    " škoda subaru suzuki tesla toyota vespa volkswagen volvo vw yamaha"
)


@dataclass(frozen=True, slots=True)
class Time:
    """A time that a text tells.

    Attributes:
        first, end: its first day, and the day after its last.
        said: it, as `time_ranges` takes it.
        words: that tell it.
        rank: the lower, the more telling.
        is_spaced: blanks part its words from others, as in all languages but Chinese.
        either: its parts, as `said`, where it is not one span.
    """

    first: datetime.date
    end: datetime.date
    said: str
    words: str
    rank: int
    is_spaced: bool
    either: tuple[str, ...] = ()

    def spans(self, today: datetime.date) -> list[Span]:
        """Return its spans, in order, none next to another."""
        return [time_ranges.span(part, today) for part in self.either or (self.said,)]


def _day_of(match: re.Match[str], today: datetime.date) -> str:
    named = match.groupdict()
    parts = [_year(named["year"], today), _month(named["month"])]
    if named.get("day"):
        parts.append(f"{int(named['day']):02}")
    return "-".join(parts)


def _days_of(match: re.Match[str], _: datetime.date) -> str:
    month = f"{match['year']}-{_month(match['month'])}"
    return f"{month}-{int(match['day']):02}..{month}-{int(match['last']):02}"


def _american_or_not(match: re.Match[str], _: datetime.date) -> str:
    """Return the day of "15/8/2021" or "8/15/2021"; "7/8/2021" is two days, and so none."""
    first, second = int(match["first"]), int(match["second"])
    if first <= _MOST_MONTHS and second <= _MOST_MONTHS and first != second:
        raise BadRequestError("the seventh of August or the eighth of July")
    day, month = (second, first) if second > _MOST_MONTHS else (first, second)
    return f"{match['year']}-{month:02}-{day:02}"


def _year(words: str, today: datetime.date) -> str:
    """Return the year of "2019", "'98", "of 69", "last year" and "two years ago"."""
    if back := RELATIVE_YEARS.get(key(words)):
        return str(today.year - int(back))
    if ago := _IS_YEARS_AGO.fullmatch(words.strip()):
        return str(today.year - _count(ago["before"] or ago["after"] or ago["chinese"]))
    year = int(words[-4:]) if words[-4:].isdigit() else int(words[-2:])
    if year >= _CENTURY:
        return str(year)
    century = today.year - today.year % _CENTURY
    return str(century + year if century + year <= today.year else century - _CENTURY + year)


def _month(words: str) -> str:
    return f"{int(MONTH_NAMES.get(key(words), words)):02}"


def _season(match: re.Match[str], today: datetime.date) -> str:
    return f"{SEASONS[key(match['season'])]} {_year(match['year'], today)}"


def _one_winter(match: re.Match[str], today: datetime.date) -> str:
    return f"{SEASONS[key(match['season'])]} {_first_of_two(match, today)}"


def _turn_of_year(match: re.Match[str], today: datetime.date) -> str:
    first, name = _first_of_two(match, today), FEASTS[key(match["feast"])]
    return _days(feast(name, first + 1 if name == "new year" else first))


def _first_of_two(match: re.Match[str], today: datetime.date) -> int:
    """Return the first of two years in a row."""
    first, last = int(_year(match["year"], today)), match["next"]
    if int(last) != (first + 1) % 10 ** len(last):
        raise BadRequestError("these years are not in a row")
    return first


def _month_or_years(match: re.Match[str], today: datetime.date) -> str:
    """Return the month of "2019-07", the years of "2019/20" and "1999/00"."""
    first, last = int(match["year"]), int(match["month"])
    year = first - first % _CENTURY + (last or _CENTURY)
    if not 1 <= last <= _MOST_MONTHS and first < year <= today.year + 1:
        return f"{first}..{year}"
    return _day_of(match, today)


def _feast(match: re.Match[str], today: datetime.date) -> str:
    return _days(feast(FEASTS[key(match["feast"])], int(_year(match["year"], today))))


def _this_feast(match: re.Match[str], today: datetime.date) -> str:
    return _days(feast(FEASTS[key(match["feast"])], today.year))


def _last_feast(match: re.Match[str], today: datetime.date) -> str:
    return _days(_last_one(match["feast"], today, is_over=True))


def _quarter(match: re.Match[str], _: datetime.date) -> str:
    last = 3 * int(match["quarter"])
    return f"{match['year']}-{last - 2:02}..{match['year']}-{last:02}"


def _part(match: re.Match[str], today: datetime.date) -> str:
    """Return the first week, the last weekend, the second Monday of a month or year.

    Without a year, the last one that has begun. A week is seven days, whichever the first is.
    """
    named = match.groupdict()
    month, year = named.get("month"), named.get("year")
    number = int(ORDINALS[key(match["ordinal"])])
    years = [int(_year(year, today))] if year else [today.year, today.year - 1]
    for number_of_year in years:
        whole = f"{number_of_year}-{_month(month)}" if month else f"{number_of_year}"
        first, end = _part_of(time_ranges.span(whole, today), number, key(match["part"]))
        if first <= today:
            break
    return _days((first, end))


def _part_of(whole: Span, number: int, part: str) -> Span:
    """Return the days of a part, counted from 1; -1 is the last."""
    first, end = whole
    unit = PARTS.get(part)
    if unit in {"week", "days", "day"}:
        days = (1 if unit == "day" else _WEEK_DAYS) * _A_DAY
        begins = end - days if number < 0 else first + (number - 1) * days
        return begins, begins + days
    weekday = _SATURDAY if unit == "weekend" else int(WEEKDAYS[part])
    if number < 0:
        begins = end - ((end.weekday() - weekday - 1) % _WEEK_DAYS + 1) * _A_DAY
    else:
        begins = first + ((weekday - first.weekday()) % _WEEK_DAYS + 7 * (number - 1)) * _A_DAY
    return begins, begins + (2 if unit == "weekend" else 1) * _A_DAY


def _last(match: re.Match[str], _: datetime.date) -> str:
    unit = key(match["unit"])
    return f"last {SEASONS.get(unit) or UNITS.get(unit) or MONTHS[int(MONTH_NAMES[unit]) - 1]}"


def _this(match: re.Match[str], _: datetime.date) -> str:
    unit = key(match["unit"])
    return f"this {SEASONS.get(unit) or UNITS[unit]}"


def _before_last(match: re.Match[str], today: datetime.date) -> str:
    unit = key(match["unit"])
    return _so_long_ago(2, SEASONS.get(unit) or UNITS[unit], today)


def _last_day(match: re.Match[str], today: datetime.date) -> str:
    """Return the last Monday before today."""
    back = (today.weekday() - int(WEEKDAYS[key(match["weekday"])]) - 1) % _WEEK_DAYS + 1
    return (today - back * _A_DAY).isoformat()


def _newest_day(match: re.Match[str], today: datetime.date) -> str:
    """Return the last Monday, which may be today."""
    return _last_one(match["weekday"], today)[0].isoformat()


def _day_of_week(match: re.Match[str], today: datetime.date) -> str:
    """Return Monday of last week; or of this one, in the Chinese for it."""
    is_this = match.groupdict().get("which") in {"这", "這", "本"}
    monday = today - (today.weekday() + (0 if is_this else _WEEK_DAYS)) * _A_DAY
    weekday = match["weekday"]
    return (
        monday + int(WEEKDAYS.get(key(weekday)) or WEEKDAYS[f"周{weekday}"]) * _A_DAY
    ).isoformat()


def _whole(match: re.Match[str], today: datetime.date) -> str:
    said = WHOLE[key(match["whole"])]
    if said == "day before yesterday":
        return (today - 2 * _A_DAY).isoformat()
    if said == "the year before last":
        return str(today.year - 2)
    if "weekend" in said:  # the last one is over, this one has begun
        days = (today.weekday() - _SATURDAY) % _WEEK_DAYS
        weeks = 0 if said == "this weekend" or days > 1 else 1
        weeks += "before" in said
        saturday = today - (days + weeks * _WEEK_DAYS) * _A_DAY
        return f"{saturday}..{saturday + _A_DAY}"
    return said


def _counted(match: re.Match[str]) -> tuple[int, str]:
    return _count(match["count"]), COUNTED[key(match["unit"])]


def _count(words: str) -> int:
    """Return the number of "3", "three" and "二十三"."""
    tens, ten, ones = words.partition("十")
    if ten:
        return 10 * int(COUNTS.get(tens, "1")) + int(COUNTS.get(ones, "0"))
    return int(COUNTS.get(key(words), words))


def _last_some(match: re.Match[str], _: datetime.date) -> str:
    count, unit = _counted(match)
    return f"{count}{unit}s"


def _past(match: re.Match[str], _: datetime.date) -> str:
    return f"1{UNITS[key(match['unit'])]}"


def _ago(match: re.Match[str], today: datetime.date) -> str:
    return _so_long_ago(*_counted(match), today)


def _some_ago(match: re.Match[str], today: datetime.date) -> str:
    return _from_to_ago(_FEWEST, _MOST, COUNTED[key(match["unit"])], today)


def _about_ago(match: re.Match[str], today: datetime.date) -> str:
    fewest, unit = _counted(match)
    return _from_to_ago(fewest, _count(match["most"]), unit, today)


def _from_to_ago(fewest: int, most: int, unit: str, today: datetime.date) -> str:
    first, last = (
        time_ranges.span(_so_long_ago(count, unit, today), today) for count in (most, fewest)
    )
    return _days((first[0], last[1]))


def _this_day(match: re.Match[str], today: datetime.date) -> str:
    """Return the day that was so long ago today; a year ago, if that is not said."""
    count, unit = _counted(match) if "count" in match.groupdict() else (1, "year")
    if unit in {"year", "month"}:
        months = count * (_MOST_MONTHS if unit == "year" else 1)
        return time_ranges.months_later(today, -months).isoformat()
    return (today - count * (_WEEK_DAYS if unit == "week" else 1) * _A_DAY).isoformat()


def _this_day_of(match: re.Match[str], today: datetime.date) -> str:
    """Return the same day of another year."""
    back = today.year - int(match["year"])
    return time_ranges.months_later(today, -_MOST_MONTHS * back).isoformat()


def _no_time(match: re.Match[str], _: datetime.date) -> str:
    raise BadRequestError(f"{match.group()} tells no time")


def _so_long_ago(count: int, unit: str, today: datetime.date) -> str:
    """Return the day, week, month, season or year that was so long ago."""
    if unit == "year":
        return str(today.year - count)
    if unit == "month":
        year, month = divmod(12 * today.year + today.month - 1 - count, 12)
        return f"{year}-{month + 1:02}"
    if unit == "week":
        monday = today - (today.weekday() + 7 * count) * _A_DAY
        return f"{monday}..{monday + 6 * _A_DAY}"
    if unit == "day":
        return (today - count * _A_DAY).isoformat()
    return f"{unit} {time_ranges.span(f'last {unit}', today)[0].year - count + 1}"


def _decade(match: re.Match[str], _: datetime.date) -> str:
    named = match.groupdict()
    tens = named.get("tens") or DECADES[key(match["decade"])]
    tens = str(_CHINESE_DIGITS.find(tens)) if tens in _CHINESE_DIGITS else tens
    first = f"{named.get('century') or '19'}{tens}"
    return f"{first}0..{first}9"


def _last_one(words: str, today: datetime.date, *, is_over: bool = False) -> Span:
    span = last_begun(words, today, is_over=is_over)
    if span is None:
        raise BadRequestError("there was none")
    return span


def _days(span: Span) -> str:
    return f"{span[0]}..{span[1] - _A_DAY}"


_CHINESE_DIGITS = "〇一二三四五六七八九"
_YEARS = any_of(word for word, unit in COUNTED.items() if unit == "year")
_ONES = "一二两三四五六七八九"
_CHINESE_NUMBER = rf"(?<![\d{_ONES}十百千])(?:\d{{1,3}}|[{_ONES}]?十[{_ONES}]?|[{_ONES}])"
_A_COUNT = rf"\d{{1,3}}|{any_of(COUNTS)}"
_IS_YEARS_AGO = re.compile(
    rf"{listed(_AGO_BEFORE)}\s+(?P<after>{_A_COUNT})\s+{_YEARS}"
    rf"|(?P<before>{_A_COUNT})\s+{_YEARS}\s+{listed(_AGO)}"
    rf"|(?P<chinese>{_CHINESE_NUMBER})年(?:之前|以前|前)的?",
    re.IGNORECASE,
)
_YEARS_AGO = re.sub(r"\?P<\w+>", "?:", _IS_YEARS_AGO.pattern)
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ANY_YEAR = rf"(?P<year>(?:19|20)\d\d|{any_of(RELATIVE_YEARS)}|{_YEARS_AGO})"
_YEAR_AFTER_NAME = rf"(?P<year>(?:19|20)\d\d|['’]\d\d|{any_of(RELATIVE_YEARS)}|{_YEARS_AGO})"
_THEN_IN = rf"(?P<year>{any_of(RELATIVE_YEARS)}|{_YEARS_AGO})\s+{listed(_IN)}\s+"
_MONTH = f"(?P<month>{any_of(MONTH_NAMES)})"
_NUMBER = r"(?P<month>\d{1,2})"
_MONTH_NUMBER = r"(?P<month>0?[1-9]|1[0-2])"
# "women's march 2017" and "protest march 2017" are no month
_NO_MARCH = (
    r"(?!(?:(?<=['’]s\s)|(?<=protest\s)|(?<=peace\s)|(?<=pride\s)|(?<=climate\s))(?:march|may)\b)"
)
_ORDINAL = r"(?:st|nd|rd|th|er|ro|\.|º)?"
_DAY = rf"(?P<day>\d{{1,2}}){_ORDINAL}"
_SEASON = f"(?P<season>{any_of(SEASONS)})"
_FEAST = f"(?P<feast>{any_of(FEASTS)})"
_TURN_OF_YEAR = "(?P<feast>" + any_of(w for w in FEASTS if FEASTS[w].startswith("new year")) + ")"
_TWO_YEARS = r"(?P<year>(?:(?:19|20)?\d\d))\s?[-/–]\s?(?P<next>(?:20)?\d\d)"
_WEEKDAY = f"(?P<weekday>{any_of(WEEKDAYS)})"
_UNIT = f"(?P<unit>{any_of([*SEASONS, *UNITS])})"
_LONG_UNIT = f"(?P<unit>{any_of([*SEASONS, *UNITS, *MONTH_NAMES])})"
_COUNT = f"(?P<count>{_A_COUNT})"
_SOME = rf"{_COUNT}\s+(?P<unit>{any_of(COUNTED)})"
_ABOUT = (
    rf"{_COUNT}(?:\s*[-–]\s*|\s+{listed(_TO)}\s+)(?P<most>{_A_COUNT})"
    rf"\s+(?P<unit>{any_of(COUNTED)})"
)
_TENS = r"(?:(?P<century>19|20)(?=\d0))?(?P<tens>(?<=\d)\d|[5-9])0"
_JOINT = r"\.?,?\s*(?:(?:of|de|del|năm|nam)\s+)?"
_OF_YEAR = rf"(?:{_JOINT}{_YEAR_AFTER_NAME})?"
_NTH = f"(?P<ordinal>{any_of(ORDINALS)})"
_PART = f"(?P<part>{any_of([*PARTS, *WEEKDAYS])})"
_OF_WHOLE = r"(?:of|in|im|des|von|vom|de|du|en|del|của|trong)(?:\s+(?:the|năm))?\s+|d['’]"

_Meaning = Callable[[re.Match[str], datetime.date], str]
# The most telling first; each is said as `time_ranges` takes it.
_SPACED: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_NTH}\s+{_PART}\s+(?:{_OF_WHOLE}){_MONTH}{_OF_YEAR}", _part),
    (rf"{_NTH}\s+{_MONTH}(?P<part>woche|wochenende){_OF_YEAR}", _part),
    (rf"{_PART}\s+{_NTH}\s+(?:{_OF_WHOLE})?{_MONTH}{_OF_YEAR}", _part),
    (rf"{_NTH}\s+{_PART}\s+(?:{_OF_WHOLE})?{_YEAR}", _part),
    (rf"{_YEAR}(?P<mark>[-/.:]){_NUMBER}(?P=mark)(?P<day>\d{{1,2}})", _day_of),
    (rf"(?P<day>\d{{1,2}})\.\s?{_NUMBER}\.\s?{_YEAR}", _day_of),
    (rf"(?P<day>\d{{1,2}})\.{_NUMBER}\.(?P<year>\d\d)", _day_of),
    (rf"{listed(_ON_DAY)}\s+(?P<day>\d{{1,2}})/{_MONTH_NUMBER}/{_YEAR}", _day_of),
    (rf"(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{_YEAR}", _american_or_not),
    (rf"{_DAY}\s+(?:(?:of|de)\s+)?{_MONTH}{_JOINT}{_YEAR_AFTER_NAME}", _day_of),
    (rf"{_MONTH}\.?\s+{_DAY}\s?[-–]\s?(?P<last>\d{{1,2}}){_ORDINAL},?\s+{_YEAR}", _days_of),
    (rf"{_MONTH}\.?\s+{_DAY},?\s+{_YEAR}", _day_of),
    (rf"{_SEASON}{_JOINT}{_TWO_YEARS}", _one_winter),
    (rf"{_TURN_OF_YEAR}{_JOINT}{_TWO_YEARS}", _turn_of_year),
    (rf"{_YEAR}[-/]{_NUMBER}", _month_or_years),
    (rf"(?:tháng\s+|thang\s+)?{_NUMBER}/{_YEAR}", _day_of),
    (rf"{_FEAST}{_JOINT}{_YEAR_AFTER_NAME}", _feast),
    (rf"{_NO_MARCH}{_MONTH}{_JOINT}{_YEAR_AFTER_NAME}", _day_of),
    (rf"{_YEAR}\s+{_MONTH}", _day_of),
    (rf"{_THEN_IN}{_MONTH}", _day_of),
    (rf"{_THEN_IN}{_SEASON}", _season),
    (rf"{_THEN_IN}{_FEAST}", _feast),
    (rf"{_YEAR}\s+{_FEAST}(?=\s*$)", _feast),  # but "2019 Christmas market" was all year
    (rf"{listed(_LAST)}\s+{_FEAST}", _last_feast),
    (rf"{_FEAST}\s+{listed(_LAST_AFTER)}", _last_feast),
    (rf"{listed(_THIS)}\s+{_FEAST}", _this_feast),
    (rf"{_SEASON}{_JOINT}(?P<year>of\s+['’]?\d\d)", _season),
    (rf"{_SEASON}{_JOINT}{_YEAR_AFTER_NAME}", _season),
    (rf"{_YEAR}\s+{_SEASON}", _season),
    (rf"Q(?P<quarter>[1-4])\s*/?\s*{_YEAR}", _quarter),
    (rf"{_YEAR}\s*/?\s*Q(?P<quarter>[1-4])", _quarter),
    (r"(?P<century>19|20)(?P<tens>\d)0(?:['’]?s|er(?:\s+jahre[n]?)?)", _decade),
    (
        rf"(?:les\s+|los\s+)?{listed('années años thập_niên những_năm')}\s+{_TENS}",
        _decade,
    ),
    (r"['’]?(?P<tens>[5-9])0(?:['’]?s|er[n]?(?:\s+jahre[n]?)?)", _decade),
    (rf"(?P<decade>{any_of(DECADES)})(?:\s+jahre[n]?)?", _decade),
    (rf"(?:en\s+)?los\s+{_TENS}", _decade),
    (rf"{_WEEKDAY},?\s+{listed(_LAST_WEEK)}", _day_of_week),
    (rf"{listed(_LAST)}\s+{_WEEKDAY}", _last_day),
    (rf"{_WEEKDAY}\s+{listed(_LAST_AFTER)}", _last_day),
    (rf"{listed(_ON)}\s+{_WEEKDAY}", _newest_day),
    (rf"from\s+{_WEEKDAY}(?=\s*(?:$|[,;.?!])|\s+(?:at|in|on|with)\s)", _newest_day),
    (rf"{_SOME}\s+{listed(_AGO)}\s+{listed(_THIS_DAY)}", _this_day),
    (rf"{listed(_THIS_DAY)}\s+{_SOME}\s+{listed(_AGO)}", _this_day),
    (rf"{listed(_THIS_DAY)}\s+{listed(_AGO_BEFORE)}\s+{_SOME}", _this_day),
    (rf"{listed(_AGO_BEFORE)}\s+{_SOME}\s+{listed(_THIS_DAY)}", _this_day),
    (rf"{listed(_THIS_DAY)}\s+last\s+year", _this_day),
    (rf"{listed(_THIS_DAY)},?\s+(?:in\s+)?{_YEAR}", _this_day_of),
    (rf"{listed(_SOME_AGO)}\s+(?P<unit>{any_of(COUNTED)})\s+{listed(_AGO)}", _some_ago),
    (rf"{listed(_AGO_BEFORE)}\s+{listed(_SOME_AGO)}\s+(?P<unit>{any_of(COUNTED)})", _some_ago),
    (rf"{_ABOUT}\s+{listed(_AGO)}", _about_ago),
    (rf"{listed(_AGO_BEFORE)}\s+{_ABOUT}", _about_ago),
    (rf"{_SOME}\s+{listed(_AGO)}", _ago),
    (rf"{listed(_AGO_BEFORE)}\s+{_SOME}", _ago),
    (rf"{listed(_LAST_SOME)}\s+{_SOME}", _last_some),
    (rf"(?:les\s+)?{_COUNT}\s+derni[eè]re?s\s+(?P<unit>{any_of(COUNTED)})", _last_some),
    (rf"{_SOME}\s+qua", _last_some),
    (rf"(?P<whole>{any_of(WHOLE)})", _whole),
    (rf"{listed(_BEFORE_LAST)}\s+{_UNIT}", _before_last),
    (rf"{_UNIT}\s+before\s+last", _before_last),
    (rf"(?:the\s+)?past\s+(?P<unit>{any_of(UNITS)})", _past),
    (rf"{listed(_LAST)}\s+{_LONG_UNIT}", _last),
    (rf"{_LONG_UNIT}\s+{listed(_LAST_AFTER)}", _last),
    (rf"{listed(_THIS)}\s+{_UNIT}", _this),
    (rf"{_UNIT}\s+{listed(_THIS_AFTER)}", _this),
    # "hơn 2000" is more than 2000, but "mới hơn 2000" newer, and "pero no 2019" no number
    (rf"(?<!cũ\s)(?<!mới\s)(?<!pero\s)(?<!\by\s){listed(_NUMBERED)}\s+{_YEAR}", _no_time),
    (rf"{_YEAR}\s+{listed(f'{_MEASURES} {_MAKES}')}", _no_time),
    (_YEAR, lambda match, _: match["year"]),
)
_IS_UNSPACED = re.compile(f"[{UNSPACED}]").match
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]").search  # every pattern of `_CHINESE` has one
_CHINESE_YEAR = r"(?P<year>(?:19|20)\d\d)\s?"
# without 年, beside other characters: "巴黎2019", "2015到2017", but no room, no flight, no people
_BARE_CHINESE_YEAR = (
    rf"(?<![^\W{UNSPACED}])(?<![.,间間号號码碼班路室第])(?=(?<=[{UNSPACED}])|\d{{4}}[{UNSPACED}]){_YEAR}"
    rf"(?![^\W{UNSPACED}]|[.,年人元块塊米公里卡步个個只张張岁歲号號室次])"
)
_ANY_CHINESE_YEAR = rf"(?:{_ANY_YEAR}\s?年?的?\s?)"
_CHINESE_MONTH = r"(?P<month>\d{1,2}(?=\s?月)|[一二三四五六七八九十]{1,2}月)\s?月?"
_CHINESE_UNIT = f"(?P<unit>{any_of(filter(_IS_UNSPACED, COUNTED))})"
_CHINESE_COUNT = f"(?P<count>{_CHINESE_NUMBER}){_CHINESE_UNIT}"
_CHINESE_ABOUT = (  # "2-3年", "两三年"
    rf"(?P<count>(?<![\d{_ONES}十百千])(?:\d{{1,3}}(?=[-–到至或])|[{_ONES}]))[-–到至或]?"
    rf"(?P<most>\d{{1,3}}|[{_ONES}]){_CHINESE_UNIT}"
)
_CHINESE_FEAST = f"(?P<feast>{any_of(filter(_IS_UNSPACED, FEASTS))})"
_CHINESE_PART = (
    rf"的?(?P<ordinal>{any_of(filter(_IS_UNSPACED, ORDINALS))})"
    rf"(?P<part>{any_of(filter(_IS_UNSPACED, [*PARTS, *WEEKDAYS]))})"
)
_CHINESE: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_CHINESE_YEAR}年\s?{_CHINESE_MONTH}{_CHINESE_PART}", _part),
    (rf"{_ANY_CHINESE_YEAR}?{_CHINESE_MONTH}{_CHINESE_PART}", _part),
    (rf"{_CHINESE_YEAR}年\s?{_CHINESE_MONTH}\s?(?P<day>\d{{1,2}})\s?[日号號]", _day_of),
    (rf"{_CHINESE_YEAR}年\s?{_CHINESE_MONTH}", _day_of),
    (rf"{_ANY_CHINESE_YEAR}{_CHINESE_MONTH}", _day_of),
    (rf"{_ANY_CHINESE_YEAR}(?P<season>[春夏秋冬][天季])", _season),
    (rf"{_ANY_CHINESE_YEAR}{_CHINESE_FEAST}", _feast),
    (rf"{_CHINESE_FEAST}\s?{_YEAR}年?", _feast),
    (rf"{_TENS}年代", _decade),
    (r"(?P<tens>[五六七八九])十年代", _decade),
    (rf"{_CHINESE_COUNT}(?:之前|以前|前)的?今天", _this_day),
    (rf"{_CHINESE_YEAR}年?的?今天", _this_day_of),
    (rf"{_CHINESE_ABOUT}(?:之前|以前|前)", _about_ago),
    (rf"{_CHINESE_COUNT}(?:之前|以前|前)", _ago),
    (rf"[几幾]{_CHINESE_UNIT}(?:之前|以前|前)", _some_ago),
    (rf"(?:最近|过去|過去){_CHINESE_COUNT}", _last_some),
    (
        r"(?P<which>[上这這本])[个個]?(?:周|週|星期|礼拜)(?P<weekday>[一二三四五六日天])",
        _day_of_week,
    ),
    (rf"(?P<whole>{any_of(filter(_IS_UNSPACED, WHOLE))})", _whole),
    (rf"{_CHINESE_YEAR}年", lambda match, _: match["year"]),
    (_BARE_CHINESE_YEAR, lambda match, _: match["year"]),
)
_OPEN = (
    rf"(?:(?P<day>\d{{1,2}}){_ORDINAL}\s+(?:(?:of|de)\s+)?(?P<day_month>{any_of(MONTH_NAMES)})"
    rf"|{_MONTH}|{_SEASON}|{_FEAST}|{_WEEKDAY}|(?P<chinese_month>\d{{1,2}})\s?月)"
)
OPEN = re.sub(r"\?P<\w+>", "?:", _OPEN)
"""Pattern of what another time, or today, gives its year: "June", "15 June", "summer"."""
DAY_NUMBER = rf"\d{{1,2}}{_ORDINAL}"
"""Pattern of a day of which another time gives the month."""


@functools.cache  # a tenth of a second, which a start need not wait for
def _patterns() -> tuple[tuple[re.Pattern[str], _Meaning, bool], ...]:
    return (
        *((re.compile(pattern), meaning, False) for pattern, meaning in _CHINESE),
        *(
            (re.compile(rf"(?<!\w){pattern}(?!\w)", re.IGNORECASE), meaning, True)
            for pattern, meaning in _SPACED
        ),
    )


@functools.cache
def _open_pattern() -> re.Pattern[str]:
    return re.compile(_OPEN, re.IGNORECASE)


def compile_patterns() -> None:
    """Compile what is compiled at first use; takes a fifth of a second."""
    _patterns()
    _open_pattern()


def single_times(text: str, today: datetime.date) -> list[tuple[int, int, Time]]:
    """Return (start, end, time) of each single time in a text, none over another."""
    taken: list[tuple[int, int]] = []
    found = []
    has_unspaced = _HAS_UNSPACED(text) is not None
    for rank, (pattern, meaning, is_spaced) in enumerate(_patterns()):
        if not (is_spaced or has_unspaced):
            continue
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other_end and other < end for other, other_end in taken):
                continue
            # "February 2020" in "30 February 2020" is no time, either
            taken.append((start, end))
            try:
                said = meaning(match, today)
                first, after = time_ranges.span(said, today)
            except (BadRequestError, ValueError):  # there is no month 13
                continue
            if first < after:
                time = Time(first, after, said, match.group(), rank, is_spaced)
                found.append((start, end, time))
    return sorted(found, key=lambda each: each[0])


def last_begun(words: str, today: datetime.date, *, is_over: bool = False) -> Span | None:
    """Return the last one of what `OPEN` fits that has begun, or that is over; None for none."""
    match = _open_pattern().fullmatch(words)
    if match is None:
        return None
    if match["weekday"]:
        day = today - (today.weekday() - int(WEEKDAYS[key(match["weekday"])])) % 7 * _A_DAY
        return day, day + _A_DAY
    for year in range(today.year + 1, today.year - 9, -1):  # 29 February is not every year
        span = _in_year(match, year)
        if span is not None and (span[1] <= today if is_over else span[0] <= today):
            return span
    return None


def completed(words: str, other: Time, *, is_before: bool) -> Span | None:
    """Return the days of what `OPEN` or `DAY_NUMBER` fits, in the year or month of another time.

    None where the other time has none.

    Args:
        is_before: it begins before the other time, and else ends after it.
    """
    match = _open_pattern().fullmatch(words)
    known = other.first if is_before else other.end - _A_DAY
    if match is None:
        number = int(re.match(r"\d+", words)[0])  # type: ignore[index]
        try:
            day = known.replace(day=number)
        except ValueError:
            return None
        return day, day + _A_DAY
    for year in (known.year, known.year - 1 if is_before else known.year + 1):
        span = _in_year(match, year)
        if span is not None and (span[0] < other.first if is_before else span[1] > other.end):
            return span
    return None


def _in_year(match: re.Match[str], year: int) -> Span | None:
    if match["feast"]:
        return feast(FEASTS[key(match["feast"])], year)
    if match["season"]:
        said = f"{SEASONS[key(match['season'])]} {year}"
    elif month := match["month"] or match["chinese_month"]:
        said = f"{year}-{_month(month)}"
    elif match["day"]:
        said = f"{year}-{_month(match['day_month'])}-{int(match['day']):02}"
    else:
        return None
    try:
        return time_ranges.span(said, datetime.date.max)
    except BadRequestError:
        return None
