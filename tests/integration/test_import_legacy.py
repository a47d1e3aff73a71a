"""A folder of the former layout, made as it was made, taken over without encoding."""

import pickle
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest
from kept_state import keep_state

from imgvecd import VectorDatabase
from imgvecd.cli.main import main
from imgvecd.errors import DimensionError

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
URL = "https://example.org/gone.jpg"


NAMES = ("cat", "coffee", "rocket", "brick")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Of the photos that are named."""
    place = keep_state(tmp_path_factory.mktemp("scratch"))
    with VectorDatabase("imgvecd-mini", db_path=place) as database:
        ids = database.add_images_batch([PHOTOS / f"{name}.jpg" for name in NAMES])
        catalog = database._runtime.catalog
        found = catalog.embeddings.embeddings(database._runtime.model.fingerprint, ids)
        return np.stack([found[image_id] for image_id in ids])


@pytest.fixture
def legacy(tmp_path, vectors):
    """index.faiss and metadata.pkl with real vectors: two files that exist, one gone, one URL."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in NAMES:
        shutil.copy(PHOTOS / f"{name}.jpg", photos)
    paths = [str(photos / f"{name}.jpg") for name in NAMES]
    (tmp_path / "moved").mkdir()
    (photos / "rocket.jpg").rename(tmp_path / "moved" / "rocket.jpg")
    paths[3] = URL
    folder = keep_state(tmp_path / "vector_db", catalog=False)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    records = [
        {"id": row, "image_path": path, "category": f"c{row}", "width": 400, "format": "JPEG"}
        for row, path in enumerate(paths)
    ]
    (folder / "metadata.pkl").write_bytes(pickle.dumps(records))
    return folder


@pytest.mark.long
def test_opening_the_folder_takes_everything_over(legacy, tmp_path):
    with VectorDatabase("imgvecd-mini", db_path=legacy) as database:
        assert database.get_stats()["total_images"] == 4
        assert database._runtime.encoded == 0
        found = database.search_by_image(PHOTOS / "rocket.jpg", k=1)[0]
        assert found["similarity"] == pytest.approx(1, abs=0.01)
        assert found["metadata"]["category"] == "c2"
        assert found["image_path"].endswith("photos/rocket.jpg")
        brick = database.search_by_image(PHOTOS / "brick.jpg", k=1)[0]
        assert brick["image_path"] == URL

        moved = database.relocate(tmp_path / "photos", tmp_path / "moved")
        assert moved == {"moved": 1, "changed": 0, "missing": 2}
        assert database.add_image(tmp_path / "moved" / "rocket.jpg") == found["id"]
        cat = database.search_by_image(PHOTOS / "cat.jpg", k=1)[0]
        assert database.add_image(tmp_path / "photos" / "cat.jpg") == cat["id"]
        assert database._runtime.encoded == 0
    with VectorDatabase(db_path=legacy) as database:  # not twice
        assert database.get_stats()["total_images"] == 4


def test_vectors_of_another_model_are_refused(tmp_path):
    folder = keep_state(tmp_path / "db", catalog=False)
    index = faiss.IndexFlatIP(7)
    index.add(np.ones((1, 7), np.float32))
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "metadata.pkl").write_bytes(pickle.dumps([{"path": "a.jpg"}]))
    with pytest.raises(DimensionError, match="7 dimensions, imgvecd-mini of 512"):
        VectorDatabase("imgvecd-mini", db_path=folder)


def test_the_command_says_what_it_took_over(legacy, tmp_path, capsys):
    state = str(keep_state(tmp_path / "state"))
    options = ["--state-dir", state, "--model", "imgvecd-mini"]
    assert main(["import-legacy", str(legacy), *options]) == 0
    said = capsys.readouterr().out
    assert "4 images imported, nothing encoded" in said
    assert "2 of their files are not at their old place" in said
    with VectorDatabase(db_path=state) as database:
        assert database.get_stats()["total_images"] == 4
    assert main(["export", str(tmp_path / "out.json"), "--state-dir", state]) == 0


def test_a_hostile_folder_is_refused_before_anything_is_made(tmp_path, capsys):
    folder = tmp_path / "db"
    folder.mkdir()
    index = faiss.IndexFlatIP(256)
    index.add(np.ones((1, 256), np.float32))
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "metadata.pkl").write_bytes(b"cposix\nsystem\n(S'touch owned'\ntR.")
    state = tmp_path / "state"
    assert main(["import-legacy", str(folder), "--state-dir", str(state)]) == 2
    assert "posix.system" in capsys.readouterr().err
    assert not state.exists()
    assert main(["import-legacy", str(tmp_path), "--state-dir", str(state)]) == 2
    assert "index.faiss" in capsys.readouterr().err
