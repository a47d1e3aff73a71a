"""Side files of exports: whose they are, in the catalog too, and what they add to files."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgvecd.catalog import Catalog
from imgvecd.catalog.files.companions import beside
from imgvecd.core.files.companions import export_of, kind_beside, with_export
from imgvecd.core.files.formats import is_export_name, is_same_kind, is_watched_name
from imgvecd.types import FileChanges, FoundFile, ImageInfo, ModelInfo, PreprocessSpec, Stamp

LONG = "Backyard_ceremony_wedding_photography_xxxxxxx_m"  # 47 characters
MODEL = ModelInfo("m", "m", "", 4, PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3))

PAIRS = [
    ("a.jpg", "a.jpg.json"),
    ("a.JPG", "a.jpg.JSON"),
    ("a.jpg", "a.jpg.supplemental-metadata.json"),
    ("a.jpg", "a.jpg.supplemental-me.json"),
    ("a.jpg", "a.jpg.s.json"),
    ("a.jpg", "a.jpg..json"),
    ("a(1).jpg", "a.jpg(1).json"),
    ("a(1).jpg", "a(1).jpg.json"),
    ("a(12).jpg", "a.jpg.supplemental-metadata(12).json"),
    ("a(12).jpg", "a.jpg.supplemental-m(12).json"),
    ("a-edited.jpg", "a.jpg.json"),
    ("a-edited.jpg", "a-edited.jpg.json"),
    ("a-edited.jpg", "a.HEIC.supplemental-metadata.json"),
    ("a-edited(2).jpg", "a.jpg(2).json"),
    ("a(2)-edited.jpg", "a.jpg(2).json"),
    ("a-bearbeitet.jpg", "a.jpg.json"),
    ("a-modifie\u0301.jpg", "a.jpg.json"),
    ("a-編集済み.jpg", "a.jpg.json"),
    ("a-ha editado.jpg", "a.jpg.supplemental-metadata.json"),
    ("a-EFFECTS.jpg", "a.jpg.json"),
    ("a-EFFECTS.jpg", "a-EFFECTS.jpg.json"),
    (f"{LONG}.jpg", f"{LONG[:46]}.json"),
    (f"{LONG}(494).jpg", f"{LONG[:46]}(494).json"),
    (f"{LONG[:44]}.jpg", f"{LONG[:44]}.j.json"),
    (f"{LONG[:44]}(3).jpg", f"{LONG[:44]}.j(3).json"),
    (f"{LONG[:44]}-ed.jpg", f"{LONG[:44]}.j.json"),
    ("IMG_20210704_183011.jpg", "IMG_20210704_183011.jpg.supplemental-metadata.json"),
    ("x" * 30 + ".jpg", "x" * 30 + ".jpg.supplement.json"),
    ("\U0001f600" * 24 + ".jpg", "\U0001f600" * 23 + ".json"),
    ("caf\u00e9(1).jpg", "cafe\u0301.jpg(1).json"),
    ("\udcff.jpg", "\udcff.jpg.json"),
]
STRANGERS = [
    ("a.jpg", "b.jpg.json"),
    ("a.jpg", "a.jpg(1).json"),
    ("a(1).jpg", "a.jpg.json"),
    ("a(1).jpg", "a.jpg(2).json"),
    ("a.jpg", "a.png.json"),
    ("a.jpg", "a-edited.jpg.json"),
    (f"{LONG}(494).jpg", f"{LONG[:46]}(495).json"),
    (f"{LONG[:40]}.jpg", f"{LONG[:46]}.json"),
    ("a.jpg", "a.json"),
]


@pytest.mark.parametrize(("picture", "side_file"), PAIRS)
def test_whose_a_side_file_is(picture, side_file):
    assert is_export_name(side_file)
    assert kind_beside(os.fsencode(picture), os.fsencode(side_file)) == "sidecar"


@pytest.mark.parametrize(("picture", "side_file"), STRANGERS)
def test_whose_it_is_not(picture, side_file):
    assert kind_beside(os.fsencode(picture), os.fsencode(side_file)) is None


@pytest.mark.parametrize(
    "name",
    ["package.json", "a.json", "manifest.json", "a.jpg.js", "a.mov.json", "a.txt.json", ".json",
     "x.supplemental-metadata.json", "a.jpg.metadata.json", "metadata(1).json", "a" * 50 + ".json",
     "a.jpg(x).json", "print-subscriptions.json", "user-generated-memory-titles.json"],
)  # fmt: skip
def test_other_json_is_left_alone(name):
    assert not is_watched_name(name)


def test_json_does_not_become_xmp_by_a_rename():
    assert not is_same_kind("a.xmp", "a.jpg.json")
    assert is_same_kind("a.jpg.json", "b.png.supplemental-metadata.json")


def test_the_closest_name_counts():
    names = [b"a.jpg(1).json", b"a(1).jpg.json", b"a.jpg.json", b"a(1).xmp"]
    assert export_of(b"a(1).jpg", names) == b"a(1).jpg.json"
    assert export_of(b"a(1).jpg", names[:1]) == b"a.jpg(1).json"
    assert export_of(b"a(2).jpg", names) is None


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path))
    yield catalog
    catalog.close()


def add(catalog, root, directory, *names):
    stamp = Stamp(1, 10**18, 1, 1)
    added = tuple((root.id, directory, FoundFile(os.fsencode(name), stamp)) for name in names)
    catalog.files.apply(FileChanges(added=added))


def test_the_catalog_finds_them_from_either_side(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    for at, pair in enumerate(PAIRS):
        add(catalog, root, b"%d" % at, *pair, f"{LONG}_.jpg", "z.jpg")
    with catalog._database.read() as connection:
        for at, pair in enumerate(PAIRS):
            for one, other in (pair, pair[::-1]):
                near = beside(connection, root.id, b"%d" % at, os.fsencode(one))
                assert os.fsencode(other) in {name for _, name, _ in near}, pair


characters = st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",))


@settings(max_examples=60, deadline=None)
@given(
    st.text(characters, min_size=1, max_size=60).filter(lambda s: not s.startswith(".")),
    st.sampled_from(["jpg", "HEIC", "png"]),
    st.integers(0, 300),
    st.booleans(),
)
def test_whatever_name_takeout_cuts_is_found(title, extension, number, supplemental):
    """Name picture and side file as Takeout does, and find each by the other."""
    whole = f"{title}.{extension}" + (".supplemental-metadata" if supplemental else "")
    count = f"({number})" if number else ""
    picture = f"{title[:47]}{count}.{extension}"
    side_file = f"{whole[:46]}{count}.json"
    assert kind_beside(os.fsencode(picture), os.fsencode(side_file)) == "sidecar"


def test_a_thousand_numbered_neighbours_are_not_looked_through(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    names = [f"{LONG}({n}).jpg" for n in range(1, 1001)]
    side_files = [f"{LONG[:46]}({n}).json" for n in range(1, 1001)]
    add(catalog, root, b"", *names, *side_files)
    with catalog._database.read() as connection:
        for name in (names[500], side_files[500]):
            near = {each for _, each, _ in beside(connection, root.id, b"", name.encode())}
            assert side_files[500].encode() in near
            assert names[500].encode() in near
            assert len(near) < 10


def test_a_service_says_when_and_where_only_for_pictures_that_do_not():
    said = {
        "taken_at": "2021-07-04T18:30:11+02:00", "gps_latitude": 1.0, "gps_longitude": 2.0,
        "gps_altitude_m": 3.0, "description": "new", "people": ["Ada"], "favorite": True,
    }  # fmt: skip
    own = {
        "taken_at_source": "exif", "gps_latitude": 5.0, "gps_longitude": 6.0,
        "description": "old", "people": ["Bob"],
    }  # fmt: skip
    assert with_export("2021-07-04T18:30:11", own, said) == (
        "2021-07-04T18:30:11",
        {**own, "description": "new", "people": ["Bob", "Ada"], "favorite": True},
    )
    for taken_at, source in (("2024-01-01T00:00:00", "file"), ("2021-07-05", "name"), (None, "")):
        known = {"taken_at_source": source} if source else {}
        moment, facts = with_export(taken_at, known, said)
        assert moment == said["taken_at"]
        assert facts["taken_at_source"] == "sidecar"
        assert facts["gps_altitude_m"] == 3.0
    by_name = {"taken_at_source": "name"}
    assert with_export("2021-07-04T18:30:11", by_name, said)[0] == "2021-07-04T18:30:11"


def test_side_files_come_change_and_go(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    catalog.models.activate([MODEL])
    add(catalog, root, b"", "a(1).jpg", "a.jpg(1).json", "a.xmp")

    def read(**said):
        waiting = catalog.work.pending_files(10)
        images = [row for row in waiting if row.name.endswith(b".jpg")]
        catalog.work.link_contents([(row, row.relative.ljust(32)) for row in images])
        others = [row for row in waiting if row not in images]
        catalog.work.keep_companions([(row, said) for row in others])

    def image():
        (row,) = catalog.files.files_named(root.id, b"", [b"a(1).jpg"])
        return catalog.images.images([row.content_id])[row.content_id]

    read(taken_at="1950-06-07T12:00:00+01:00", description="old times")
    ((content_id, _),) = catalog.work.contents_to_encode("m", 10, set())
    info = ImageInfo("jpeg", 4, 4, None)
    catalog.work.commit_embeddings("m", [(content_id, info)], np.eye(1, 4, dtype=np.float32), [])
    assert image().taken_at == "1950-06-07T12:00:00+01:00"
    assert image().metadata == {"description": "old times", "taken_at_source": "sidecar"}
    counts = catalog.images.counts("m")
    assert (counts.seen, counts.indexed, counts.pending, counts.failed) == (1, 1, 0, 0)

    (row,) = catalog.files.files_named(root.id, b"", [b"a.jpg(1).json"])
    catalog.files.apply(FileChanges(changed=((row.id, Stamp(2, 2, 2, 2)),)))
    read(description="new times")
    assert image().metadata == {"description": "new times", "taken_at_source": "file"}
    catalog.files.apply(FileChanges(removed=(row.id,)))
    assert image().metadata == {"taken_at_source": "file"}
