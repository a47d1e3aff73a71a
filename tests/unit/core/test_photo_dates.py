"""When a picture was taken, in every way in which that is written."""

import itertools

import pytest

from imgvecd.core.files.photo_dates import adds_nothing, is_to_the_second, moment, of_instant

WRITTEN = {
    "2012:03:04 05:06:07": "2012-03-04T05:06:07",
    "2012:03:04 05:06": "2012-03-04T05:06",
    "2012:03:04": "2012-03-04",
    "2012:03": "2012-03",
    "1950": "1950",
    "1950-07": "1950-07",
    "1950:00:00": "1950",
    "1950:00:00 00:00:00": "1950",
    "1950:07:00 00:00:00": "1950-07",
    "1950:  :     :  :  ": "1950",
    "2012:03:  :  :  ": "2012-03",
    "2012:03:04T05:06:07": "2012-03-04T05:06:07",
    "2012-03-04t05:06:07z": "2012-03-04T05:06:07+00:00",
    "2012/03/04 05:06:07": "2012-03-04T05:06:07",
    "2012.03.04 05:06:07": "2012-03-04T05:06:07",
    "2012:03:04 05-06-07": "2012-03-04T05:06:07",
    "20120304T050607": "2012-03-04T05:06:07",
    "20120304 050607+0100": "2012-03-04T05:06:07+01:00",
    "2012:03:04 05:06:07 +0200": "2012-03-04T05:06:07+02:00",
    "2012:03:04 05:06:07+2": "2012-03-04T05:06:07+02:00",
    "2012-03-04T05:06-03:30": "2012-03-04T05:06-03:30",
    "2012:03:04 05:06:07.180": "2012-03-04T05:06:07.180",
    "2012:03:04 05:06:07,5": "2012-03-04T05:06:07.5",
    "2012-03-04T05:06:07.123456789+02:00": "2012-03-04T05:06:07.123456+02:00",
    "2012:03:04 24:00:00": "2012-03-05T00:00:00",
    "2012:12:31 24:05:06": "2013-01-01T00:05:06",
    "2012:03:04 05:06:07 PM": "2012-03-04T17:06:07",
    "2012:03:04 12:06 am": "2012-03-04T00:06",
    "2012:03:04 23:59:60": "2012-03-04T23:59:59",
    "2012:03:04 25:00:00": "2012-03-04",
    "Sun, 04 Jul 2021 18:30:11 +0200": "2021-07-04T18:30:11+02:00",
    "Sun Jul  4 18:30:11 2021": "2021-07-04T18:30:11",
}
NONE = [
    "", "0", "yesterday", "2021 was good", "0000:00:00 00:00:00", "    :  :     :  :  ",
    "0001-01-01T00:00:00", "2012:13:01 00:00:00", "2012:02:30 00:00:00", "2012:00:04", "20121",
    "July", "Sun, 99 Jul 2021 18:30:11", "9999:12:31 24:00:00", "٢٠١٢:٠٣:٠٤",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WRITTEN.items())
def test_what_is_written(text, expected):
    assert moment(text) == expected
    assert moment(f" {text}\0") == expected


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_time(text):
    assert not moment(text)


def test_what_other_fields_add():
    assert moment("2012:03:04 05:06:07", offset="+02:00", fraction="18\0") == (
        "2012-03-04T05:06:07.18+02:00"
    )
    assert moment("2012-03-04T05:06:07.5Z", offset="+02:00", fraction="18") == (
        "2012-03-04T05:06:07.5+00:00"
    )
    assert moment("2012:03:04", offset="+02:00", fraction="18") == "2012-03-04"
    assert moment("2012:03:04 05:06:07", offset="CEST", fraction="?") == "2012-03-04T05:06:07"


def test_order_is_that_of_time():
    times = ["1950", "1950-07", "1950-07-04", "1950-07-04T18:30", "1950-07-04T18:30:11.5"]
    assert sorted(times) == times
    assert [is_to_the_second(time) for time in times] == [False] * 4 + [True]


def test_the_same_time_less_precise_is_no_news():
    precise = "2021-07-04T18:30:10.5+02:00"
    less = [precise, "2021-07-04T18:30:10.500", "2021-07-04T18:30:10", "2021-07-04", "2021"]
    for one, other in itertools.combinations(less, 2):
        assert adds_nothing(other, one)
    assert not adds_nothing("2021-07-04T18:30:1", "2021-07-04T18:30:2")
    assert not adds_nothing("2021-07-04T18:30:10", "2021-07-04T18:30:11")
    assert not adds_nothing("2021-07-04T18:30:10+01:00", precise)
    assert not adds_nothing("2021-07-04", "2021")


def test_an_instant_is_told_in_local_time():
    assert of_instant(1625416211)[-6] in "+-"
    assert of_instant(1625416211.25, digits=2)[19:22] == ".25"
    assert not of_instant(0)
    assert not of_instant(1e18)
