"""The benchmark of recall, on the project's own pictures."""

import functools
import shutil
from pathlib import Path

import pytest
from later import Later

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import EMBEDDED, choose_model

pytestmark = pytest.mark.long

recall = Later("benchmarks.recall")
OpenClipModel = Later("imgvecd.adapters.openclip", "OpenClipModel")

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
CAPTIONS = {"cat.jpg": "a cat", "coffee.jpg": "a cup of coffee", "rocket.jpg": "a rocket"}


@functools.cache
def model():
    return OpenClipModel(choose_model(EMBEDDED), EncodeConfig())


@pytest.fixture
def loaded_once(monkeypatch, tmp_path_factory):
    monkeypatch.setattr("benchmarks.history.FOLDER", tmp_path_factory.mktemp("history"))
    monkeypatch.setattr("benchmarks.recall.OpenClipModel", lambda *_: model())


def table(folder, captions, header="image\tcaption"):
    path = folder / "captions.tsv"
    rows = (f"{image}\t{caption}" for image, caption in captions.items())
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.usefixtures("loaded_once")
def test_every_caption_is_asked_for_in_the_whole_folder(tmp_path, capsys):
    for name in CAPTIONS:
        shutil.copy(PHOTOS / name, tmp_path)
    table(tmp_path, CAPTIONS)
    recall.main(["--photos", str(tmp_path)])
    said = capsys.readouterr().out
    assert "3 captions, 3 photos" in said
    assert said.splitlines()[-1].split()[:2] == ["imgvecd-mini", "100.0"]

    table(tmp_path, dict(zip(CAPTIONS, ["a rocket", "a cat", "a cup of coffee"], strict=True)))
    recall.main(["--photos", str(tmp_path)])
    row = capsys.readouterr().out.splitlines()[-1].removeprefix("imgvecd-mini").split("%")[:3]
    assert [float(figure) for figure in row] == [0, 100, 100]


@pytest.mark.usefixtures("loaded_once")
def test_a_class_is_called_by_its_folder(tmp_path, capsys):
    for folder, photo in {
        "Coffee_cup": "coffee.jpg",
        "cat": "cat.jpg",
        "fish": "rocket.jpg",
    }.items():
        (tmp_path / folder).mkdir()
        shutil.copy(PHOTOS / photo, tmp_path / folder)
    (tmp_path / "empty").mkdir()
    recall.main(["--classes", str(tmp_path)])
    said = capsys.readouterr().out
    assert "3 pictures of 3 classes" in said
    assert float(said.split(":")[-1].split("%")[0]) >= 66.6


@pytest.mark.parametrize(
    ("captions", "header", "message"),
    [
        ({"gone.jpg": "a cat"}, "image\tcaption", "names gone.jpg, which is not in"),
        ({"cat.jpg": "a cat"}, "file\ttext", "lacks a column: image and caption"),
    ],
)
def test_what_a_table_lacks_is_named(tmp_path, captions, header, message):
    shutil.copy(PHOTOS / "cat.jpg", tmp_path)
    with pytest.raises(SystemExit, match=message):
        recall.read_table(tmp_path, table(tmp_path, captions, header))
