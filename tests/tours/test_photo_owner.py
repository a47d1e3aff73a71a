"""A person with a folder of photos, who does what the README says."""

import re

import newcomer
import pytest

pytestmark = pytest.mark.long


def test_from_make_run_to_the_hits(terminal, hub, home):
    first = terminal(environment={"HF_ENDPOINT": hub})

    shown = first.run("make run PHOTOS=~/Nowhere", "Nowhere does not exist")
    assert "%|" not in shown  # no bar was begun

    command = newcomer.printed("make run PHOTOS=")
    assert command == "make run PHOTOS=~/Pictures"
    first.type(command)
    first.wait_for("600 MB", "[y/n]")
    first.send("n\r")
    shown = first.wait_for("imgvecd-mini stays", "photos can be searched", "Ctrl-C stops")
    count = len(list((home / "Pictures").rglob("*.jpg")))
    assert f"{count} photos can be searched" in shown
    hint = re.search(r"^\s*(\S*imgvec search .*)$", shown, re.MULTILINE)[1]
    assert hint.startswith(".venv/bin/imgvec ")

    second = terminal()
    second.run(hint)  # as printed
    assert "command not found" not in second.shown()
    assert newcomer.printed(".venv/bin/imgvec search") == hint

    shown = second.run('.venv/bin/imgvec "a cup of coffee"', "coffee.jpg")
    assert "~/Pictures/2023/coffee.jpg" in shown
    assert "nearest first; how well they fit" in shown  # so few photos
    assert all(len(line) <= second.screen.columns for line in shown.splitlines())
    shown = second.run('.venv/bin/imgvec "a cup of coffee" --all', "coffee.jpg")
    assert shown.count(".jpg") > 1

    second.run(".venv/bin/imgvec serch coffee", "did you mean `.venv/bin/imgvec search`?")
    shown = second.run(".venv/bin/imgvec status", "move ", "Pictures")
    assert "ViT-B-32-256: stopped; `.venv/bin/imgvec move resume` goes on" in shown
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d$", shown, re.MULTILINE)  # local, no offset
    second.run(".venv/bin/imgvec pause", "paused")
    assert re.search(r"^imgvecd .*, paused, ", second.run(".venv/bin/imgvec status"), re.MULTILINE)
    second.run(".venv/bin/imgvec resume", "indexing goes on")

    first.interrupt()
    second.run(".venv/bin/imgvec status", "start it with: `.venv/bin/imgvecd serve`")


@pytest.mark.usefixtures("kept")
def test_what_cannot_be_fetched_is_told_in_a_short_line(terminal):
    first = terminal(environment={"HF_HUB_OFFLINE": "1"})
    first.type(newcomer.printed("make run PHOTOS="))
    first.wait_for("photos can be searched")
    second = terminal()
    line = ""
    while "next try" not in line:
        shown = second.run(".venv/bin/imgvec status", "move ")
        line = next(each for each in shown.splitlines() if each.startswith("move "))
    assert re.search(r"cannot be fetched from \S+; next try \d\d:\d\d$", line)
    assert len(line) <= 80
    first.interrupt()
