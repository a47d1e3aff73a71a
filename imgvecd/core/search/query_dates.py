"""Times among the words of a query: "beach July 2023" is "beach", taken in July 2023.

Every single time in it is found first (`single_times`); then what the words around make of them:
"before …", "since …", "between … and …", "… to …", "… or …", "early …", "not …". What stands in
quotes is never taken apart.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable

import msgspec

from imgvecd.api import Filters, SearchRequest, Understood
from imgvecd.core.search import single_times as times
from imgvecd.core.search.query_places import BUT_BEHIND, NOT_BEFORE
from imgvecd.core.search.single_times import (
    DAY_NUMBER,
    OPEN,
    Time,
    completed,
    last_begun,
    single_times,
)
from imgvecd.core.search.time_ranges import Span
from imgvecd.core.search.time_words import (
    BUT,
    MONTH_NAMES,
    NOT,
    any_of,
    key,
    listed,
    may_tell_time,
)
from imgvecd.core.search.words import QUOTED, is_of_small_words
from imgvecd.spelling import normalized

_A_DAY = datetime.timedelta(1)
_A_YEAR = datetime.timedelta(365)
_NO_BEGINNING, _NO_END = datetime.date.min, datetime.date.max
_LONGEST = 500  # characters: what is longer is no query that a person typed

# In the text, each time stands as one of the characters for private use, by its number: there are
# more of them than times can be in it. So does what is left alone.
_SPACED, _UNSPACED, _CLOSED = 0xE000, 0xF000, 0xF800
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_TIME = "[\ue000-\uf7ff]"

_ONLY = "only nur seulement uniquement solo chỉ"
_BEFORE_IT = (
    f"{_ONLY} "
    "in on at from of the taken during around earlier later im am aus vom von zu den des dem der de"
    " du en au el la le los del vào của trong năm ngày lúc year years jahr jahre jahren année"
    " l'année années año años circa ca. etwa vers hacia khoảng over throughout"
    # "last summer 2022"
    " last letzte letzten letzter letztes this diese diesen dieser dieses"
)
_BEFORE_ENDS = (
    "the dem der den die das zum zur le la les el los năm the_year the_years jahr dem_jahr zum_jahr"
    " den_jahren année l'année les_années año el_año los_años"
)
_OF = "of of_the the năm de de_la del des der von d' l' los of_the_year the_year des_jahres del_año"
_SINCE = "since seit depuis à_partir_de desde từ ab"
_AFTER = (
    "after later_than newer_than more_recent_than younger_than nach neuer_als jünger_als après"
    " plus_récent_que plus_récente_que después_de después_del más_reciente_que sau mới_hơn"
)
_BEFORE = (
    "before prior prior_to earlier_than older_than pre vor älter_als avant plus_ancien_que"
    " plus_ancienne_que antes_de antes_del más_antiguo_que más_antigua_que trước cũ_hơn"
)
_UNTIL = "until till up_to bis jusqu'en jusqu'à jusqu'au hasta"
_BETWEEN = "between zwischen entre giữa"
_FROM = "from von vom de del desde từ since seit depuis"
_AND = "and und et y và"
_TO = "to until till through thru bis à a hasta đến tới"
_OR = f"or oder ou o hoặc hay nor noch ni {_AND}"
_AND_LATER = "on onwards onward and_later or_later or_newer und_später oder_später et_après"
_AND_EARLIER = "and_earlier or_earlier or_older and_before und_früher oder_früher et_avant"
_THIRDS = (
    "early beginning_of start_of anfang beginn début principios_de a_principios_de đầu",
    "mid middle_of mitte mi mediados_de a_mediados_de giữa",
    "late end_of ende fin finales_de a_finales_de fines_de cuối",
)
_FIRST_HALF = (
    "first_half_of erste_hälfte ersten_hälfte 1._halbjahr erstes_halbjahr première_moitié"
    " premier_semestre primera_mitad primer_semestre nửa_đầu"
)
_SECOND_HALF = (
    "second_half_of last_half_of zweite_hälfte zweiten_hälfte 2._halbjahr zweites_halbjahr"
    " seconde_moitié deuxième_moitié second_semestre deuxième_semestre segunda_mitad"
    " segundo_semestre nửa_cuối"
)
_WEEK_OF = "week_of woche_vom woche_von semaine_du semana_del"
_IN_MONTH = (
    "in in_the_month_of during during_the_month_of im im_monat en au_mois_de en_el_mes_de vào"
    " vào_tháng"
)
_CHINESE_HALVES = "上下"
_CHINESE_THIRDS = "初中底末"  # "年中" is the middle of a year
_LATEST_THIRD = 2


class _Marks:
    """A text in which times stand as single characters.

    Attributes:
        text: so far.
    """

    def __init__(self, text: str, today: datetime.date) -> None:
        self.today = today
        self._times: list[Time] = []
        self._closed: list[str] = []
        self.text = QUOTED.sub(self._close, text)
        end, parts = 0, []
        for start, stop, time in single_times(self.text, today):
            parts += [self.text[end:start], self._mark(time)]
            end = stop
        self.text = "".join([*parts, self.text[end:]])

    @property
    def has_times(self) -> bool:
        """Whether it tells any, be it one to come."""
        return bool(self._times)

    def _mark(self, time: Time) -> str:
        self._times.append(time)
        return chr((_SPACED if time.is_spaced else _UNSPACED) + len(self._times) - 1)

    def _close(self, match: re.Match[str]) -> str:
        self._closed.append(self.plain(match.group()))
        return chr(_CLOSED + len(self._closed) - 1)

    def time(self, mark: str) -> Time:
        """Return what stands as a character."""
        number = ord(mark)
        return self._times[number - (_SPACED if number < _UNSPACED else _UNSPACED)]

    def plain(self, text: str) -> str:
        """Return a part of the text as it was."""
        return _PRIVATE.sub(
            lambda match: (
                self._closed[ord(match.group()) - _CLOSED]
                if ord(match.group()) >= _CLOSED
                else self.time(match.group()).words
            ),
            text,
        )

    def join(self, pattern: re.Pattern[str], meaning: _Meaning) -> None:
        """Put what times and the words around them mean in their place."""

        def joined(match: re.Match[str]) -> str:
            spans = meaning(self, match)
            if not spans:
                return match.group()
            if any(first >= end for first, end in spans):  # "from 2020 to 2018"
                return self._close(match)
            is_spaced = not re.search("[\uf000-\uf7ff]", match.group())
            return self._mark(_joined(spans, self.plain(match.group()), is_spaced=is_spaced))

        self.text = pattern.sub(joined, self.text)


_Meaning = Callable[[_Marks, re.Match[str]], list[Span] | None]


def _joined(spans: list[Span], words: str, *, is_spaced: bool) -> Time:
    """Return the time of one span or more."""
    apart: list[Span] = []
    for first, end in sorted(spans):
        if apart and first <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((first, end))
    whole = apart[0][0], apart[-1][1]
    either = tuple(map(_said, apart)) if len(apart) > 1 else ()
    return Time(*whole, _said(whole), words, -1, is_spaced, either)


def _said(span: Span) -> str:
    first, end = span
    begins = "" if first == first.min else first.isoformat()
    return f"{begins}..{'' if end == _NO_END else (end - _A_DAY).isoformat()}"


def _ends(marks: _Marks, match: re.Match[str]) -> tuple[Span, Span] | None:
    """Return two ends, of which one may give the other its year or month.

    Of two without a year, after a word such as "between", the last ones that have begun.
    """
    first, last = match["first"], match["last"]
    times = [marks.time(words) if _PRIVATE.fullmatch(words) else None for words in (first, last)]
    if times[1] is not None:
        begins = _span(times[0]) or completed(first, times[1], is_before=True)
        ends = _span(times[1])
    elif times[0] is not None:
        begins, ends = _span(times[0]), completed(last, times[0], is_before=False)
    elif (ends := last_begun(last, marks.today)) and match["led"]:
        begins = completed(first, Time(*ends, "", last, -1, is_spaced=True), is_before=True)
    else:
        return None
    return None if begins is None or ends is None else (begins, ends)


def _span(time: Time | None) -> Span | None:
    return None if time is None else (time.first, time.end)


def _range(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    ends = _ends(marks, match)
    return None if ends is None else [(ends[0][0], ends[1][1])]


def _either(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    """Return all of several times, of which the last that has a year may give it to others."""
    parts = _parts_pattern().findall(match.group())
    known = [_PRIVATE.fullmatch(part) is not None for part in parts]
    if not any(known):
        return None
    last = len(known) - 1 - known[::-1].index(True)
    year = marks.time(parts[last])
    spans = [
        _span(marks.time(part)) if is_time else completed(part, year, is_before=place < last)
        for place, (part, is_time) in enumerate(zip(parts, known, strict=True))
    ]
    return [span for span in spans if span is not None]


def _part(marks: _Marks, match: re.Match[str], *, number: int, parts: int) -> list[Span] | None:
    """Return one of two halves, or of three thirds, counted from 0."""
    words = match["time"]
    span = _span(marks.time(words)) if _PRIVATE.fullmatch(words) else last_begun(words, marks.today)
    if span is None:
        return None
    begins, days = span[0], (span[1] - span[0]).days
    first, end = (begins + days * part // parts * _A_DAY for part in (number, number + 1))
    return [(first, end)]


def _chinese_third(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    return _part(
        marks, match, number=min(_CHINESE_THIRDS.index(match["third"]), _LATEST_THIRD), parts=3
    )


def _chinese_half(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    return _part(marks, match, number=_CHINESE_HALVES.index(match["half"]), parts=2)


def _since(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    words = match["time"]
    if _PRIVATE.fullmatch(words):
        return [(marks.time(words).first, _NO_END)]
    span = last_begun(words, marks.today)
    return None if span is None else [(span[0], _NO_END)]


def _after(marks: _Marks, match: re.Match[str]) -> list[Span]:
    return [(marks.time(match["time"]).end, _NO_END)]


def _before(marks: _Marks, match: re.Match[str]) -> list[Span]:
    return [(_NO_BEGINNING, marks.time(match["time"]).first)]


def _common(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    """Return what several times have in common: "after 2015 but before 2018", "2019, not May 2019".

    None where that may not be meant: one of two is all but something, or one begins and one ends.
    """
    first, *others = (marks.time(mark) for mark in re.findall(_TIME, match.group()))
    spans = first.spans(marks.today)
    for time in others:
        other = time.spans(marks.today)
        begin, end = {spans[0][0], other[0][0]}, {spans[-1][1], other[-1][1]}
        is_open = any(
            each[0][0] == _NO_BEGINNING and each[-1][1] == _NO_END for each in (spans, other)
        )
        if not is_open and not (begin > {_NO_BEGINNING} and end > {_NO_END}):
            return None
        spans = _overlaps(spans, other)
    return spans


def _overlaps(spans: list[Span], others: list[Span]) -> list[Span]:
    both = [
        (max(first, other_first), min(end, other_end))
        for first, end in spans
        for other_first, other_end in others
    ]
    return [(first, end) for first, end in both if first < end]


def _year_beside(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    """Return what a time by today's means beside a year: "l'été dernier 2022", "yesterday 2024"."""
    times = sorted(
        (marks.time(mark) for mark in match.groups()),
        key=lambda time: any(map(str.isdigit, time.words)),
    )
    by_today, dated = times
    has_year = [any(map(str.isdigit, time.words)) for time in times]
    if has_year != [False, True]:
        return None
    return _overlaps(by_today.spans(marks.today), dated.spans(marks.today)) or dated.spans(
        marks.today
    )


