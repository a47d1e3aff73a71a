"""`imgvecd demo`, as a newcomer runs it."""

import re
import types

import pytest
from kept_state import KeptScratch

from imgvecd.cli import demo
from imgvecd.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    scratch = types.SimpleNamespace(TemporaryDirectory=KeptScratch)
    monkeypatch.setattr(demo, "tempfile", scratch)
    return tmp_path


@pytest.mark.long
def test_it_runs_on_pictures_of_its_own(home, capsys):
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    steps = re.findall(r"── ([A-Z][a-z ]+):", said)
    assert list(dict.fromkeys(steps)) == [
        "Index", "Text search", "Image search", "Combined search", "Duplicates", "Stats",
        "Contact sheet",
    ]  # fmt: skip
    assert "a motorcycle" in said
    assert re.search(r"saved anew or resized:\n +keep .*\n +spare +small ", said)
    page = (home / "imgvecd-demo.html").read_text()
    assert page.count(' src="data:image/jpeg;base64,/9j/') == page.count("<figure")
    assert "<bdi>motorcycle.jpg</bdi>" in page
    assert "://" not in page  # loads nothing
    assert sorted(path.name for path in home.iterdir()) == ["imgvecd-demo.html"]


def test_a_folder_without_pictures_is_named(home, capsys):
    (home / "empty").mkdir()
    assert main(["demo", "empty"]) == 2
    assert "empty has no pictures in it" in capsys.readouterr().err
