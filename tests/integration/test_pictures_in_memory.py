"""Pictures without a path: added, found, told apart, in `VectorDatabase` and its manager."""

import io
from pathlib import Path

import numpy as np
import pytest
from kept_state import keep_state
from PIL import Image

from imgvecd import VectorDatabase, VectorDBManager
from imgvecd.errors import BadRequestError, ImgvecdError, UnreadableImageError

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    folder = keep_state(tmp_path_factory.mktemp("pictures") / "db", catalog=False)
    with VectorDatabase("imgvecd-mini", db_path=folder) as db:
        yield db


def test_every_kind_is_the_same_picture(db):
    cat = PHOTOS / "cat.jpg"
    pixels = np.asarray(Image.open(cat).convert("RGB"))
    by_path = db.add_image(cat)
    with cat.open("rb") as file:
        kinds = [cat.read_bytes(), io.BytesIO(cat.read_bytes()), file]
        assert db.add_images_batch(kinds) == [by_path] * 3
    decoded = db.add_images_batch([Image.fromarray(pixels), pixels, pixels / 255])
    assert decoded[0] == decoded[1] == decoded[2] != by_path
    for query in (pixels, Image.open(cat), cat.read_bytes(), io.BytesIO(cat.read_bytes())):
        best = db.search_by_image(query, k=1)[0]
        assert best["id"] in {by_path, decoded[0]}
        assert best["similarity"] == pytest.approx(1, abs=0.01)
    assert db.search_combined("a cat", pixels, k=1)
    assert {file["id"] for file in db.check_duplicate(cat.read_bytes())} >= {by_path}
    found = db.get_image(decoded[0])
    assert Path(found["local_path"]).is_relative_to(db.db_path)
    db.remove_image(decoded[0])
    assert not Path(found["local_path"]).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        None, 5, 1.5, object(), {"a": 1}, ["cat.jpg"], b"", b"no picture", io.BytesIO(),
        io.StringIO("text"), np.zeros(5), np.zeros((3, 9, 9), np.uint8), np.full((9, 9), np.inf),
        np.zeros((9, 9), np.int32), np.zeros((1, 9, 9, 3), np.uint8),
    ],
)  # fmt: skip
def test_what_is_none_raises_one_of_ours(db, wrong):
    for ask in (db.add_image, db.search_by_image, db.check_duplicate):
        if hasattr(wrong, "seek"):
            wrong.seek(0)
        with pytest.raises(ImgvecdError):
            ask(wrong)


def test_the_manager_names_what_has_no_path(db):
    with VectorDBManager(database=db) as manager:
        done = manager.index_files([PHOTOS / "cat.jpg", b"no picture", np.zeros((9, 9), np.uint8)])
        assert (done["indexed"], done["failed"], list(done["failures"])) == (2, 1, ["picture 2"])
        with pytest.raises(BadRequestError):
            manager.index_files("cat.jpg")
        with pytest.raises(UnreadableImageError):
            db.add_image(b"no picture")
