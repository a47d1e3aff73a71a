"""`imgvec tag` and `imgvec set` as processes, and the same from Python."""

import asyncio
import json
import urllib.parse

import msgspec
import pytest

from imgvecd import AsyncClient, Client, api

TAGS = ("POST", "/v1/tags")
METADATA = ("PATCH", "/v1/images/7/metadata")
IMAGE = api.Image(
    id=7,
    hash="00",
    files=(),
    metadata={"camera": "X", "keywords": ["sea", "sun"]},
    user_metadata={"tags": ["family"], "year": 1999},
)


def test_tags_are_added_and_removed(server, imgvec):
    server.on(*TAGS, api.Done(done="tagged 2 images", clock="c:x:1"))
    done = imgvec("tag", "5", "7", "+family", "-todo", "+at sea")
    assert (done.returncode, done.stdout) == (0, b"tagged 2 images\n")
    (request,) = server.asked
    assert msgspec.json.decode(request[2], type=api.TagRequest) == api.TagRequest(
        ids=(5, 7), add=("family", "at sea"), remove=("todo",)
    )


def test_a_file_names_its_image(server, imgvec, tmp_path):
    def at(path):
        filters = urllib.parse.quote(json.dumps({"path": str(path)}, separators=(",", ":")))
        return "GET", f"/v1/images?limit=1&filters={filters.replace('/', '%2F')}"

    (tmp_path / "album").symlink_to(tmp_path / "photos")
    server.on(*at(tmp_path / "album" / "a.jpg"), api.ImageList(images=()))
    server.on(*at(tmp_path / "photos" / "a.jpg"), api.ImageList(images=(IMAGE,)))
    server.on(*TAGS, api.Done(done="tagged 2 images", clock="c:x:1"))
    done = imgvec("tag", "5", str(tmp_path / "album" / "a.jpg"), "+family")
    assert (done.returncode, done.stderr) == (0, b"")
    assert msgspec.json.decode(server.asked[-1][2], type=api.TagRequest).ids == (5, 7)
    server.on("GET", "/v1/images/7", IMAGE)
    assert b"id        7" in imgvec("show", str(tmp_path / "photos" / "a.jpg")).stdout
    server.on(*at("/nowhere.jpg"), api.ImageList(images=()))
    done = imgvec("set", "/nowhere.jpg", "rating=5")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"/nowhere.jpg is not an image of the library" in done.stderr


@pytest.mark.parametrize("words", [["5"], ["+family"]])
def test_tagging_needs_ids_and_tags(server, imgvec, words):
    done = imgvec("tag", *words)
    assert done.returncode == 2
    assert b"imgvec tag 5 beach.jpg +family -todo" in done.stderr
    assert server.asked == []


def test_values_are_json_or_text(server, imgvec):
    server.on(*METADATA, IMAGE)
    done = imgvec("set", "7", "year=1999", "note=at the sea", "old=", 'list=["a"]')
    assert done.returncode == 0
    assert json.loads(server.asked[0][2]) == {
        "year": 1999,
        "note": "at the sea",
        "old": None,
        "list": ["a"],
    }
    lines = done.stdout.decode().splitlines()
    assert "keywords  sea, sun" in lines
    assert "  tags      family" in lines
    assert "  year      1999" in lines


def test_a_word_without_a_value_is_refused(server, imgvec):
    done = imgvec("set", "7", "year")
    assert (done.returncode, done.stderr) == (2, b"imgvec: Expected KEY=VALUE, not 'year'\n")


def test_the_same_from_python(server):
    server.on(*TAGS, api.Done(done="tagged", clock="c:x:1"))
    server.on(*METADATA, IMAGE)
    client = Client(server.server_address)
    client.tag([5, 7], add=["family"])
    assert client.set_metadata(7, year=1999) == IMAGE

    async def ask():
        asynchronous = AsyncClient(server.server_address)
        await asynchronous.tag([5, 7], add=["family"])
        return await asynchronous.set_metadata(7, year=1999)

    assert asyncio.run(ask()) == IMAGE
    assert server.asked[:2] == server.asked[2:]