def _week_around(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    """Return the week, from Monday on, of "the week of 4 July 2022"."""
    time = marks.time(match["time"])
    if time.end - time.first > 7 * _A_DAY:
        return None
    day = time.first
    monday = day - day.weekday() * _A_DAY
    return [(monday, monday + 7 * _A_DAY)]


def _until(marks: _Marks, match: re.Match[str]) -> list[Span]:
    return [(_NO_BEGINNING, marks.time(match["time"]).end)]


def _not(marks: _Marks, match: re.Match[str]) -> list[Span] | None:
    time = marks.time(match["time"])
    if time.first > marks.today:
        return None
    spans, begins = [], _NO_BEGINNING
    for first, end in time.spans(marks.today):
        spans.append((begins, first))
        begins = end
    return [span for span in [*spans, (begins, _NO_END)] if span[0] < span[1]]


_LEAD = rf"(?:{listed(_BEFORE_ENDS)}\s+|l['’])?"
_AN_END = rf"(?:{_TIME}|{OPEN}|{DAY_NUMBER})"
_FIRST, _LAST = f"(?P<first>{_AN_END})", f"{_LEAD}(?P<last>{_AN_END})"
_MARK = f"(?P<time>{_TIME})"
_JOINED_BY_TO = rf"(?:\s+{listed(_TO)}\s+|\s*(?:-|–|\.\.)\s*)"
_JOINED_BY_OR = rf"(?:\s+{listed(_OR)}\s+|\s*[,/&+]\s*)"
_OR_BESIDE = rf"(?:{_JOINED_BY_OR}(?:{listed(_IN_MONTH)}\s+)?{_LEAD}|(?<={_TIME})\s+(?={_TIME}))"
_OF_IT = rf"(?:\s+|-)(?:{listed(_OF)}\s*)?"

_CHINESE_RULES: tuple[tuple[str, _Meaning], ...] = (
    (rf"{_MARK}(?P<half>[上下])半年", _chinese_half),
    (rf"{_MARK}(?P<third>[初底末]|(?<=年)中)", _chinese_third),
    (rf"(?P<led>[从從自]?)(?P<first>{_TIME})\s?[到至–-]\s?(?P<last>{_TIME}|{OPEN})", _range),
    (rf"{_TIME}(?:\s?[和或、]\s?(?:{_TIME}|{OPEN}))+", _either),
    (rf"{_MARK}(?:之前|以前|前)", _before),
    (rf"{_MARK}(?:之后|之後|以后|以後|后|後)", _after),
    (rf"[自从從]?{_MARK}(?:以来|以來|至今)", _since),
    (rf"但?(?:除了|除|不是|不在|不要|非)\s?{_MARK}(?:以外|之外|外)?", _not),
    (rf"{_MARK}(?:以外|之外|除外)", _not),
)
_SPACED_RULES: tuple[tuple[str, _Meaning], ...] = (
    *(
        (
            rf"(?:the\s+)?{listed(words)}{_OF_IT}(?P<time>{_TIME}|{any_of(MONTH_NAMES)})",
            functools.partial(_part, number=number, parts=len(some)),
        )
        for some in ((_FIRST_HALF, _SECOND_HALF), _THIRDS)
        for number, words in enumerate(some)
    ),
    (rf"(?P<led>{listed(_BETWEEN)})\s+{_LEAD}{_FIRST}\s+{listed(_AND)}\s+{_LAST}", _range),
    (rf"(?P<led>{listed(_FROM)})\s+{_LEAD}{_FIRST}{_JOINED_BY_TO}{_LAST}", _range),
    (rf"(?P<led>){_FIRST}{_JOINED_BY_TO}{_LAST}", _range),
    (rf"(?:the\s+)?{listed(_WEEK_OF)}\s+{_LEAD}{_MARK}", _week_around),
    (rf"({_TIME})\s+({_TIME})", _year_beside),
    (
        rf"(?:{_TIME}|{OPEN})(?:{_OR_BESIDE}(?:{_TIME}|{OPEN}))+",
        _either,
    ),
    (rf"(?:from\s+)?{_MARK}(?:\s+{listed(_AND_LATER)}|\+)", _since),
    # but "after 2015 and before 2018"
    (rf"{_MARK}\s+{listed(_AND_EARLIER)}(?!\s+{_LEAD}{_TIME})", _until),
    (rf"{listed(_SINCE)}\s+{_LEAD}(?P<time>{_TIME}|{OPEN})", _since),
    (rf"(?:{listed(_AFTER)}\s+{_LEAD}|post-){_MARK}", _after),
    (rf"(?:{listed(_BEFORE)}\s+{_LEAD}|pre-){_MARK}", _before),
    # "den" is "đến" only between two times: it is German, too
    (rf"(?:{listed(_UNTIL)}|đến)\s+{_LEAD}{_MARK}", _until),
    (rf"(?:{listed(BUT)}\s+)?{listed(NOT)}\s+(?:{listed(_BEFORE_IT)}\s+)*{_MARK}", _not),
    (rf"{_TIME}(?:,?\s+(?:{listed(BUT)}\s+)?{_TIME})+", _common),
)
_MEANT = re.compile(
    rf"(?<![\w/.\-])(?:{listed(_BEFORE_IT)}\s+)*(?:[ld]['’])?(?P<spaced>[\ue000-\uefff])"
    r"(?:['’]s|\s+only\s*$)?(?![\w/\-])|[在于於从從自]?(?P<unspaced>[\uf000-\uf7ff])的?",
    re.IGNORECASE,
)
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_HAS_WORDS = re.compile(r"\w")
_SHORTEST_MONTH = 4  # letters: "mar" and "set" are words; but "may" and "mai"
_MONTH = any_of(
    name for name in MONTH_NAMES if len(name) >= _SHORTEST_MONTH or name in {"may", "mai"}
)
_MONTH_ALONE = any_of(name for name in MONTH_NAMES if name.startswith(("tháng ", "thang ")))
_EVERY_YEAR = (
    rf"(?<![\w/.\-])(?:{listed(_ONLY)}\s+)?(?:{listed(_IN_MONTH)}\s+{_MONTH}|{_MONTH_ALONE})"
    rf"(?:{_JOINED_BY_OR}(?:{listed(_IN_MONTH)}\s+)?{_MONTH})*(?:\s+only\s*$)?(?![\w/\-]|\s*\d)"
    r"|[在于於]?(?<![\d年])(?:1[0-2]|[1-9])月(?!\s?[\d底初中])(?:份|里)?的?"
    r"|[在于於]?(?:十[一二]?|[一二三四五六七八九])月(?:份的?|里的?|的|$)"
)
_A_MONTH = rf"{_MONTH}|十[一二]?月|[一二三四五六七八九]月|\d{{1,2}}(?=月)"
_CHINESE_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")
_CHINESE_YEAR = re.compile("[一二][〇零○一二三四五六七八九]{3}(?=年)")


@functools.cache  # a tenth of a second, which a start need not wait for
def _rules() -> tuple[tuple[re.Pattern[str], _Meaning], ...]:
    return (
        *((re.compile(pattern), meaning) for pattern, meaning in _CHINESE_RULES),
        *(
            (re.compile(rf"(?<![\w/.\-]){pattern}(?![\w/\-])", re.IGNORECASE), meaning)
            for pattern, meaning in _SPACED_RULES
        ),
    )


@functools.cache
def _parts_pattern() -> re.Pattern[str]:
    return re.compile(f"{_TIME}|{OPEN}", re.IGNORECASE)


@functools.cache
def _every_year_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(_EVERY_YEAR, re.IGNORECASE), re.compile(_A_MONTH, re.IGNORECASE)


def compile_patterns() -> None:
    """Compile what the first query that may tell a time needs; takes some tenths of a second."""
    times.compile_patterns()
    _rules()
    _parts_pattern()
    _every_year_patterns()


def _in_digits(match: re.Match[str]) -> str:
    return match.group().translate(_CHINESE_DIGITS)


def understood(text: str, today: datetime.date) -> Understood | None:
    """Return what a text says of times, and the words that are left; None if it says nothing."""
    found = _understood(text, today)
    return None if found is None else found[0]


def _understood(text: str, today: datetime.date) -> tuple[Understood, Time | None] | None:
    if len(text) > _LONGEST or _PRIVATE.search(text):
        return None
    text = _CHINESE_YEAR.sub(_in_digits, normalized("NFC", text))
    if not may_tell_time(text):
        return None
    marks = _Marks(text, today)
    for pattern, meaning in _rules():
        marks.join(pattern, meaning)
    told = [
        (marks.time(match["spaced"] or match["unspaced"]), match)
        for match in _MEANT.finditer(marks.text)
    ]
    told = [each for each in told if each[0].first <= today]  # nothing was taken in times to come
    if not told and marks.has_times:
        return None
    rest, words, time = marks.text, [], None
    if told:
        time, match = min(told, key=lambda each: each[0].rank)
        rest, words = _cut(rest, *match.span()), [(match.start(), match.group())]
    # "in August since 2018", but not "in August" of a week
    yearly = _every_year(rest) if time is None or time.end - time.first >= _A_YEAR else None
    if yearly is not None:
        start, end, months = yearly
        words.append((start, rest[start:end]))
        rest = _cut(rest, start, end)
    elif time is None:
        return None
    said = Understood(
        text=_left(marks, rest),
        words=", ".join(_said_once(marks.plain(each)) for _, each in sorted(words)),
        months=() if yearly is None else months,
    )
    if time is None:
        return said, None
    said = msgspec.structs.replace(
        said,
        taken=time.said,
        taken_from=None if time.first == time.first.min else time.first.isoformat(),
        taken_to=None if time.end == _NO_END else (time.end - _A_DAY).isoformat(),
    )
    return said, time


def _cut(text: str, start: int, end: int) -> str:
    return f"{text[:start]} {text[end:]}"


def _said_once(words: str) -> str:
    return " ".join(words.split()).strip(" ,;.")


def _every_year(text: str) -> tuple[int, int, tuple[int, ...]] | None:
    """Return (start, end, months) of what a text says of any year: "in May", "not in May"."""
    whole, single = _every_year_patterns()
    match = whole.search(text)
    if match is None:
        return None
    names = [key(name) for name in single.findall(match.group())]
    months = tuple(dict.fromkeys(int(MONTH_NAMES.get(name, name)) for name in names))
    start, end = match.span()
    negation, but = NOT_BEFORE.search(text[:start]), BUT_BEHIND.match(text, end)
    if negation or but:
        start, end = (negation or match).start(), (but or match).end()
        months = tuple(month for month in range(1, 13) if month not in months)
    return start, end, months


def _left(marks: _Marks, rest: str) -> str:
    """Return the words around those that tell a time; none if they say nothing."""
    left = " ".join(_EMPTY_BRACKETS.sub(" ", marks.plain(rest)).split())
    says_nothing = is_of_small_words(left) or not _HAS_WORDS.search(left)
    return "" if says_nothing else left.strip(" ,;.")


def taken_apart(
    request: SearchRequest, today: datetime.date
) -> tuple[SearchRequest, Understood | None]:
    """Return a request with the time in its text as a filter, and what was understood.

    It is as it was where it wants none or has one. A text that tells nothing but a time stays,
    since something has to be looked for.
    """
    filters = request.filters
    is_dated = filters.taken or filters.taken_from or filters.taken_to or filters.months
    if request.text is None or not request.dates or is_dated:
        return request, None
    found = _understood(request.text, today)
    if found is None or (not found[0].text and len(request.all_terms()) > 1):
        return request, None
    said, time = found
    parts = () if time is None else time.either
    either = tuple(Filters(taken=taken, any_of=filters.any_of) for taken in parts)
    filters = msgspec.structs.replace(
        filters, taken=said.taken, months=said.months, any_of=either or filters.any_of
    )
    text = said.text or request.text
    return msgspec.structs.replace(request, text=text, filters=filters), said
