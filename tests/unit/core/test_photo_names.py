"""What phones, messengers and screenshots say of the time in their names."""

import pytest

from imgvecd.core.files.photo_names import taken_at

NAMES = {
    "IMG_20210704_183011.jpg": "2021-07-04T18:30:11",
    "PXL_20210704_163011123.MP.jpg": "2021-07-04T16:30:11.123+00:00",
    "MVIMG_20210704_183011.jpg": "2021-07-04T18:30:11",
    "00000IMG_00000_BURST20210704183011123_COVER.jpg": "2021-07-04T18:30:11.123",
    "20210704_183011(1).jpg": "2021-07-04T18:30:11",
    "20210704183011.jpg": "2021-07-04T18:30:11",
    "IMG-20210704-WA0001.jpg": "2021-07-04",
    "WhatsApp Image 2021-07-04 at 18.30.11 (1).jpeg": "2021-07-04T18:30:11",
    "signal-2021-07-04-183011.jpg": "2021-07-04T18:30:11",
    "signal-2021-07-04-18-30-11-123.jpg": "2021-07-04T18:30:11.123",
    "photo_2021-07-04_18-30-11.jpg": "2021-07-04T18:30:11",
    "Screenshot_2021-07-04-18-30-11-123_com.app.png": "2021-07-04T18:30:11.123",
    "Screenshot_20210704-183011_Chrome.jpg": "2021-07-04T18:30:11",
    "Screen Shot 2021-07-04 at 6.30.11 PM.png": "2021-07-04T18:30:11",
    "Capture d'écran 2021-07-04 à 18.30.11.png": "2021-07-04T18:30:11",
    "2021-07-04 18.30.11.jpg": "2021-07-04T18:30:11",
    "holiday 1950-07-04.jpg": "1950-07-04",
    "IMG_20210704_250000.jpg": "2021-07-04",
    "04.07.2021.jpg": "2021-07-04",
    "Foto 04.07.21, 18 30 11.heic": "2021-07-04T18:30:11",
    "Photo 04.07.99, 18 30 11.jpg": "1999-07-04T18:30:11",
    "04.07.2021_183011.png": "2021-07-04T18:30:11",
    "04.07.2021 6.30.11 PM.png": "2021-07-04T18:30:11",
    "25-12-2021.jpg": "2021-12-25",
    "12_25_2021 (2).jpg": "2021-12-25",
    "12.25.2021.jpg": "2021-12-25",
    "04-04-2021.jpg": "2021-04-04",
    "04-07-2021.jpg": "",  # of April or of July
    "04.07.21.jpg": "",  # of 2004 or of 2021
    "25-12-21, 18 30 11.jpg": "",
    "v1.04.07.2021.jpg": "",
    "31.02.2021.jpg": "",
    "99.99.2021.jpg": "",
    "IMG_2012.jpg": "",
    "DSC_20123456.jpg": "",
    "12345678901234567890.jpg": "",
    "received_1234567890123456.jpeg": "",
    "IMG_20211399_183011.jpg": "",
    "2021-02-30 18.30.11.jpg": "",
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_names(name, expected):
    assert taken_at(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "FB_IMG_1625416211000.jpg",
        "mmexport1625416211000.jpg",
        "wx_camera_1625416211000.jpg",
        "1625416211000.jpg",
        "1625416211000(1).jpg",
        "IMG_1625416211000_2.jpg",
        "image-1625416211000.png",
    ],
)
def test_names_with_an_instant(name):
    assert taken_at(name)[:4] == "2021"
    assert taken_at(name)[-6] in "+-"


@pytest.mark.parametrize(
    "name",
    ["9783161484100.jpg", "0625416211000.jpg", "16254162110001.jpg", "162541621100.jpg",
     "no. 1625416211000.jpg"],
)  # fmt: skip
def test_numbers_that_are_no_instant(name):
    assert taken_at(name) == ""
