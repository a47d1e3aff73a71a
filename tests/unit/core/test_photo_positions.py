"""Where a picture was taken, in every way in which that is written."""

import pytest

from imgvecd.core.files.photo_positions import altitude, of_parts, of_text, position


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("60.731941666666664", "", 60.7319417),
        ("-13.5", "", -13.5),
        ("43.0764", "N", 43.0764),
        ("13.5", "S", -13.5),
        ("-13.5", "S", -13.5),
        ("13.5", "South", -13.5),
        ("51,30.48N", "", 51.508),
        ("51,30,28.8N", "", 51.508),
        ("51,30,28.8s", "", -51.508),
        ("51 deg 30' 28.80\" N", "", 51.508),
        ("51° 30′ 28.8″ S", "", -51.508),
        ("N 51 30 28.8", "", 51.508),
        ("51/1 30/1 288/10", "N", 51.508),
        ("51/1,30/1,0/0", "N", 51.5),
        ("+51.508", "", 51.508),
        ("51.508 degrees north", "", 51.508),
        ("0", "", 0),
        ("51 deg 30' South", "", -51.5),
        ("51d30m28.8s", "", 51.508),
        ("51d 30m 28.8s S", "", -51.508),
        ("51º30'28.8\"N", "", 51.508),
        ("48.8566 Nord", "", 48.8566),
        ("5.1508E+01", "", 51.508),
        ("-1.25e-1", "", -0.125),
        ("51,508333", "", 51.508333),
        ("-0,125", "", -0.125),
        ("51,508 S", "", -51.508),
        ("51°30'28,8\"N", "", 51.508),
        ("51° 30,48' N", "", 51.508),
    ],
)
def test_latitudes(text, reference, expected):
    assert of_text("latitude", text, reference) == expected


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("91", ""), ("51,61N", ""), ("51,30.48E", ""), ("51", "E"), ("1 2 3 4", "N"), ("", "N"),
        ("nan", ""), ("inf", ""), ("0/0", "N"), ("N", ""), ("9" * 400, ""),
        ("51.508.2", ""), ("51.5, -0.1", ""),
        ("geo:51", ""), ("51 x", ""), ("51", "O"), ("1e9", ""),
    ],
)  # fmt: skip
def test_no_latitudes(text, reference):
    assert of_text("latitude", text, reference) is None


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("0 deg 7' 30\" West", "", -0.125),
        ("13.4 E", "", 13.4),
        ("13.4 East", "", 13.4),
        ("13.4", "west", -13.4),
        ("13.4 O", "", None),  # east or west, by the language
    ],
)
def test_longitudes(text, reference, expected):
    assert of_text("longitude", text, reference) == expected


def test_a_longitude_goes_further():
    assert of_text("longitude", "-135.06683333333334") == -135.0668333
    assert of_text("longitude", "181") is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((51, 30, None), 51.5),
        ((51, 30.5), 51.5083333),
        ((51.508,), 51.508),
        ((51, None, None), 51),
        ((None, 30, 0), None),
        ((51, -30, 0), None),
        ((), None),
        ((1, 2, 3, 4), None),
    ],
)
def test_numbers(parts, expected):
    assert of_parts("latitude", parts, "N") == expected


def test_a_sign_counts_without_a_direction():
    assert of_parts("latitude", (-33, 30, 0)) == -33.5
    assert of_parts("latitude", (-0.0, 30, 0)) == -0.5
    assert of_parts("latitude", (-33, 30, 0), "S") == -33.5


@pytest.mark.parametrize(
    ("parts", "expected"),
    [((-51, -30, -28.8), -51.508), ((0, -7, -30), -0.125), ((-51, 30), -51.5), ((51, -30), None)],
)
def test_parts_with_signs(parts, expected):
    assert of_parts("latitude", parts) == expected


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("12.5", "0", 12.5), ("125/10", "1", -12.5), ("12,5 m", "", 12.5), ("-12.5", "0", -12.5),
        ("12.5 m Below Sea Level", "", -12.5), ("12.5", "Below Sea Level", -12.5),
        ("12.5", "3", -12.5), ("12.5", "2", 12.5), ("12.5 m Above Sea Level", "", 12.5),
        ("1/0", "", None), ("high", "", None), ("", "1", None),
    ],
)  # fmt: skip
def test_altitudes(text, reference, expected):
    assert altitude(text, reference) == expected


def test_an_altitude_that_counted_below_0_without_a_sign_is_none():
    assert position(1, 2, 429496717.1)["gps_altitude_m"] is None
