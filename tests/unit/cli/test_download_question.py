"""The one question before 600 MB are fetched: on a terminal only, and nothing waits for it."""

import asyncio
import io
import os
import pty
import select
from types import SimpleNamespace

import msgspec
import pytest
from running import DEADLINE_S
from statuses import daemon_status

from imgvecd import api, terminal_output
from imgvecd.cli import download_question
from imgvecd.cli.download_question import DownloadQuestion
from imgvecd.cli.main import main
from imgvecd.config.load import load

MOVE = api.MoveStatus(name="large", pretrained="p", to_fetch_mb=600)
SMALL = api.ModelStatus(name="small", pretrained="")
STATUS = daemon_status("indexing", model=SMALL, move=MOVE)


@pytest.fixture
def person(monkeypatch):
    """Someone at a terminal, in front of whom we run; returns what types and what was shown."""
    typing, terminal = pty.openpty()
    keyboard, screen = os.fdopen(terminal, "r"), os.fdopen(os.dup(terminal), "w")
    # pytest puts its own files into the true `sys` between the fixture and the test
    streams = SimpleNamespace(stdin=keyboard, stdout=screen, stderr=screen)
    for module in (download_question, terminal_output):
        monkeypatch.setattr(module, "sys", streams)
    monkeypatch.setattr(download_question.os, "tcgetpgrp", lambda _: os.getpgrp())

    def type_line(line):
        os.write(typing, line.encode())

    def shown():
        text = ""
        while select.select([typing], [], [], 0)[0]:
            text += os.read(typing, 65_536).decode()
        return text

    yield type_line, shown
    for file in (keyboard, screen):
        file.close()
    os.close(typing)


class Decision:
    def __init__(self):
        self.made = []
        self.question = DownloadQuestion(self.fetch, self.stay, patience_s=30)

    async def fetch(self):
        self.made.append("fetch")

    async def stay(self):
        self.made.append("stay")


@pytest.mark.parametrize(
    ("line", "made", "said"),
    [
        ("y\n", ["fetch"], "`imgvec move stop` takes that back"),
        ("YES\n", ["fetch"], "is fetched once all is indexed"),
        ("n\n", ["stay"], "small stays; `imgvec move resume`"),
        ("\n", [], "small stays for now"),
        ("what?\n", [], "small stays for now"),
        ("\x04", [], "small stays for now"),
    ],
)
async def test_the_answer_is_obeyed(person, line, made, said):
    type_line, shown = person
    decision = Decision()
    type_line(line)
    async with asyncio.timeout(DEADLINE_S):
        await decision.question.ask_if_due(STATUS)
    assert decision.made == made
    text = shown()
    assert "600 MB" in text
    assert said in text


async def test_it_is_asked_once(person):
    type_line, shown = person
    decision = Decision()
    type_line("n\n")
    await decision.question.ask_if_due(STATUS)
    shown()
    await decision.question.ask_if_due(STATUS)
    assert decision.made == ["stay"]


async def test_nobody_answers_for_ever(person):
    decision = Decision()
    decision.question = DownloadQuestion(decision.fetch, decision.stay, patience_s=0.01)
    async with asyncio.timeout(DEADLINE_S):
        await decision.question.ask_if_due(STATUS)
    assert decision.made == []
    assert "small stays for now" in person[1]()


@pytest.mark.parametrize(
    "status",
    [
        msgspec.structs.replace(STATUS, move=None),
        msgspec.structs.replace(STATUS, move=msgspec.structs.replace(MOVE, stopped=True)),
        msgspec.structs.replace(STATUS, move=msgspec.structs.replace(MOVE, indexed=1)),
    ],
)
async def test_it_does_not_wait_for_what_will_not_be_asked(person, status):
    async def ask():
        return status

    async with asyncio.timeout(DEADLINE_S):
        await DownloadQuestion(ask, ask).watch(ask)


@pytest.mark.parametrize("where", ["pipe", "background"])
async def test_without_a_person_nothing_is_asked(person, monkeypatch, where):
    if where == "pipe":
        monkeypatch.setattr(download_question.sys, "stdin", io.StringIO())
    else:
        monkeypatch.setattr(download_question.os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    decision = Decision()
    await decision.question.ask_if_due(STATUS)
    assert decision.made == []


@pytest.mark.parametrize(
    ("line", "setting"), [("y\n", "allow"), ("n\n", "never"), ("\n", "ask"), ("\x04", "ask")]
)
def test_init_keeps_the_answer_in_the_configuration(person, tmp_path, line, setting):
    type_line, shown = person
    target = tmp_path / "own.yaml"
    type_line(line)
    assert main(["init", str(tmp_path), "--config", str(target)]) == 0
    assert load(str(target)).model_download == setting
    assert "600 MB" in shown()


def test_init_asks_nobody_on_a_pipe(tmp_path):
    target = tmp_path / "own.yaml"
    assert main(["init", str(tmp_path), "--config", str(target)]) == 0
    assert load(str(target)).model_download == "ask"
