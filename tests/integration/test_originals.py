"""Originals and films come byte for byte, in ranges, and only as what they are."""

import http.client
import os
import shutil
import urllib.parse

import pytest
from running import Connection, RunningDaemon

PHOTOS = os.path.join(os.path.dirname(__file__), "..", "data", "photos")
ODD = os.fsencode('"ä\n').decode() + ".jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    pictures = home / "Pictures"
    pictures.mkdir()
    shutil.copy(os.path.join(PHOTOS, "cat.jpg"), pictures / "cat.jpg")
    shutil.copy(os.path.join(PHOTOS, "rocket.jpg"), pictures / ODD)
    (pictures / "cat.mov").write_bytes(b"a film" * 1000)
    daemon = RunningDaemon(home, [pictures])
    daemon.wait_until_indexed(2)
    images = daemon.get("/v1/images")["images"]
    ids = {image["files"][0]["path"].rpartition("/")[2]: image["id"] for image in images}
    yield daemon, pictures, ids
    daemon.kill()


def get(daemon, path, **headers):
    connection = Connection(daemon.socket)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_a_picture_comes_byte_for_byte(place):
    daemon, pictures, ids = place
    status, headers, body = get(daemon, f"/v1/images/{ids['cat.jpg']}/original")
    assert (status, body) == (200, (pictures / "cat.jpg").read_bytes())
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert (
        get(daemon, f"/v1/images/{ids['cat.jpg']}/original", If_None_Match=headers["ETag"])[0]
        == 304
    )


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999", 5, None),
        ("bytes=0-", 0, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
        (f"bytes=-{'9' * 900}", 0, None),
        (f"bytes=1-{'9' * 900}", 1, None),
        ("BYTES=0-0", 0, 1),
    ],
)
def test_a_range_of_it(place, asked, start, end):
    daemon, pictures, ids = place
    whole = (pictures / "cat.jpg").read_bytes()
    status, headers, body = get(daemon, f"/v1/images/{ids['cat.jpg']}/original", Range=asked)
    assert (status, body) == (206, whole[start:end])
    assert headers["Content-Range"].endswith(f"/{len(whole)}")


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", f"bytes={'9' * 900}-"])
def test_a_range_without_a_byte_of_the_file(place, asked):
    daemon, pictures, ids = place
    status, headers, body = get(daemon, f"/v1/images/{ids['cat.jpg']}/original", Range=asked)
    size = (pictures / "cat.jpg").stat().st_size
    assert (status, headers["Content-Range"], body) == (416, f"bytes */{size}", b"")


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=x", "lines=0-1", "bytes=0-1,4-5", "bytes=9-3", "bytes=99999999-3", "bytes=-"),
        *("bytes=+1-2", "bytes=-1-2", "bytes=1_0-2_0", "bytes=0x1-2", "bytes=", "bytes"),
    ],
)
def test_a_range_that_makes_no_sense_is_ignored(place, asked):
    daemon, pictures, ids = place
    status, _, body = get(daemon, f"/v1/images/{ids['cat.jpg']}/original", Range=asked)
    assert (status, len(body)) == (200, (pictures / "cat.jpg").stat().st_size)


def test_a_name_cannot_break_the_head(place):
    daemon, _, ids = place
    status, headers, _ = get(daemon, f"/v1/images/{ids[ODD]}/original")
    assert status == 200
    named = headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
    assert urllib.parse.unquote(named) == ODD


def test_a_film_comes_with_its_picture(place):
    daemon, _, ids = place
    status, headers, body = get(daemon, f"/v1/images/{ids['cat.jpg']}/film", Range="bytes=6-11")
    assert (status, body, headers["Content-Type"]) == (206, b"a film", "video/quicktime")
    assert get(daemon, f"/v1/images/{ids[ODD]}/film")[0] == 404


def test_what_is_swapped_is_not_handed_out(place):
    daemon, pictures, ids = place
    secret = pictures.parent / "secret"
    secret.write_bytes(b"secret")
    moved = pictures.parent / "moved.jpg"
    os.rename(pictures / ODD, moved)
    (pictures / ODD).symlink_to(secret)
    status, _, body = get(daemon, f"/v1/images/{ids[ODD]}/original")
    assert status == http.client.NOT_FOUND
    assert b"secret" not in body.replace(str(secret).encode(), b"")


def test_thumbnails_by_hash_stay(place):
    daemon, _, ids = place
    image = daemon.get(f"/v1/images/{ids['cat.jpg']}")
    path = f"/v1/images/{image['id']}/thumbnail?size=64&hash="
    status, headers, _ = get(daemon, path + image["hash"][:16])
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert get(daemon, path + "0" * 16)[0] == 404
    assert get(daemon, path + "x")[0] == 400
