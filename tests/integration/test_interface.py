"""The interface of the former library, as it was printed."""

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from former_interface import AS_PRINTED
from kept_state import keep_state

from imgvecd import VectorDatabase, VectorDBManager

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


def test_the_constructor_is_the_former_one():
    parameters = inspect.signature(VectorDatabase).parameters
    assert list(parameters)[:4] == ["model_name", "pretrained", "db_path", "dimension"]
    assert [parameter.default for parameter in list(parameters.values())[:4]] == [
        "ViT-B-32",
        "laion2b_s34b_b79k",
        "vector_db",
        512,
    ]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder that the block is run in, with the files that it names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "path" / "or").mkdir(parents=True)
    (tmp_path / "images_folder" / "deeper").mkdir(parents=True)
    shutil.copy(PHOTOS / "cat.jpg", "path/or/URL.jpg")
    shutil.copy(PHOTOS / "cat.jpg", "query.jpg or URL")
    for photo in PHOTOS.glob("*.jpg"):
        shutil.copy(photo, "images_folder/deeper")
    (tmp_path / "images_folder" / "broken.jpg").write_text("no picture")
    return tmp_path


def test_the_block_runs_as_printed(place):
    """Only the model is the embedded one, since its weights are here."""
    paths = [str(PHOTOS / "coffee.jpg"), str(PHOTOS / "rocket.jpg")]
    block = AS_PRINTED.replace("ViT-B-32", "imgvecd-mini").replace("laion2b_s34b_b79k", "")
    names: dict[str, Any] = {"paths": paths, "metadatas": [{"n": 1}, None]}
    keep_state("vector_db")
    exec(block, names)  # noqa: S102  # as a user would type it
    try:
        assert len(names["ids"]) == 2
        best = names["similar"][0]
        assert best["id"] == names["image_id"]
        assert best["image_path"] == str(place / "path/or/URL.jpg")
        assert best["similarity"] == pytest.approx(1, abs=0.01)
        assert best["metadata"] == {"category": "animals", "tags": ["cute", "dog"]}
        assert (best["format"], best["width"], best["height"]) == ("jpeg", 400, 266)
        assert best["size_bytes"] == (PHOTOS / "cat.jpg").stat().st_size
        assert best["date"]
        count = len(list(PHOTOS.glob("*.jpg")))
        assert (names["stats"]["indexed"], names["stats"]["failed"]) == (count, 1)
        assert names["stats"]["new"] == count - 3
        assert names["stats"]["already_known"] == 3
        (reason,) = names["stats"]["failures"].values()
        assert "not a picture" in reason
        assert str(place) not in reason
        assert len(names["results"]) == count
        copies = {
            frozenset(Path(file["image_path"]).name for file in group)
            for group in names["groups"]
            if group[0]["kind"] == "same_bytes"
        }
        assert copies == {
            frozenset({"URL.jpg", "cat.jpg"}),
            frozenset({"coffee.jpg"}),
            frozenset({"rocket.jpg"}),
        }
        exported = json.loads(Path("out.json").read_text())
        assert sum(record["failure"] is None for record in exported) == count
        assert [record["path"] for record in exported if record["failure"]] == [
            str(place / "images_folder" / "broken.jpg")
        ]
    finally:
        names["manager"].close()
        names["db"].close()


@pytest.mark.nightly  # test_model_move loads another model by its name, with weights from a file
def test_the_block_runs_with_the_model_that_it_names(place, monkeypatch, vit_b_32):
    """ViT-B-32 with random weights from a local file: real shapes, and no meaning."""
    paths = [str(PHOTOS / "coffee.jpg"), str(PHOTOS / "rocket.jpg")]
    names: dict[str, Any] = {"paths": paths, "metadatas": None}
    exec(AS_PRINTED.replace("laion2b_s34b_b79k", vit_b_32), names)  # noqa: S102  # see above
    try:
        count = len(list(PHOTOS.glob("*.jpg")))
        assert names["stats"]["indexed"] == count
        assert len(names["results"]) == count
        best = names["db"].search_by_image("path/or/URL.jpg", k=1)[0]
        assert best["image_path"] == str(place / "path/or/URL.jpg")
        assert best["similarity"] == pytest.approx(1, abs=0.01)
        stats = names["db"].get_stats()
        assert (stats["dimension"], stats["model_name"]) == (512, "ViT-B-32")
        assert len(json.loads(Path("out.json").read_text())) == count + 1
    finally:
        names["manager"].close()
        names["db"].close()


@pytest.fixture(scope="module")
def vit_b_32(tmp_path_factory):
    """A checkpoint file of ViT-B-32, initialised at random."""
    torch = pytest.importorskip("torch")
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    torch.save(open_clip.create_model("ViT-B-32").state_dict(), path)
    return str(path)


def test_indexing_a_folder_draws_a_bar_and_goes_on_where_it_was(place, capsys):
    options = {"model_name": "imgvecd-mini", "db_path": keep_state("db")}
    with VectorDBManager(**options) as manager:
        first = manager.index_directory("images_folder", progress=True)
        assert f"{first['found']}/{first['found']}" in capsys.readouterr().err
        again = manager.index_directory("images_folder")
        assert capsys.readouterr().err == ""
    assert (first["new"], first["already_known"], first["failed"]) == (first["indexed"], 0, 1)
    assert (again["new"], again["already_known"]) == (0, first["indexed"])
    assert again["failures"] == first["failures"]
    with pytest.raises(FileNotFoundError, match="nowhere"), VectorDBManager(**options) as manager:
        manager.index_directory("nowhere")
