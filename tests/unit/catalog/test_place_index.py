"""Places of images: in step with positions and texts, filtered, counted, filled in."""

import contextlib
import os
import sqlite3

import numpy as np
import pytest
from fakes import DIM, MODEL

from imgvecd.api import Filters
from imgvecd.catalog import Catalog
from imgvecd.catalog.files import place_index
from imgvecd.catalog.files.gazetteer import Gazetteer
from imgvecd.errors import BadRequestError
from imgvecd.types import FileChanges, FoundFile, ImageInfo, Stamp

DA_NANG = {"gps_latitude": 16.0544, "gps_longitude": 108.2022}
HANOI = {"gps_latitude": 21.0285, "gps_longitude": 105.8542}
MUNICH = {"gps_latitude": 48.137, "gps_longitude": 11.575}


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path / "state"))
    catalog.files.set_roots([b"/photos"])
    catalog.models.activate([MODEL])
    yield catalog
    catalog.close()


def add(catalog, name, **metadata):
    (root,) = catalog.files.roots()
    found = FoundFile(name.encode(), Stamp(1, len(name), 1, 1))
    catalog.files.apply(FileChanges(added=((root.id, b"", found),)))
    (row,) = catalog.files.files_named(root.id, b"", [name.encode()])
    catalog.work.link_contents([(row, name.encode().ljust(32)[:32])])
    (row,) = catalog.files.files_named(root.id, b"", [name.encode()])
    encode(catalog, row.content_id, metadata)
    return row.content_id


def encode(catalog, content_id, metadata):
    info = ImageInfo(format="jpeg", width=1, height=1, metadata=metadata)
    vector = np.eye(1, DIM, dtype=np.float32)
    catalog.work.commit_embeddings(MODEL.fingerprint, [(content_id, info)], vector, [])


def taken_in(catalog, place):
    return catalog.searching.matching(Filters(place=place)).tolist()


@pytest.mark.parametrize(
    "place",
    ["Da Nang", "Đà Nẵng", "da nang", "DANANG", "岘港", "Vietnam", "Việt Nam", "Vietnam, Da Nang"],
)
def test_a_place_is_found_by_any_of_its_names(catalog, place):
    there = add(catalog, "a.jpg", **DA_NANG)
    add(catalog, "b.jpg", **MUNICH)
    add(catalog, "c.jpg")
    assert taken_in(catalog, place) == [there]


def test_names_with_commas_all_hold(catalog):
    here, there = add(catalog, "a.jpg", **DA_NANG), add(catalog, "b.jpg", **HANOI)
    assert taken_in(catalog, "Vietnam") == [here, there]
    assert taken_in(catalog, "Hà Nội, Vietnam") == [there]
    assert taken_in(catalog, "Hanoi, Germany") == []


@pytest.mark.parametrize("mark", [",", ";"])
def test_so_many_names_are_no_trouble_of_the_catalog(catalog, mark):
    many = Filters(place=mark.join(["x"] * 200))
    assert catalog.searching.matching(Filters(any_of=(many,) * 49)).tolist() == []
    with pytest.raises(BadRequestError, match="200 names"):
        taken_in(catalog, mark.join(["x"] * 201))


@pytest.mark.parametrize("place", ["", " ", ",", "!"])
def test_no_name_is_an_error(catalog, place):
    with pytest.raises(BadRequestError, match="place"):
        taken_in(catalog, place)


def test_what_files_tell_counts_as_well(catalog):
    told = add(catalog, "a.jpg", city="Hoi An", country="Việt Nam")
    assert taken_in(catalog, "hội an") == [told]
    assert taken_in(catalog, "Vietnam") == [told]
    assert catalog.images.images([told])[told].place == "Hoi An, Vietnam"


