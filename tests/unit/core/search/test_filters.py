"""Filters narrow the search inside the index, so that a page is still filled."""

import unicodedata

import msgspec
import pytest
from fakes import vector_of

from imgvecd.api import Filters
from imgvecd.errors import BadRequestError
from imgvecd.server.requests import filters_of

BERLIN = {"gps_latitude": 52.52, "gps_longitude": 13.405}
POTSDAM = {"gps_latitude": 52.39, "gps_longitude": 13.06}
FIJI = {"gps_latitude": -17.8, "gps_longitude": 178.1}


@pytest.fixture
def filled(shelf):
    def add(path, **facts):
        shelf.add(path, vector_of(path.encode()), **facts)

    add("/photos/2023/a.jpg", taken_at="2023-07-01T10:00:00", metadata={"camera": "Canon EOS R5"})
    add("/photos/2023/sub/b.jpg", taken_at="2023-12-31T23:59:59+01:00", metadata=BERLIN)
    size = {"width": 300, "height": 400}
    add("/photos/2023x/c.png", format="png", **size, metadata=POTSDAM, user={"rating": "high"})
    add("/archive/d.jpg", width=300, height=300, metadata={**FIJI, "rating": 4, "favorite": True})
    add(
        "/archive/e.jpg",
        user={
            "tags": ["Family"],
            "year": 1999,
            "Ort": "Straße, Köln",
            "rating": 5,
            "favorite": "true",
        },
        size_bytes=9,
    )
    add(
        "/archive/f.jpg",
        metadata={"keywords": ["family"], "lens": "50mm", "rating": 2, "favorite": True},
        user={"favorite": False},
    )
    return shelf


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"folder": "/photos/2023"}, "ab"),
        ({"folder": "2023"}, "ab"),
        ({"folder": "/photos"}, "abc"),
        ({"folder": "/"}, "abcdef"),
        ({"root": "/archive"}, "def"),
        ({"path": "/photos/2023/sub/../a.jpg"}, "a"),
        ({"path": "/archive/d.jpg"}, "d"),
        ({"path": "/archive"}, ""),
        ({"path": "/elsewhere/a.jpg"}, ""),
        ({"glob": "/photos/*/*.jpg"}, "a"),
        ({"glob": "**/*.jpg"}, "abdef"),
        ({"glob": "**/[!ab].???"}, "cdef"),
        ({"glob": "**/hive/*.jpg"}, ""),
        ({"glob": "[a-c].*"}, "abc"),
        ({"taken": "2023"}, "ab"),
        ({"taken": "summer 2023"}, "a"),
        ({"taken_from": "2023-08"}, "b"),
        ({"taken_to": "2023-07-01"}, "a"),
        ({"camera": "canon"}, "a"),
        ({"lens": "50MM"}, "f"),
        ({"format": ["PNG"]}, "c"),
        ({"format": ["jpg"]}, "abdef"),
        ({"orientation": "portrait"}, "c"),
        ({"orientation": "square"}, "d"),
        ({"min_width": 400}, "abef"),
        ({"min_size_bytes": 10}, "abcdf"),
        ({"any_of": [{"folder": "2023"}, {"format": ["png"]}]}, "abc"),
        ({"any_of": [{"folder": "2023"}, {"tags": ["family"]}], "taken": "2023"}, "ab"),
        ({"none_of": [{"folder": "/photos"}]}, "def"),
        ({"none_of": [{"taken": "2023"}, {"tags": ["family"]}]}, "cd"),
        ({"folder": "/photos", "none_of": [{"taken_from": "2023-08"}]}, "ac"),
        (
            {"any_of": [{"folder": "/photos", "none_of": [{"folder": "2023"}]}, {"lens": "50"}]},
            "cf",
        ),
        ({"any_of": [{}], "none_of": [{}]}, ""),
        ({"any_of": [{}]}, "abcdef"),
        ({"none_of": [{"any_of": [{"format": ["png"]}, {"root": "/archive"}]}]}, "ab"),
        ({"months": [7]}, "a"),
        ({"months": [1, 2]}, ""),
        ({"has_gps": True}, "bcd"),
        ({"has_gps": False}, "aef"),
        ({"near": [52.5, 13.4, 10]}, "b"),
        ({"near": [52.5, 13.4, 40]}, "bc"),
        ({"box": [52, 13.2, 53, 14]}, "b"),
        ({"box": [-20, 170, 0, -170]}, "d"),
        ({"tags": ["FAMILY"]}, "ef"),
        ({"metadata": {"year": "1999"}}, "e"),
        ({"metadata": {"year": "1998"}}, ""),
        ({"metadata": {"ORT": "Straße, KÖLN"}}, "e"),
        ({"metadata": {"ort": unicodedata.normalize("NFD", "strasse, Köln")}}, "e"),
        ({"min_rating": 4}, "de"),
        ({"favorite": True}, "de"),
        ({"favorite": False}, "abcf"),
        ({"folder": "2023", "taken": "2023-07"}, "a"),
    ],
)
async def test_what_passes(filled, filters, expected):
    wanted = msgspec.convert(filters, Filters)
    response = await filled.find(filters=wanted, limit=6, all=True)
    assert sorted(hit.path.rsplit("/", 1)[1][0] for hit in response.hits) == list(expected)
    assert response.searched == len(expected)


