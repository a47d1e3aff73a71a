"""A programmer, who pastes the former library's examples and the README's into Python."""

import re
import shutil
import textwrap

import newcomer
import pytest
from former_interface import AS_PRINTED
from kept_state import keep_state

pytestmark = pytest.mark.long

PYTHON_PROMPT = ">>>"


def session(terminal):
    """Start Python where the model hub cannot be reached; return its terminal."""
    python = terminal(
        environment={
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(newcomer.ROOT),
            "PYTHON_BASIC_REPL": "1",
        },
        columns=120,
    )
    python.type(".venv/bin/python -q")
    python.wait_for(PYTHON_PROMPT)
    return python


def paste(python, block):
    """Type a block, then something to see that it has run; fail with what it raised."""
    python.clear()
    for line in block.splitlines():
        python.send(line + "\r")
    python.send("\r")
    python.send("print('done' + '.')\r")
    shown = python.wait_for("done.")
    assert "Traceback" not in shown, shown
    return shown


def test_the_former_examples_run_as_printed(terminal, clone):
    (clone / "path" / "or").mkdir(parents=True)
    shutil.copy(newcomer.PHOTOS / "cat.jpg", clone / "path" / "or" / "URL.jpg")
    shutil.copy(newcomer.PHOTOS / "cat.jpg", clone / "query.jpg or URL")
    shutil.copytree(newcomer.PHOTOS, clone / "images_folder")
    python = session(terminal)
    paste(python, "paths = ['images_folder/coffee.jpg', 'images_folder/rocket.jpg']")
    paste(python, "metadatas = [{'n': 1}, None]")
    # only the model is another, which is here
    paste(python, AS_PRINTED.replace("ViT-B-32", "imgvecd-mini").replace("laion2b_s34b_b79k", ""))
    shown = paste(python, "print(similar[0]['image_path'], len(ids), stats['failed'])")
    assert re.search(r"URL\.jpg 2 0", shown)
    paste(python, "manager.close(); db.close()")
    assert (clone / "out.json").stat().st_size
    shown = paste(python, "other = VectorDatabase(db_path='other')")
    assert "the new database starts on imgvecd-mini" in " ".join(shown.split())
    paste(python, "other.close()")


def test_the_readme_s_example_runs_as_printed(terminal, clone):
    for name in ("cat.jpg", "a.jpg", "b.jpg", "query.jpg"):
        source = "cat.jpg" if name in {"cat.jpg", "query.jpg"} else "coffee.jpg"
        shutil.copy(newcomer.PHOTOS / source, clone / name)
    keep_state(clone / "my_photos", catalog=False)  # the examples above start without anything
    section = newcomer.README.partition("## From Python\n")[2].partition("\n[")[0]
    python = session(terminal)
    shown = paste(python, textwrap.dedent(section).strip())
    assert re.search(r"0\.\d+ \S*cat\.jpg", shown)
