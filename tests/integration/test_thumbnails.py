"""Thumbnails from a real daemon: right way up, in a worker, by name, and while a root is away."""

import http.client
import io
import os

import pytest
from PIL import Image
from running import Connection

pytestmark = pytest.mark.any_encoder

SIZES = (64, 128, 256, 512, 1024)


def ask(daemon, image_id, size=256, **headers):
    connection = Connection(daemon.socket)
    try:
        connection.request("GET", f"/v1/images/{image_id}/thumbnail?size={size}", headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def image_of(daemon, name):
    images = daemon.get("/v1/images", limit=1000)["images"]
    return next(image for image in images if image["files"][0]["path"].endswith(name))


@pytest.fixture
def folder(tmp_path):
    """A picture stored on its side, a small one, and one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    picture = Image.new("RGB", (1600, 1200), "white")
    picture.paste("red", (0, 0, 1600, 300))  # the top as stored is on the right as shown
    picture.save(folder / "turned.jpg", exif=exif)
    Image.new("RGBA", (40, 30), (0, 0, 255, 255)).save(folder / "small.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    return folder


def test_thumbnails_are_small_upright_and_named(start, folder):
    daemon = start(folder, wrapper=["env"])  # what is forked has imported what decodes
    daemon.wait_until_indexed(2)
    turned = image_of(daemon, "turned.jpg")["id"]
    for size in SIZES:
        status, headers, body = ask(daemon, turned, size)
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        picture = Image.open(io.BytesIO(body))
        assert max(picture.size) == picture.height == size
        assert "exif" not in picture.info
        red, _, blue = picture.getpixel((picture.width - 2, picture.height // 2))
        assert (red > 200, blue < 100) == (True, True)
        again = ask(daemon, turned, size, **{"If-None-Match": headers["ETag"]})
        assert (again[0], again[2]) == (304, b"")
        assert ask(daemon, turned, size)[2] == body
    small = Image.open(io.BytesIO(ask(daemon, image_of(daemon, "small.png")["id"], 1024)[2]))
    assert small.size == (40, 30)
    status, _, body = ask(daemon, image_of(daemon, "broken.jpg")["id"])
    assert status == 422
    assert b"unreadable_image" in body
    kept = [name for _, _, names in os.walk(daemon.home / ".cache" / "imgvecd") for name in names]
    assert len(kept) == len(SIZES) + 1
    with open(f"/proc/{daemon.process.pid}/maps") as mapped:
        assert "libjpeg" not in mapped.read()  # what decodes is no part of the daemon


def test_of_an_offline_root_what_is_kept_is_there_and_else_the_reason(start, folder):
    daemon = start(folder)
    daemon.wait_until_indexed(2)
    turned, small = (image_of(daemon, name)["id"] for name in ("turned.jpg", "small.png"))
    _, _, kept = ask(daemon, turned)
    folder.rename(folder.with_name("away"))
    daemon.wait_until(lambda: not daemon.status()["roots"][0].get("online", True))
    assert ask(daemon, turned)[::2] == (http.client.OK, kept)
    status, headers, body = ask(daemon, small)
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert b'"offline"' in body


def test_a_file_that_changed_is_not_shown_under_the_old_name(start, folder):
    daemon = start(folder)
    daemon.wait_until_indexed(2)
    small = image_of(daemon, "small.png")["id"]
    with open(folder / "small.png", "ab") as file:
        file.write(b"x")
    status, _, body = ask(daemon, small)  # its file waits to be read anew, or already was
    assert (status, b'"offline"' in body or b'"not_found"' in body) == (404, True)
