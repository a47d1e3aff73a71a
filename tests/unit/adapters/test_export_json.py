"""JSON that exports put beside pictures."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgvecd.adapters import export_json

TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "At the lake",
    "imageViews": "12",
    "creationTime": {"timestamp": "1700000000", "formatted": "…"},
    "photoTakenTime": {"timestamp": "1625416211", "formatted": "Jul 4, 2021, 4:30:11 PM UTC"},
    "geoData": {"latitude": 51.508, "longitude": -0.125, "altitude": 12.0, "latitudeSpan": 0.0},
    "geoDataExif": {"latitude": 1.0, "longitude": 2.0, "altitude": 0.0},
    "people": [{"name": "Ada"}, {"name": "Bob"}, {"name": "Ada"}],
    "favorited": True,
    "url": "https://photos.google.com/photo/x",
}
SAYS = {
    "taken_at": "2021-07-04T16:30:11+00:00",
    "description": "At the lake",
    "people": ["Ada", "Bob"],
    "favorite": True,
    "gps_latitude": 51.508,
    "gps_longitude": -0.125,
    "gps_altitude_m": 12,
}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def read(**changed):
    said = {name: value for name, value in (TAKEOUT | changed).items() if value is not ...}
    return export_json.read(json.dumps(said).encode())


def without(*names):
    return {name: value for name, value in SAYS.items() if name not in names}


def test_what_takeout_says():
    assert read() == SAYS


def test_zero_is_no_place_and_no_time():
    nowhere = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}
    place = {"gps_latitude": 1, "gps_longitude": 2}
    assert read(geoData=nowhere) == without("gps_altitude_m") | place
    gone = without("gps_latitude", "gps_longitude", "gps_altitude_m")
    assert read(geoData=nowhere, geoDataExif=nowhere) == gone
    assert read(photoTakenTime={"timestamp": "0"}) == without("taken_at")
    assert read(favorited=False, description="") == without("favorite", "description")


def test_a_time_before_1970_is_one():
    assert read(photoTakenTime={"timestamp": "-616982400"})["taken_at"].startswith("1950-06-14")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Jul 4, 2021, 4:30:11 PM UTC", "2021-07-04T16:30:11+00:00"),
        ("Jul 4, 2021, 12:05:11\u202fAM UTC", "2021-07-04T00:05:11+00:00"),
        ("04.07.2021, 16:30:11 UTC", "2021-07-04T16:30:11+00:00"),
        ("2021年7月4日 16:30:11 UTC", "2021-07-04T16:30:11+00:00"),
        ("4 juil. 2021, 16:30:11 UTC", "2021-07-04T16:30:11+00:00"),
        ("4 июл. 2021 г., 16:30:11 UTC", "2021-07-04T16:30:11+00:00"),
        ("Jul 4, 2021, 4:30:11 PM", None),
        ("once upon a time", None),
        (7, None),
    ],
)
def test_a_time_that_is_told_in_words_alone(shown, expected):
    assert read(photoTakenTime={"formatted": shown}).get("taken_at") == expected
    assert read(photoTakenTime={"timestamp": "", "formatted": shown}).get("taken_at") == expected


def test_a_time_is_local(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    assert read()["taken_at"] == "2021-07-04T18:30:11+02:00"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(TAKEOUT)), ODD)
def test_an_odd_field_takes_no_other_along(name, value):
    of_field = {
        "photoTakenTime": ["taken_at"], "description": ["description"], "people": ["people"],
        "favorited": ["favorite"], "geoData": ["gps_latitude", "gps_longitude", "gps_altitude_m"],
    }  # fmt: skip
    facts = read(**{name: value})
    rest = without(*of_field.get(name, ()))
    assert {key: facts[key] for key in rest} == rest
    json.dumps(facts, ensure_ascii=False).encode()  # as the catalog keeps it


def test_what_exiftool_and_osxphotos_say():
    said = {
        "SourceFile": "a.jpg", "EXIF:DateTimeOriginal": "2021:07:04 18:30:11",
        "EXIF:OffsetTimeOriginal": "+02:00", "EXIF:GPSLatitude": 51.508, "EXIF:GPSLatitudeRef": "N",
        "EXIF:GPSLongitude": 0.125, "EXIF:GPSLongitudeRef": "W", "XMP:Subject": ["sea", "sun"],
        "IPTC:Keywords": "sea", "XMP:PersonInImage": ["Ada"], "XMP:Title": "Lake", "Rating": 4,
    }  # fmt: skip
    assert export_json.read(json.dumps([said]).encode()) == {
        "taken_at": "2021-07-04T18:30:11+02:00", "gps_latitude": 51.508, "gps_longitude": -0.125,
        "keywords": ["sea", "sun"], "people": ["Ada"], "title": "Lake", "rating": 4,
    }  # fmt: skip


def test_nested_keywords_and_depths_of_exiftool():
    said = {
        "SourceFile": "a.jpg", "HierarchicalSubject": ["Places|Italy", "sea"],
        "LastKeywordXMP": "Places/Rome", "GPSLatitude": 31.5, "GPSLongitude": 35.5,
    }  # fmt: skip
    for altitude in ({"GPSAltitude": "430 m Below Sea Level"}, {"GPSAltitude": "430 m", "GPSAltitudeRef": "Below Sea Level"}):  # noqa: E501 # fmt: skip
        found = export_json.read(json.dumps([said | altitude]).encode())
        assert found["keywords"] == ["Places", "Italy", "sea", "Rome"]
        assert found["gps_altitude_m"] == -430


@pytest.mark.parametrize("data", [b"{}", b"[]", b"1", b'"a"', b'[{"title": "x"}]', b'{"a": [1]}'])
def test_other_json_says_nothing(data):
    assert export_json.read(data) == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_json_is_read_in_any_unicode(encoding):
    assert export_json.read(json.dumps(TAKEOUT).encode(encoding)) == SAYS


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b'{"a": ' + b"9" * 5000 + b"}"])
def test_no_json_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011  # in words of the parser
        export_json.read(data)


def test_endless_nesting_is_refused():
    with pytest.raises((RecursionError, ValueError)):
        export_json.read(b"[" * 1_000_000)
