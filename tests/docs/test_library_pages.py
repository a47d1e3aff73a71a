"""Every example on the pages about the library and about duplicates works, in the order given."""

import os
import pathlib
import pickle
import re
import shlex
import shutil
import subprocess
import types

import faiss
import numpy as np
import pytest
from installed import install
from kept_state import KeptScratch, keep_state
from PIL import Image
from running import DEADLINE_S, RunningDaemon

from imgvecd.cli import demo
from imgvecd.cli.main import main
from imgvecd.cli.program import parser

pytestmark = pytest.mark.long

ROOT = pathlib.Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "data" / "photos"
LIBRARY = (ROOT / "docs" / "library.md").read_text()
DUPLICATES = (ROOT / "docs" / "duplicates.md").read_text()


def commands(page):
    return re.findall(r"^\$ (.+)$", page, re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A daemon over ~/Pictures, whose photos have a copy, a small version and a protected one."""
    home = tmp_path_factory.mktemp("home")
    pictures = home / "Pictures"
    shutil.copytree(PHOTOS, pictures / "2023", ignore=shutil.ignore_patterns("*.md"))
    (pictures / "originals").mkdir()
    shutil.copy(PHOTOS / "brick.jpg", pictures / "originals")
    shutil.copy(PHOTOS / "coffee.jpg", pictures / "copy of coffee.jpg")
    with Image.open(PHOTOS / "rocket.jpg") as image:
        image.reduce(2).save(pictures / "small.jpg")
    daemon = RunningDaemon(home, [pictures], {"model": "imgvecd-mini"})
    daemon.sync()
    work = home / "work"
    shutil.copytree(PHOTOS, work / "photos", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(PHOTOS / "cat.jpg", work / "photo.jpg")
    (work / "notes.txt").write_text("no picture")
    keep_state(work / "vector_db")
    keep_state(work / "taken_over", catalog=False)
    former = work / "former"
    former.mkdir()
    index = faiss.IndexFlatIP(512)
    index.add(np.eye(2, 512, dtype=np.float32))
    faiss.write_index(index, str(former / "index.faiss"))
    (former / "metadata.pkl").write_bytes(pickle.dumps([{"path": "a.jpg"}, {"path": "b.jpg"}]))
    tools = home / "tools"
    tools.mkdir()
    install(tools)
    environment = {
        **daemon.env,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "IMGVECD_SOCKET": str(daemon.socket),
    }
    yield work, environment
    daemon.kill()


def run(place, command):
    work, environment = place
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=work,
        env=environment,
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )


def test_the_library_page(place, monkeypatch):
    work, environment = place
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", environment["HOME"])
    names = {}
    for block in re.findall(r"```python\n(.*?)```", LIBRARY, re.DOTALL):
        exec(block, names)  # noqa: S102  # our own page
    assert names["stats"]["failures"] == {}
    assert names["similar"][0]["id"] == names["cat"]
    assert names["db"]._runtime is None
    for command in commands(LIBRARY):
        if not command.startswith("imgvecd demo"):
            done = run(place, command)
            assert done.returncode == 0, (command, done.stderr)
    assert len((work / "all.jsonl").read_text().splitlines()) == len(list(PHOTOS.glob("*.jpg"))) + 1


@pytest.mark.nightly  # two libraries are indexed; by day test_demo.py has one of them
def test_the_demos_of_the_library_page(place, monkeypatch):
    work, environment = place
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", environment["HOME"])
    shutil.copytree(PHOTOS, work / "pictures", dirs_exist_ok=True)  # so called by now on the page
    scratch = types.SimpleNamespace(TemporaryDirectory=KeptScratch)
    monkeypatch.setattr(demo, "tempfile", scratch)
    for command in commands(LIBRARY):
        if command.startswith("imgvecd demo"):  # here, for what is kept
            assert main(shlex.split(command)[1:]) == 0
    assert (work / "sheet.html").exists()


def test_the_duplicates_page(place):
    pictures = pathlib.Path(place[1]["HOME"]) / "Pictures"
    before = sorted(pictures.rglob("*.jpg"))
    empty = re.compile("--kind (burst|similar)")  # there are none: exit code 1
    for command in commands(DUPLICATES):
        done = run(place, command)
        assert done.returncode == (1 if empty.search(command) else 0), (command, done.stderr)
        if command.startswith("imgvecd dedup apply"):
            gone = set(before) - set(pictures.rglob("*.jpg"))
            assert gone == {
                pictures / "small.jpg",
                pictures / "copy of coffee.jpg",
                pictures / "2023" / "brick.jpg",
            } or gone == {
                pictures / "small.jpg",
                pictures / "2023" / "coffee.jpg",
                pictures / "2023" / "brick.jpg",
            }
    assert sorted(pictures.rglob("*.jpg")) == before


def test_every_flag_is_on_the_page():
    told = set(re.findall(r"--[a-z][a-z-]+", DUPLICATES + LIBRARY))
    (steps,) = [a for a in parser()._actions if a.choices and "dedup" in a.choices]
    own = {"--help", "--socket", "--config", "--db", "--force", "--pretrained"}
    for name in ("export", "import-legacy", "demo"):
        flags = set(steps.choices[name]._option_string_actions) - {"-h"}
        assert flags - own - {"--since"} <= told, name
