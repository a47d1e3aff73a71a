"""A page of pictures needs nothing but itself, and names in it are only names."""

import pytest

from imgvecd import api
from imgvecd.client import picture_page
from imgvecd.errors import BadRequestError, DaemonError

HOSTILE = '/photos/"><script>alert(1)<&.jpg'


class Pictures:
    def get(self, url):
        if "/9/" in url:
            raise DaemonError("no file of this image can be read", "offline", 404)
        return b"\xff\xd8 a picture \xff\xd9"


def hit(number, band, path=HOSTILE):
    return api.Hit(id=number, score=0.3, path=path, band=band, width=300, height=200, relevance=0.9)


def test_bands_are_sections_and_names_are_only_names(tmp_path):
    path = tmp_path / "page.html"
    hits = [hit(1, "found"), hit(9, "found"), hit(3, "weaker")]
    picture_page.write(str(path), "a <dog>", picture_page.of_hits(Pictures(), hits))
    page = path.read_text()
    assert page.index("<h2>Found") < page.index("<h2>Weaker")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "no file of this image can be read" in page
    assert "<script" not in page
    assert "a &lt;dog&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_name_turns_no_text_around_it(tmp_path):
    path = tmp_path / "page.html"
    hits = [hit(1, "found", "/photos/\u202egpj.exe\x9b.jpg")]
    picture_page.write(str(path), "\u202egpj", picture_page.of_hits(Pictures(), hits))
    assert "\u202e" not in path.read_text()
    assert "<bdi>�gpj.exe�.jpg</bdi>" in path.read_text()


def test_the_file_that_is_kept_is_framed(tmp_path):
    files = tuple(
        api.DuplicateFile(
            id=number,
            hash="00",
            path=f"/photos/{number}.jpg",
            size_bytes=5,
            modified_at="2023",
            kind="same_pixels",
            similarity=1.0,
            keep=number == 1,
        )
        for number in (1, 2)
    )
    path = tmp_path / "page.html"
    groups = [api.DuplicateGroup(kind="same_pixels", files=files)]
    sections = picture_page.of_duplicates(Pictures(), groups)
    picture_page.write(str(path), "Duplicates", sections)
    assert path.read_text().count('class="stays"') == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(BadRequestError, match=r"none/page\.html"):
        picture_page.write(str(tmp_path / "none" / "page.html"), "x", [])
