"""Times among the words of a query: "beach July 2023" is "beach", taken in July 2023.

Understands English, German, French, Spanish, Vietnamese and Chinese. What stands in quotes is never
taken apart. Months alone are words like any other ("may", "mars"): a year makes them a time.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable, Iterable

import msgspec

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import time_ranges
from imgvecd.core.search.words import QUOTED, is_of_small_words
from imgvecd.errors import BadRequestError

_A_DAY = datetime.timedelta(1)
_LONGEST = 500  # characters: what is longer is no query that a person typed

# As in Unicode's CLDR, beside what is usual; a name in several languages means the same month.
_MONTHS = (
    "january jan januar jänner janvier enero 一月",
    "february feb februar février febrero 二月",
    "march märz maerz mars marzo 三月",
    "april apr avril abril 四月",
    "may mai mayo 五月",
    "june jun juni juin junio 六月",
    "july jul juli juillet julio 七月",
    "august aug août agosto 八月",
    "september sep sept septembre septiembre setiembre 九月",
    "october oct oktober octobre octubre 十月",
    "november nov novembre noviembre 十一月",
    "december dec dezember décembre diciembre 十二月",
)
_VIETNAMESE = "một hai ba tư năm sáu bảy tám chín mười mười_một mười_hai".split()  # noqa: SIM905
_SEASONS = {
    "spring": "spring frühling fruehling frühjahr printemps primavera mùa_xuân 春天 春季",
    "summer": "summer sommer été verano mùa_hè mùa_hạ 夏天 夏季",
    "autumn": "autumn fall herbst automne otoño mùa_thu 秋天 秋季",
    "winter": "winter hiver invierno mùa_đông 冬天 冬季",
}
_UNITS = {
    "year": "year jahr année an año 年",
    "month": "month monat mois mes",
    "week": "week woche semaine semana",
}
_LAST = "last letzte letzten letzter letztes vergangene vergangenen vergangener vergangenes"
_THIS = "this diese diesen dieser dieses diesem cet cette ce este esta"
_LAST_AFTER = "dernier dernière passé passée pasado pasada trước năm_ngoái năm_trước"
_THIS_AFTER = "năm_nay này"
_WHOLE = {
    "last year": "năm_ngoái năm_trước 去年",
    "this year": "năm_nay 今年",
    "last month": "tháng_trước 上个月 上月",
    "this month": "tháng_này 这个月 本月",
    "last week": "tuần_trước 上周 上个星期",
    "this week": "tuần_này 这周 这个星期",
    "yesterday": "yesterday gestern ayer hôm_qua 昨天",
    "today": "today heute aujourd'hui hoy hôm_nay 今天",
}
_RELATIVE_YEARS = {
    "{last_year}": "last_year letztes_jahr letzten_jahres vergangenes_jahr l'année_dernière"
    " année_dernière el_año_pasado año_pasado năm_ngoái năm_trước 去年",
    "{this_year}": "this_year dieses_jahr diesen_jahres cette_année este_año năm_nay 今年",
}
_BEFORE_IT = (
    "in on from of the taken during im am aus vom von des de du en au el la le los del vào của"
    " trong năm ngày"
)
_SINCE = "since after seit nach depuis après desde từ sau"
_UNTIL = "before vor avant antes_de trước"
_TO = r"(?:to|until|till|bis|à|a|hasta|đến|到|-|–|\.\.)"


def _plain(word: str) -> str:
    """Return a word without accents, as many type it."""
    bare = unicodedata.normalize("NFD", word.replace("đ", "d"))
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


def _table(listed: dict[str, str]) -> dict[str, str]:
    """Return meanings by word, with and without accents."""
    named = {
        word.replace("_", " "): meaning
        for meaning, words in listed.items()
        for word in words.split()
    }
    return {_plain(word): meaning for word, meaning in named.items()} | named


def _any(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first) + ")"


def _listed(words: str) -> str:
    return _any(word.replace("_", " ") for word in words.split())


_MONTH_NAMES = _table(
    {
        names.split()[0]: f"{names} tháng_{number} tháng_{_VIETNAMESE[number - 1]}"
        for number, names in enumerate(_MONTHS, 1)
    }
)
_MONTH_NUMBERS = {names.split()[0]: number for number, names in enumerate(_MONTHS, 1)}
_SEASON_NAMES, _UNIT_NAMES, _WHOLE_NAMES = map(_table, (_SEASONS, _UNITS, _WHOLE))
_YEAR_NAMES = _table(_RELATIVE_YEARS)
_ALL_UNITS = {**_SEASON_NAMES, **_UNIT_NAMES}


def _key(words: str) -> str:
    return " ".join(words.casefold().split())


def _date(match: re.Match[str]) -> str:
    named = match.groupdict()
    month = _MONTH_NUMBERS.get(_MONTH_NAMES.get(_key(named["month"]), ""), named["month"])
    rest = (month, named.get("day"))
    return "-".join([_year(match), *(f"{int(part):02}" for part in rest if part)])


def _year(match: re.Match[str]) -> str:
    return _YEAR_NAMES.get(_key(match["year"]), match["year"])


def _season(match: re.Match[str]) -> str:
    return f"{_SEASON_NAMES[_key(match['season'])]} {_year(match)}"


def _last(match: re.Match[str]) -> str:
    unit = _key(match["unit"])
    return f"last {_ALL_UNITS.get(unit) or _MONTH_NAMES[unit]}"


def _this(match: re.Match[str]) -> str:
    return f"this {_ALL_UNITS[_key(match['unit'])]}"


def _whole(match: re.Match[str]) -> str:
    return _WHOLE_NAMES[_key(match["whole"])]


_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ANY_YEAR = rf"(?P<year>(?:19|20)\d\d|{_any(_YEAR_NAMES)})"
_MONTH = f"(?P<month>{_any(_MONTH_NAMES)})"
_NUMBER = r"(?P<month>\d{1,2})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?"
_SEASON = f"(?P<season>{_any(_SEASON_NAMES)})"
_UNIT = f"(?P<unit>{_any(_ALL_UNITS)})"
_LONG_UNIT = f"(?P<unit>{_any([*_ALL_UNITS, *_MONTH_NAMES])})"
_JOINT = r"\.?,?\s*(?:(?:of|de|del|năm|nam)\s+)?"
_BEFORE = rf"(?:{_listed(_BEFORE_IT)}\s+)*(?:[ld]['’])?"

_Meaning = Callable[[re.Match[str]], str]
# The most telling first; each is said as `time_ranges` takes it.
_SPACED: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_YEAR}-{_NUMBER}-(?P<day>\d{{1,2}})", _date),
    (rf"(?P<day>\d{{1,2}})\.\s?{_NUMBER}\.\s?{_YEAR}", _date),
    (rf"{_DAY}\s+(?:(?:of|de)\s+)?{_MONTH}{_JOINT}{_ANY_YEAR}", _date),
    (rf"{_MONTH}\.?\s+{_DAY},?\s+{_YEAR}", _date),
    (
        rf"(?P<first>(?:19|20)\d\d)\s*{_TO}\s*(?P<last>(?:19|20)\d\d)",
        lambda match: f"{match['first']}..{match['last']}",
    ),
    (rf"{_YEAR}-{_NUMBER}", _date),
    (rf"(?:tháng\s+|thang\s+)?{_NUMBER}/{_YEAR}", _date),
    (rf"{_MONTH}{_JOINT}{_ANY_YEAR}", _date),
    (rf"{_YEAR}\s+{_MONTH}", _date),
    (rf"{_SEASON}{_JOINT}{_ANY_YEAR}", _season),
    (rf"{_YEAR}\s+{_SEASON}", _season),
    (rf"{_listed(_LAST)}\s+{_LONG_UNIT}", _last),
    (rf"{_UNIT}\s+{_listed(_LAST_AFTER)}", _last),
    (rf"{_listed(_THIS)}\s+{_UNIT}", _this),
    (rf"{_UNIT}\s+{_listed(_THIS_AFTER)}", _this),
    (rf"(?P<whole>{_any(_WHOLE_NAMES)})", _whole),
    (rf"{_listed(_SINCE)}\s+{_YEAR}", lambda match: f"{match['year']}.."),
    (rf"{_listed(_UNTIL)}\s+{_YEAR}", lambda match: f"..{int(match['year']) - 1}"),
    (_YEAR, lambda match: match["year"]),
)
_CHINESE_MONTH = r"(?P<month>\d{1,2}(?=月)|[一二三四五六七八九十]{1,2}月)月?"
_CHINESE: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_YEAR}年{_CHINESE_MONTH}(?P<day>\d{{1,2}})[日号]", _date),
    (rf"{_YEAR}年{_CHINESE_MONTH}", _date),
    (rf"{_ANY_YEAR}年?的?{_CHINESE_MONTH}", _date),
    (rf"{_ANY_YEAR}年?的?(?P<season>[春夏秋冬][天季])", _season),
    (rf"{_YEAR}年", lambda match: match["year"]),
    (r"(?P<whole>去年|今年|上个月|上月|这个月|本月|上周|上个星期|这周|这个星期|昨天|今天)", _whole),
)
_PATTERNS: tuple[tuple[re.Pattern[str], _Meaning], ...] = (
    *((re.compile(f"{pattern}的?"), meaning) for pattern, meaning in _CHINESE),
    *(
        (
            re.compile(rf"(?<![\w/.\-]){_BEFORE}{pattern}(?:['’]s)?(?![\w/\-])", re.IGNORECASE),
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
                years = {"last_year": today.year - 1, "this_year": today.year}
                taken = meaning(match).format(**years)
                first, end = time_ranges.span(taken, today)
            except BadRequestError:  # there is no month 13
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
