"""Changing the model: the old one answers until the new one knows every image."""

import json
import shutil
from pathlib import Path

import pytest
from kept_state import keep_state
from later import open_clip, save_file, torch

from imgvecd import VectorDatabase
from imgvecd.core.library import model_choice

pytestmark = pytest.mark.long

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
NAME = "ViT-S-32-alt"  # the smallest that open_clip knows by name


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    """Another model, with random weights, as settings."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_file(open_clip.create_model(NAME, precision="fp16").state_dict(), path)
    return {"model__name": NAME, "model__pretrained": path}


def test_the_old_model_answers_until_the_new_one_is_complete(start, shipped_photos, other_model):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    assert daemon.stop() == 0

    moving = start(shipped_photos, **other_model)
    assert moving.status()["model"]["name"] == "imgvecd-mini"
    models = set()

    def moved():
        answer = moving.post("/v1/search", {"text": "a cat", "limit": 1})
        models.add(answer["model"])
        if answer["model"] == "imgvecd-mini":
            assert Path(answer["hits"][0]["path"]).name == "cat.jpg"
        return moving.status()["move"] is None

    assert moving.status()["move"]["name"] == NAME
    moving.wait_until(moved)
    status = moving.wait_until_indexed(8)
    assert (status["model"]["name"], status["model"]["dim"]) == (NAME, 256)
    cat = next(shipped_photos.rglob("cat.jpg"))
    itself = moving.post("/v1/search", {"image": {"path": str(cat)}, "limit": 1})
    assert itself["model"] == NAME
    assert itself["hits"][0]["path"] == str(cat)
    assert "imgvecd-mini" in models

    shutil.copy(cat, shipped_photos / "new.jpg")
    moving.wait_until_indexed(9)
    assert moving.stop() == 0

    again = start(shipped_photos, **other_model)
    again.wait_until_indexed(9)
    status = again.status()
    assert (status["model"]["name"], status["move"], status["encoded"]) == (NAME, None, 0)
    again.stop()

    back = start(shipped_photos)
    back.wait_until(lambda: back.status()["model"]["name"] == "imgvecd-mini")
    assert back.search("a cat", 1)[0].endswith(("cat.jpg", "new.jpg"))


def test_a_library_moves_to_int8_and_back(start, shipped_photos):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    assert daemon.stop() == 0

    moving = start(shipped_photos, encode__precision="int8")
    assert moving.search("a cat", 1)[0].endswith("cat.jpg")
    moving.wait_until(lambda: moving.status()["move"] is None)
    moving.wait_until_indexed(8)
    assert "int8" in moving.status()["model"]["runs_on"]
    assert "in int8, built" in moving.status()["model"]["runtime_note"]
    assert moving.search("a cat", 1)[0].endswith("cat.jpg")
    assert moving.stop() == 0

    back = start(shipped_photos)  # whose vectors are kept
    back.wait_until(lambda: back.status()["move"] is None)
    status = back.wait_until_indexed(8)
    assert (status["model"]["name"], status["encoded"]) == ("imgvecd-mini", 0)
    assert back.search("a cat", 1)[0].endswith("cat.jpg")


def test_a_move_that_was_killed_goes_on(start, shipped_photos, other_model):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    daemon.kill()
    moving = start(shipped_photos, **other_model)
    moving.wait_until(lambda: (moving.status()["move"] or {"indexed": True})["indexed"])
    moving.kill()
    again = start(shipped_photos, **other_model)
    again.wait_until(lambda: again.status()["move"] is None)
    assert again.status()["model"]["name"] == NAME


@pytest.mark.nightly  # two more starts of a model on torch; a tour stops a move by day
def test_a_move_can_be_stopped_and_resumed(start, shipped_photos, other_model):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    assert daemon.stop() == 0
    moving = start(shipped_photos, **other_model)
    moving.post("/v1/move/stop", {})
    assert moving.status()["move"]["stopped"]
    assert moving.search("a cat", 1)[0].endswith("cat.jpg")
    assert moving.stop() == 0
    again = start(shipped_photos, **other_model)
    again.wait_until_indexed(8)
    assert again.status()["move"]["stopped"]
    again.post("/v1/move/resume", {})
    again.wait_until(lambda: again.status()["move"] is None)
    assert again.status()["model"]["name"] == NAME
    assert again.request("POST", "/v1/move/stop")[0] == 404


def test_auto_works_at_once_and_says_what_it_waits_for(start, shipped_photos):
    daemon = start(shipped_photos, model="auto")
    daemon.wait_until_indexed(8)
    status = daemon.wait_until(lambda: daemon.status()["move"]["error"] and daemon.status())
    assert status["model"]["name"] == "imgvecd-mini"
    assert "ViT-B-32" in status["model"]["note"]
    assert "imgvecd-mini" in status["move"]["error"]
    assert daemon.get("/v1/health")["status"] == "ok"
    assert daemon.search("a cat", 1)[0].endswith("cat.jpg")


@pytest.mark.nightly  # towers of one more model; by day a move between two proves the rest
def test_a_library_of_another_edition_of_the_embedded_model_is_encoded_anew(tmp_path, monkeypatch):
    """Another release's weights under the same name, of another dimension: the ids stay."""
    shipped = model_choice.choose_model(model_choice.EMBEDDED)
    config = json.loads(Path(shipped.config_path).read_text(encoding="utf-8")) | {"embed_dim": 24}
    other = tmp_path / "models"
    other.mkdir()
    (other / Path(shipped.config_path).name).write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(1)
    weights = open_clip.CLIP(24, config["vision_cfg"], config["text_cfg"]).state_dict()
    save_file(weights, other / Path(shipped.checkpoint_path).name)
    photos = [PHOTOS / "cat.jpg", PHOTOS / "rocket.jpg"]

    keep_state(tmp_path / "db", catalog=False)  # the shipped edition's towers
    monkeypatch.setattr(model_choice, "_MODELS_DIR", str(other))
    with VectorDatabase(model_choice.EMBEDDED, db_path=tmp_path / "db") as database:
        ids = [database.add_image(photo) for photo in photos]
        assert database.get_stats()["dimension"] == 24
    monkeypatch.undo()

    with VectorDatabase(model_choice.EMBEDDED, db_path=tmp_path / "db") as database:
        assert database.get_stats()["dimension"] != 24
        assert [hit["id"] for hit in database.search_by_text("a cat", k=2)] == ids
        assert [database.add_image(photo) for photo in photos] == ids
