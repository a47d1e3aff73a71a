import math

import numpy as np
import pytest

from imgvecd.catalog import Catalog
from imgvecd.errors import BadRequestError
from imgvecd.types import (
    FileChanges,
    FileMove,
    FoundFile,
    ImageInfo,
    ModelInfo,
    PreprocessSpec,
    Stamp,
)

SPEC = PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path / "state"))
    yield catalog
    catalog.close()


def write(catalog, name, digest):
    """Read a file, new or written anew, with those bytes; return its content."""
    (root,) = catalog.files.set_roots([b"/photos"])
    rows = catalog.files.files_named(root.id, b"", [name])
    stamp = Stamp(1, catalog.embeddings.clock(), 1, 1)
    catalog.files.apply(
        FileChanges(changed=((rows[0].id, stamp),))
        if rows
        else FileChanges(added=((root.id, b"", FoundFile(name, stamp)),))
    )
    catalog.work.link_contents([(file, digest) for file in catalog.work.pending_files(9)])
    (row,) = catalog.files.files_named(root.id, b"", [name])
    return row.content_id


def said(catalog, content_id):
    return catalog.images.images([content_id])[content_id].user_metadata


def test_changes_set_replace_and_take_away(catalog):
    image = write(catalog, b"a.jpg", b"a" * 32)
    catalog.user_metadata.change(image, {"note": "ours", "year": 1999})
    catalog.user_metadata.change(image, {"note": None, "year": 2000, "odd": {"deep": [True]}})
    assert said(catalog, image) == {"year": 2000, "odd": {"deep": [True]}}
    catalog.user_metadata.replace({image: {"x": 1}})
    assert said(catalog, image) == {"x": 1}


def test_tags_come_and_go_whatever_their_case(catalog):
    image = write(catalog, b"a.jpg", b"a" * 32)
    catalog.user_metadata.tag([image], ["Family", "beach", "family"])
    catalog.user_metadata.tag([image], ["BEACH", "sun"], ["FAMILY"])
    assert said(catalog, image) == {"tags": ["beach", "sun"]}
    catalog.user_metadata.tag([image], [], ["beach", "sun"])
    assert said(catalog, image) == {}


def test_a_single_tag_that_a_program_kept_as_text_is_one(catalog):
    image = write(catalog, b"a.jpg", b"a" * 32)
    catalog.user_metadata.replace({image: {"tags": "beach"}})
    catalog.user_metadata.tag([image], ["sun"])
    assert said(catalog, image) == {"tags": ["beach", "sun"]}


DEEP = []
for _ in range(2000):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [math.nan, object(), "x" * 70_000, "\ud800", DEEP])
def test_what_cannot_be_kept_is_refused_and_changes_nothing(catalog, value):
    image = write(catalog, b"a.jpg", b"a" * 32)
    catalog.user_metadata.replace({image: {"x": 1}})
    with pytest.raises(BadRequestError, match="metadata"):
        catalog.user_metadata.change(image, {"y": value})
    assert said(catalog, image) == {"x": 1}


def test_what_the_user_says_survives_a_rename_and_another_model(catalog):
    image = write(catalog, b"a.jpg", b"a" * 32)
    catalog.user_metadata.replace({image: {"tags": ["ours"]}})
    (row,) = catalog.files.iter_files(1, b"", recursive=True)
    catalog.files.apply(FileChanges(moved=(FileMove(row.id, 1, b"deep", b"b.jpg", row.stamp),)))
    for fingerprint in ("one", "two"):
        catalog.models.activate([ModelInfo(fingerprint, "m", "", 4, SPEC)])
        rows = np.eye(1, 4, dtype=np.float32)
        catalog.work.commit_embeddings(fingerprint, [(image, ImageInfo("jpeg", 4, 4))], rows, [])
    assert said(catalog, image) == {"tags": ["ours"]}


def test_decisions_about_duplicates_follow_an_edited_file(catalog):
    a, b, edited = b"a" * 32, b"b" * 32, b"0" * 32
    write(catalog, b"a.jpg", a)
    write(catalog, b"b.jpg", b)
    catalog.duplicates.decide([a, b], "keep_both")
    write(catalog, b"a.jpg", edited)
    assert catalog.duplicates.decided() == {(a, b), (edited, b)}
    write(catalog, b"b.jpg", edited)  # a copy of it: nothing is decided about a picture and itself
    assert catalog.duplicates.decided() == {(a, b), (edited, b)}
