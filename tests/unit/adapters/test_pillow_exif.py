import io

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from imgvecd.adapters.pillow import exif
from imgvecd.adapters.pillow.tiff_fields import Fields


def written(main=None, camera=None, gps=None):
    """Return EXIF as it comes back from a file."""
    fields = Image.Exif()
    fields.update(main or {})
    fields.get_ifd(IFD.Exif).update(camera or {})
    fields.get_ifd(IFD.GPSInfo).update(gps or {})
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=fields)
    return Fields.of_block(Image.open(file).info["exif"])


@pytest.mark.parametrize(
    ("main", "camera", "expected"),
    [
        ({}, {}, None),
        ({}, {Base.DateTimeOriginal: "2023:05:06 07:08:09"}, "2023-05-06T07:08:09"),
        (
            {},
            {Base.DateTimeOriginal: "2023:05:06 07:08:09", Base.OffsetTimeOriginal: "+02:00"},
            "2023-05-06T07:08:09+02:00",
        ),
        (
            {Base.DateTime: "2024:01:01 00:00:00"},
            {Base.DateTimeDigitized: "2023:05:06 07:08:09"},
            "2023-05-06T07:08:09",
        ),
        ({Base.DateTime: "2024:01:01 00:00:00"}, {}, "2024-01-01T00:00:00"),
        ({}, {Base.DateTimeOriginal: "0000:00:00 00:00:00"}, None),
        ({}, {Base.DateTimeOriginal: "    :  :     :  :  "}, None),
        ({}, {Base.DateTimeOriginal: "2023-05-06 07:08:09.123"}, "2023-05-06T07:08:09.123"),
        (
            {Base.DateTime: "2023:05:06 07:08:09"},
            {Base.DateTimeOriginal: "2023:05:06 07:08:09", Base.OffsetTime: "+02:00"},
            "2023-05-06T07:08:09+02:00",
        ),
        (
            {Base.DateTime: "2024:01:01 00:00:00"},
            {Base.DateTimeOriginal: "2023:05:06 07:08:09", Base.OffsetTime: "+02:00"},
            "2023-05-06T07:08:09",
        ),
        (
            {},
            {Base.DateTimeOriginal: "2023:05:06 07:08:09", Base.TimeZoneOffset: -3},
            "2023-05-06T07:08:09-03:00",
        ),
        ({}, {Base.DateTimeOriginal: "2023:05:06".encode("utf-16-le")}, "2023-05-06"),
        (
            {},
            {Base.DateTimeOriginal: "2023:05:06 07:08:09", Base.OffsetTimeOriginal: "CEST"},
            "2023-05-06T07:08:09",
        ),
    ],
)
def test_time(main, camera, expected):
    fields = written(main, camera)
    assert {**exif.modification(fields), **exif.facts(fields)}.get("taken_at") == expected


def test_facts():
    found = exif.facts(
        written(
            {Base.Make: "NIKON CORPORATION\0", Base.Model: "NIKON D90 ", 0x4746: 4},
            {
                Base.LensModel: "50 mm",
                Base.ISOSpeedRatings: 200,
                Base.ExposureTime: 0.004,
                Base.FNumber: 2.8,
            },
        )
    )
    assert found == {
        "camera": "NIKON D90",
        "lens": "50 mm",
        "rating": 4,
        "iso": 200,
        "exposure_s": 0.004,
        "f_number": 2.8,
    }


def test_maker_and_model():
    assert (
        exif.facts(written({Base.Make: "Canon", Base.Model: "EOS R5"}))["camera"] == "Canon EOS R5"
    )


@pytest.mark.parametrize(
    ("main", "camera", "expected"),
    [
        ({Base.Make: "EASTMAN KODAK COMPANY", Base.Model: "KODAK Z7590"}, {}, "KODAK Z7590"),
        ({Base.Make: "Canon", Base.Model: "----"}, {}, "Canon"),
        ({}, {Base.LensModel: "----"}, None),
        ({}, {Base.LensModel: "n/a"}, None),
    ],
)
def test_what_stands_for_no_name_is_none(main, camera, expected):
    found = exif.facts(written(main, camera))
    assert found == ({"camera": expected} if expected else {})


@pytest.mark.parametrize(
    "text",
    ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "dav", "hdrpl", "DCIM\\100MEDIA\\DJI_0001.JPG",
     "default", "\xff\xff\xff", "Created with GIMP"],
)  # fmt: skip
def test_what_cameras_and_programs_say_of_every_picture_is_no_description(text):
    said = {Base.ImageDescription: text.encode("latin-1")}
    comment = {Base.UserComment: b"UNICODE\0" + "Oma 👩‍👧 🫨".encode("utf-16-le")}
    assert exif.facts(written(said)) == {}
    assert exif.facts(written(said, comment)) == {"description": "Oma 👩‍👧 🫨"}


@pytest.mark.parametrize(
    "text",
    ["Made with love by Oma", "Converted from a barn in 1990", "Processed by hand", "EDF", "Dav",
     "My digital camera", "Grandma\u0092s house", "two\x1flines"],
)  # fmt: skip
def test_what_people_say_is_a_description_whatever_it_looks_like(text):
    assert exif.facts(written({Base.ImageDescription: text.encode()})) == {"description": text}


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (b"UNICODE\0" + "Grüße aus München".encode(), "Grüße aus München"),
        (b"UNICODE\0" + "日本語のコメント".encode("utf-16-be"), "日本語のコメント"),
        (bytes(8) + bytes(range(1, 200)), None),
        (b"\xff" * 40, None),
    ],
)
def test_comments(comment, expected):
    found = exif.facts(written(camera={Base.UserComment: comment}))
    assert found.get("description") == expected


def test_a_time_that_nobody_knows_lasts_no_century():
    assert exif.facts(written(camera={Base.ExposureTime: IFDRational(0xFFFFFFFF, 1)})) == {}


def test_position():
    place = {
        GPS.GPSLatitudeRef: "S",
        GPS.GPSLatitude: (33.0, 51.0, 24.12),
        GPS.GPSLongitudeRef: "E",
        GPS.GPSLongitude: (151.0, 12.0, 54.0),
        GPS.GPSAltitude: 12.5,
    }
    found = exif.facts(written(gps=place))
    assert found["gps_latitude"] == pytest.approx(-33.8567)
    assert found["gps_longitude"] == pytest.approx(151.215)
    assert found["gps_altitude_m"] == 12.5


@pytest.mark.parametrize(
    "place",
    [
        {GPS.GPSLatitude: (99.0, 0.0, 0.0), GPS.GPSLongitude: (1.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (9.0, 0.0, 0.0)},
        {GPS.GPSAltitude: 3.0},
    ],
)
def test_half_a_position_is_none(place):
    assert not exif.facts(written(gps=place))