async def test_only_online_leaves_out_what_cannot_be_reached(filled):
    archive = next(root for root in filled.roots if root.path == b"/archive")
    filled.catalog.files.update_root(
        type(archive)(archive.id, archive.path, offline_since_ns=1, offline_reason="gone")
    )
    assert sorted(await filled.names(filters=Filters(online=True))) == ["a.jpg", "b.jpg", "c.png"]


async def test_a_narrow_filter_still_fills_the_page(shelf):
    query = vector_of(b"query")
    for i in range(40):
        shelf.add(f"/photos/near{i}.jpg", query)
    for i in range(5):
        shelf.add(f"/archive/far{i}.jpg", vector_of(b"%d" % i))
    assert len(await shelf.names(filters=Filters(root="/archive"), limit=5, all=True)) == 5


@pytest.mark.parametrize(
    "filters",
    [
        Filters(root="/elsewhere"),
        Filters(folder="/elsewhere"),
        Filters(taken="someday"),
        Filters(metadata={'"': "x"}),
        Filters(taken="2023-05..2022"),
        Filters(taken_from="2023-05-02", taken_to="2023-05-01"),
        Filters(taken="2023", taken_from="2024"),
        Filters(any_of=(Filters(), Filters(none_of=(Filters(taken="never"),)))),
    ],
)
async def test_what_makes_no_sense_is_refused(filled, filters):
    with pytest.raises(BadRequestError):
        await filled.find(filters=filters)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"taken": "1950"}, "abcd"),
        ({"taken": "1950-07"}, "bcd"),
        ({"taken": "1950-07-04"}, "cd"),
        ({"taken_from": "1950-02"}, "bcd"),
        ({"taken_to": "1950-07-30"}, "cd"),
        ({"taken_to": "1949"}, ""),
    ],
)
async def test_what_is_told_as_a_year_or_a_month_passes_as_a_whole(shelf, filters, expected):
    for name, taken_at in zip(
        "abcd", ("1950", "1950-07", "1950-07-04", "1950-07-04T18:30:11.25"), strict=True
    ):
        shelf.add(f"/photos/{name}.jpg", vector_of(name.encode()), taken_at=taken_at)
    wanted = msgspec.convert(filters, Filters)
    for order in ("oldest", "newest"):
        response = await shelf.find(filters=wanted, limit=6, all=True, order=order)
        found = "".join(hit.path[-5] for hit in response.hits)
        assert found == (expected if order == "oldest" else expected[::-1])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "filters",
    [
        {"folder": "/photos/Übersee/Café"},
        {"folder": "Übersee"},
        {"path": "/photos/Übersee/Café/é.jpg"},
        {"glob": "**/é.jpg"},
        {"tags": ["ünterkunft"]},
        {"tags": ["ÜNTERKUNFT"]},
        {"tags": ["straße"]},
        {"camera": "KAMÉRA"},
    ],
)
async def test_spelling_and_case_of_other_scripts_do_not_count(shelf, form, filters):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]

    def spelled(text):  # a folder in one form below one in the other, as rsync from a Mac leaves it
        head, *rest = unicodedata.normalize(form, text).split("/Café")
        return head + unicodedata.normalize(other, "".join(f"/Café{part}" for part in rest))

    shelf.add(
        spelled("/photos/Übersee/Café/é.jpg"),
        vector_of(b"1"),
        metadata={"keywords": [unicodedata.normalize(form, "Ünterkunft")], "camera": "Kaméra X"},
        user={"tags": ["Strasse"]},
    )
    shelf.add("/archive/other.jpg", vector_of(b"2"))
    assert len(await shelf.names(filters=Filters(**filters))) == 1


