"""Reads times as people write them: "may 2023", "last summer", "3months", "2022..2024"."""

from __future__ import annotations

import datetime
import re

from imgvecd.errors import BadRequestError

Span = tuple[datetime.date, datetime.date]
"""First day, and the day after the last one."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")
_AGO = re.compile(r"(\d{1,5})\s*(day|week|month|year)s?(?:\s+ago)?")
_NAMED = re.compile(r"([a-z]+)\s+(\d{4})|(\d{4})\s+([a-z]+)")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
# as on the northern half of the Earth; winter ends in the year after
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_SEASON_MONTHS = 3
_SHORTEST_NAME = 3  # "sep", "sept"
_YEAR_MONTHS = 12
_WEEK_DAYS = 7
_EXAMPLES = (
    'write "2023", "2023-05", "may 2023", "summer 2023", "2023-05-17", "3months" or "last year"'
)
_CURRENT = re.compile(r"(this|last)\s+([a-z]+)")


def span(text: str, today: datetime.date) -> Span:
    """Return the days that `text` means; an interval of two, joined by `..`, spans both.

    Raises:
        BadRequestError: it cannot be understood.
    """
    first, dots, last = text.partition("..")
    if not dots:
        return _single(first, today)
    beginning = _single(first, today)[0] if first.strip() else datetime.date.min
    end = _single(last, today)[1] if last.strip() else datetime.date.max
    return beginning, end


def _single(text: str, today: datetime.date) -> Span:
    words = text.strip().lower()
    try:
        found = (
            _day(words, today)
            or _date(words)
            or _ago(words, today)
            or _current(words, today)
            or _named(words)
        )
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadRequestError(f"{text!r} cannot be understood as a time: {_EXAMPLES}")
    return found


def _day(words: str, today: datetime.date) -> Span | None:
    days = {"today": 0, "yesterday": 1}.get(words)
    if days is None:
        return None
    day = today - datetime.timedelta(days)
    return day, day + datetime.timedelta(1)


def _date(words: str) -> Span | None:
    match = _DATE.fullmatch(words)
    if match is None:
        return None
    year, month, day = match.groups()
    first = datetime.date(int(year), int(month or 1), int(day or 1))
    if day:
        return first, first + datetime.timedelta(1)
    return first, months_later(first, 1 if month else _YEAR_MONTHS)


def _ago(words: str, today: datetime.date) -> Span | None:
    match = _AGO.fullmatch(words)
    if match is None:
        return None
    count, unit = int(match[1]), match[2]
    if unit in {"day", "week"}:
        first = today - datetime.timedelta(count * (_WEEK_DAYS if unit == "week" else 1))
    else:
        first = months_later(today, -count * (_YEAR_MONTHS if unit == "year" else 1))
    return first, today + datetime.timedelta(1)


def _current(words: str, today: datetime.date) -> Span | None:
    """Return the week, month, year, season or named month that is, or that was the last to end."""
    match = _CURRENT.fullmatch(words)
    if match is None:
        return None
    back, unit = int(match[1] == "last"), match[2]
    if unit == "week":
        first = today - datetime.timedelta(today.weekday() + _WEEK_DAYS * back)
        return first, first + datetime.timedelta(_WEEK_DAYS)
    if unit == "month":
        first = months_later(today.replace(day=1), -back)
        return first, months_later(first, 1)
    if unit == "year":
        return datetime.date(today.year - back, 1, 1), datetime.date(today.year - back + 1, 1, 1)
    # a winter ends in the year after
    years = [_named(f"{unit} {year}") for year in range(today.year - 2, today.year + 1)]
    found = [span for span in years if span is not None]
    if back:
        return next((span for span in reversed(found) if span[1] <= today), None)
    # in December "this summer" is that of the year
    return next((span for span in found if span[1] > today), found[-1] if found else None)


def _named(words: str) -> Span | None:
    match = _NAMED.fullmatch(words)
    if match is None:
        return None
    name, year = match[1] or match[4], int(match[2] or match[3])
    if name in _SEASONS:
        first = datetime.date(year, _SEASONS[name], 1)
        return first, months_later(first, _SEASON_MONTHS)
    for number, month in enumerate(_MONTHS, start=1):
        if len(name) >= _SHORTEST_NAME and month.startswith(name[:4]) and month[:3] == name[:3]:
            first = datetime.date(year, number, 1)
            return first, months_later(first, 1)
    return None


def months_later(day: datetime.date, months: int) -> datetime.date:
    """Return the same day of another month, or the last one where that is shorter."""
    years, month = divmod(day.month - 1 + months, _YEAR_MONTHS)
    first = datetime.date(day.year + years, month + 1, 1)
    after = datetime.date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return min(first + datetime.timedelta(day.day - 1), after - datetime.timedelta(1))
