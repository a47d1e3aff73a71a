"""Times as people write them."""

import datetime

import pytest

from imgvecd.core.search.time_ranges import span
from imgvecd.errors import BadRequestError

TODAY = datetime.date(2024, 3, 31)


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2023", "2023-01-01", "2024-01-01"),
        ("2023-05", "2023-05-01", "2023-06-01"),
        ("2023-12", "2023-12-01", "2024-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("May 2023", "2023-05-01", "2023-06-01"),
        ("2023 sept", "2023-09-01", "2023-10-01"),
        ("summer 2023", "2023-06-01", "2023-09-01"),
        ("winter 2023", "2023-12-01", "2024-03-01"),
        ("today", "2024-03-31", "2024-04-01"),
        ("yesterday", "2024-03-30", "2024-03-31"),
        ("2 weeks ago", "2024-03-17", "2024-04-01"),
        ("1month", "2024-02-29", "2024-04-01"),
        ("3months", "2023-12-31", "2024-04-01"),
        ("this week", "2024-03-25", "2024-04-01"),
        ("last week", "2024-03-18", "2024-03-25"),
        ("this month", "2024-03-01", "2024-04-01"),
        ("Last Month", "2024-02-01", "2024-03-01"),
        ("last year", "2023-01-01", "2024-01-01"),
        ("last summer", "2023-06-01", "2023-09-01"),
        ("last winter", "2023-12-01", "2024-03-01"),
        ("this spring", "2024-03-01", "2024-06-01"),
        ("last may", "2023-05-01", "2023-06-01"),
        ("2 years", "2022-03-31", "2024-04-01"),
        ("2021..2023-02", "2021-01-01", "2023-03-01"),
        ("..2021", "0001-01-01", "2022-01-01"),
    ],
)
def test_what_a_time_means(text, first, end):
    assert span(text, TODAY) == (
        datetime.date.fromisoformat(first),
        datetime.date.fromisoformat(end),
    )


def test_a_winter_of_which_it_is_january_is_this_one():
    found = span("this winter", datetime.date(2024, 1, 5))
    assert found == (datetime.date(2023, 12, 1), datetime.date(2024, 3, 1))


@pytest.mark.parametrize(
    "text", ["", "soon", "2023-13", "2023-02-30", "mayor 2023", "9999 years", "m 2023", "last one"]
)
def test_what_cannot_be_understood(text):
    with pytest.raises(BadRequestError, match="cannot be understood as a time"):
        span(text, TODAY)