async def test_of_names_that_differ_only_in_spelling_a_path_means_its_own(shelf):
    paths = [unicodedata.normalize(form, "/photos/é.jpg") for form in ("NFC", "NFD")]
    for number, path in enumerate(paths):
        shelf.add(path, vector_of(b"%d" % number))
        assert len(await shelf.names(filters=Filters(path=paths[1]))) == 1
    for path in paths:
        page = await shelf.find(filters=Filters(path=path), all=True)
        assert [hit.path for hit in page.hits] == [path]


def nested(levels):
    return {"none_of": [nested(levels - 1)]} if levels else {}


@pytest.mark.parametrize("filters", [nested(4), {"any_of": [{}] * 51}, {"none_of": [[]]}])
def test_filters_in_filters_have_a_bound(filters):
    assert msgspec.convert(nested(3), Filters).levels() == 4
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(filters, Filters)


@pytest.mark.parametrize("box", [[10, 0, -10, 20], [1, 0, 0, 0]])
def test_a_box_whose_south_lies_north_of_its_north_is_refused(box):
    with pytest.raises(msgspec.ValidationError, match="south"):
        msgspec.convert({"any_of": [{"none_of": [{"box": box}]}]}, Filters)
    with pytest.raises(ValueError, match="south"):
        Filters(box=box)


def test_filters_that_never_end_are_refused():
    text = '{"none_of":[' * 100_000 + "]}" * 100_000
    with pytest.raises(BadRequestError):
        filters_of(text)


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, "/photos/keep/a.jpg"),
        ({"folder": "/photos/copies"}, "/photos/copies/b.jpg"),
        ({"folder": "copies"}, "/photos/copies/b.jpg"),
        ({"root": "/archive"}, "/archive/c.jpg"),
        ({"path": "/photos/copies/b.jpg"}, "/photos/copies/b.jpg"),
        ({"glob": "c.*"}, "/archive/c.jpg"),
        ({"folder": "/photos", "glob": "b.*"}, "/photos/copies/b.jpg"),
    ],
)
async def test_of_several_files_the_one_is_shown_that_was_asked_for(shelf, filters, shown):
    image_id = shelf.add("/photos/keep/a.jpg", vector_of(b"a"))
    shelf.copy(image_id, "/photos/copies/b.jpg")
    shelf.copy(image_id, "/archive/c.jpg")
    (before,) = (await shelf.find(all=True)).hits  # what is remembered of it is not asked for
    (hit,) = (await shelf.find(filters=msgspec.convert(filters, Filters), all=True)).hits
    assert (before.path, hit.path) == ("/photos/keep/a.jpg", shown)
    assert len({hit.path, *(each.path for each in hit.other_paths)}) == 3
