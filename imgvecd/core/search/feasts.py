"""On which days feasts are: Christmas 2019, Easter 2021, the lunar new year of 2022."""

from __future__ import annotations

import datetime
import math

from imgvecd.core.search.time_ranges import Span

_DAY = datetime.timedelta(1)
_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6
_FIXED = {  # month, day, days
    "christmas": (12, 24, 3),
    "christmas eve": (12, 24, 1),
    "new year's eve": (12, 31, 1),
    "halloween": (10, 31, 1),
    "valentine": (2, 14, 1),
    "saint nicholas": (12, 6, 1),
    "saint patrick": (3, 17, 1),
    "fourth of july": (7, 4, 1),
    "bonfire night": (11, 5, 1),
    "boxing day": (12, 26, 1),
    "epiphany": (1, 6, 1),
    "may day": (5, 1, 1),
    "german unity": (10, 3, 1),
    "all saints": (11, 1, 1),
    "day of the dead": (11, 1, 2),
    "tomb sweeping": (4, 4, 3),
    "labour day of china": (5, 1, 5),
    "national day of vietnam": (9, 2, 1),
    "national day of china": (10, 1, 7),
}
_ON_WEEKDAY = {  # month, day of the week, which of them (-1: the last), days
    "mother's day": (5, _SUNDAY, 2, 1),
    "french mother's day": (5, _SUNDAY, -1, 1),
    "memorial day": (5, _MONDAY, -1, 1),
    "father's day": (6, _SUNDAY, 3, 1),
    "labor day": (9, _MONDAY, 1, 1),
    "thanksgiving": (11, _THURSDAY, 4, 4),  # and the weekend after it
}
_OF_EASTER = {  # days after its Sunday, days
    "easter": (-2, 4),
    "rose monday": (-48, 1),
    "mardi gras": (-47, 1),
    "good friday": (-2, 1),
    "easter sunday": (0, 1),
    "easter monday": (1, 1),
    "ascension": (39, 1),
    "pentecost": (48, 3),
}
# The earliest new moon that a lunar month begins with, days from that to the feast, days.
_OF_NEW_MOON = {
    # the latest is on 20 February; of two (1985), the first is Vietnam's
    "lunar new year's eve": ((1, 21), -1, 1),
    "lunar new year": ((1, 21), -1, 7),
    "lantern festival": ((1, 21), 14, 1),
    "dragon boat": ((5, 24), 4, 1),
    "mid-autumn": ((8, 24), 14, 1),
}
_MEAN_NEW_MOON_OF_2000 = datetime.datetime(2000, 1, 6, 14, 20, tzinfo=datetime.UTC)
_UNTIL_PENTECOST = 49 * _DAY
_CHINA = datetime.timedelta(hours=8)
_MONTH_DAYS = 29.530588861  # from one new moon to the next, in the mean


def feast(name: str, year: int) -> Span:
    """Return the days of a feast: of Easter from Good Friday to Monday, of a new year with its eve.

    Args:
        name: English, as `time_words` has it.
    """
    if name in _FIXED:
        month, day, days = _FIXED[name]
        first = datetime.date(year, month, day)
        return first, first + days * _DAY
    if name == "new year":
        return datetime.date(year - 1, 12, 31), datetime.date(year, 1, 2)
    if name in _ON_WEEKDAY:
        month, weekday, number, days = _ON_WEEKDAY[name]
        first = _weekday_of(datetime.date(year, month, 1), weekday, number)
        if name == "french mother's day" and first == _easter(year) + _UNTIL_PENTECOST:
            first += 7 * _DAY
        return first, first + days * _DAY
    if name in _OF_NEW_MOON:
        earliest, after, days = _OF_NEW_MOON[name]
        first = _new_moon_from(datetime.date(year, *earliest)) + after * _DAY
        return first, first + days * _DAY
    after, days = _OF_EASTER[name]
    first = _easter(year) + after * _DAY
    return first, first + days * _DAY


def _weekday_of(month: datetime.date, weekday: int, number: int) -> datetime.date:
    """Return one of the Sundays of a month of 30 or 31 days, by its first day; -1 is the last."""
    day = month + ((weekday - month.weekday()) % 7 + 7 * (number - 1 if number > 0 else 3)) * _DAY
    return day + 7 * _DAY if number < 0 and (day + 7 * _DAY).month == month.month else day


def _easter(year: int) -> datetime.date:
    """Return Easter Sunday (the Gregorian computus of Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    ell = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    month, day = divmod(h + ell - 7 * ((a + 11 * h + 22 * ell) // 451) + 114, 31)
    return datetime.date(year, month, day + 1)


def _new_moon_from(earliest: datetime.date) -> datetime.date:
    """Return the day of the first new moon from a day on, in China.

    By the terms of Meeus, *Astronomical Algorithms*, that make up more than a quarter of an hour.
    """
    lunation = math.floor((earliest - _MEAN_NEW_MOON_OF_2000.date()).days / _MONTH_DAYS) - 1
    while (day := _new_moon(lunation)) < earliest:
        lunation += 1
    return day


def _new_moon(lunation: int) -> datetime.date:
    """Return the day in China of a new moon, counted from that of 6 January 2000."""
    sun = math.radians(2.5534 + 29.1053567 * lunation)
    moon = math.radians(201.5643 + 385.81693528 * lunation)
    latitude = math.radians(160.7108 + 390.67050284 * lunation)
    days = _MONTH_DAYS * lunation - 0.4072 * math.sin(moon) + 0.17241 * math.sin(sun)
    days += 0.01608 * math.sin(2 * moon) + 0.01039 * math.sin(2 * latitude)
    return (_MEAN_NEW_MOON_OF_2000 + datetime.timedelta(days) + _CHINA).date()
