"""On which days feasts are: Christmas 2019, Easter 2021, the lunar new year of 2022."""

from __future__ import annotations

import datetime
import math

from imgvecd.core.search.time_ranges import Span

_DAY = datetime.timedelta(1)
_THURSDAY = 3
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
    "national day of china": (10, 1, 7),
}
_OF_EASTER = {  # days after its Sunday, days
    "easter": (-2, 4),
    "good friday": (-2, 1),
    "easter sunday": (0, 1),
    "easter monday": (1, 1),
    "ascension": (39, 1),
    "pentecost": (48, 3),
}
# That begins a lunar year; the latest is on 20 February. Of two (1985), the first is Vietnam's.
_NEW_YEARS_MOON = (1, 21)
_MID_AUTUMNS_MOON = (8, 24)  # the earliest; it is full 14 days later
_UNTIL_FULL_MOON = 14 * _DAY
_MEAN_NEW_MOON_OF_2000 = datetime.datetime(2000, 1, 6, 14, 20, tzinfo=datetime.UTC)
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
    if name == "thanksgiving":  # the fourth Thursday of November, and the weekend after it
        november = datetime.date(year, 11, 1)
        first = november + ((_THURSDAY - november.weekday()) % 7 + 21) * _DAY
        return first, first + 4 * _DAY
    if name == "lunar new year":  # its eve, and six days
        first = _new_moon_from(datetime.date(year, *_NEW_YEARS_MOON))
        return first - _DAY, first + 6 * _DAY
    if name == "mid-autumn":
        first = _new_moon_from(datetime.date(year, *_MID_AUTUMNS_MOON)) + _UNTIL_FULL_MOON
        return first, first + _DAY
    after, days = _OF_EASTER[name]
    first = _easter(year) + after * _DAY
    return first, first + days * _DAY


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