@pytest.mark.parametrize(
    "metadata",
    [
        {"gps_latitude": "16", "gps_longitude": 108},
        {"gps_latitude": 95, "gps_longitude": 108},
        {"gps_latitude": True, "gps_longitude": True},
        {"gps_latitude": 16},
        {"city": ["x"], "country": 3},
        {"city": "…", "country": " "},
    ],
)
def test_what_is_no_place_is_none(catalog, metadata):
    image = add(catalog, "a.jpg", **metadata)
    assert catalog.images.images([image])[image].place is None
    assert catalog.facets.facets("place", "", 10) == []


def test_a_new_position_is_a_new_place(catalog):
    image = add(catalog, "a.jpg", **DA_NANG)
    encode(catalog, image, MUNICH)
    assert taken_in(catalog, "Vietnam") == []
    assert taken_in(catalog, "München") == [image]
    encode(catalog, image, {})
    assert taken_in(catalog, "München") == []
    assert catalog.searching.places(["munchen", "germany"]) == {}


def test_gone_images_are_nowhere_and_come_back(catalog):
    image = add(catalog, "a.jpg", **DA_NANG)
    (root,) = catalog.files.roots()
    (row,) = catalog.files.files_named(root.id, b"", [b"a.jpg"])
    catalog.files.apply(FileChanges(removed=(row.id,)))
    assert catalog.facets.facets("place", "", 10) == []
    assert add(catalog, "a.jpg", **DA_NANG) == image
    assert taken_in(catalog, "Da Nang") == [image]


def test_facets_are_filters(catalog):
    add(catalog, "a.jpg", **DA_NANG)
    add(catalog, "b.jpg", **HANOI)
    counts = {facet.value: facet.count for facet in catalog.facets.facets("place", "", 50)}
    assert counts["Vietnam"] == 2
    assert counts["Da Nang, Vietnam"] == 1
    for value, count in counts.items():
        assert len(taken_in(catalog, value)) == count
    some = catalog.facets.facets("place", "khê", 50)
    assert {facet.value for facet in some} == {"Thanh Khê, Da Nang, Vietnam"}
    assert len(catalog.facets.facets("place", "", 2)) == 2


def test_a_large_change_is_placed_bit_by_bit(catalog, monkeypatch):
    monkeypatch.setattr(place_index, "_BATCH", 2)
    images = [add(catalog, f"{i}.jpg", **DA_NANG) for i in range(7)]
    with catalog._database.write_aside() as connection:
        connection.execute("DELETE FROM content_places")
        connection.execute("INSERT INTO places_due SELECT id FROM contents")
    clock = catalog.embeddings.clock()
    assert catalog.searching.fill_names()
    assert taken_in(catalog, "Da Nang") == images[-2:]
    while catalog.searching.fill_names():
        pass
    assert taken_in(catalog, "Da Nang") == images
    assert catalog.embeddings.clock() > clock  # which filters are remembered by


def test_without_the_file_of_places_images_are_indexed_all_the_same(catalog, monkeypatch, caplog):
    monkeypatch.setattr(place_index, "GAZETTEER", Gazetteer("/nowhere/p", "/nowhere/n"))
    image = add(catalog, "a.jpg", **DA_NANG)
    assert catalog.images.images([image])[image].place is None
    assert "places" in caplog.text


def test_a_catalog_of_an_older_version_is_filled_in(catalog):
    image = add(catalog, "a.jpg", **DA_NANG)
    path = catalog.path
    catalog.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for trigger in ("places_content_changed", "places_content_gone"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for table in ("content_places", "place_names", "places", "places_due"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DELETE FROM migrations WHERE name = '0015-places'")
    with contextlib.closing(Catalog(os.path.dirname(path))) as again:
        while again.searching.fill_names():
            pass
        assert taken_in(again, "Đà Nẵng") == [image]


def test_what_waits_to_be_placed_may_change_again(catalog):
    image = add(catalog, "a.jpg", **DA_NANG)
    moved = "UPDATE contents SET metadata = json_set(metadata, '$.gps_latitude', ?) WHERE id = ?"
    with catalog._database.write_aside() as connection:
        connection.execute(moved, (16.5, image))
        connection.execute(moved, (16.6, image))  # it waits already
        assert connection.execute("SELECT content_id FROM places_due").fetchall() == [(image,)]
