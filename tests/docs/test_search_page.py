"""Every command on the page about searching works, and every flag of searching is on it."""

import argparse
import asyncio
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
from installed import install
from running import DEADLINE_S, RunningDaemon

from imgvecd.client.program import parser

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "search.md").read_text()
SHARED = {"--help", "--socket"}  # of every command
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A daemon over the project's pictures in ~/Pictures, and a folder to run commands in."""
    home = tmp_path_factory.mktemp("home")
    pictures = home / "Pictures" / "2023"
    shutil.copytree(
        ROOT / "tests" / "data" / "photos", pictures, ignore=shutil.ignore_patterns("*.md")
    )
    daemon = RunningDaemon(home, [home / "Pictures"], {"model": "imgvecd-mini"})
    daemon.wait_until_indexed(len(list(pictures.iterdir())))
    work = home / "work"
    work.mkdir()
    shutil.copy(pictures / "cat.jpg", work / "photo.jpg")
    (work / "labels.txt").write_text("cat\ncup of coffee\nbrick wall\n")
    tools = home / "tools"
    tools.mkdir()
    install(tools)
    (tools / "xdg-open").write_text('#!/bin/sh\nexec test -f "$1"\n')
    (tools / "xdg-open").chmod(0o755)
    environment = {
        **daemon.env,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "IMGVECD_SOCKET": str(daemon.socket),
    }
    yield daemon, work, environment
    daemon.kill()


def run(place, command):
    _, work, environment = place
    if "--preview" in command:  # needs a terminal
        command = f"script -qec {shlex.quote(command)} /dev/null"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=work,
        env=environment,
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("imgvec watch")])
def test_commands_run(place, command):
    done = run(place, command)
    # under some of the filters there is nothing among a dozen pictures, which is exit code 1
    narrow = re.search(
        r"--(since|taken|month|camera|place|near|box|gps|tag|favorite|where|format|min|folder|root|any-of|none-of)",
        command,
    )
    assert done.returncode == 0 or (narrow and done.returncode == 1)
    nothing = done.returncode == 1 or "|| true" in command
    assert done.stderr == b"" or (nothing and done.stderr.startswith(b"imgvec: No"))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("imgvec watch")])
def test_watching_goes_on_until_it_is_stopped(place, command):
    daemon, work, environment = place
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=work, env=environment, stderr=subprocess.PIPE
    ) as watching:
        try:
            daemon.wait_until(lambda: listeners(daemon, watching))
            assert watching.poll() is None
        finally:
            watching.kill()


def listeners(daemon, process):
    """Whether the process has a connection: one more socket than at its start."""
    folder = f"/proc/{process.pid}/fd"
    return any(is_socket(f"{folder}/{descriptor}") for descriptor in os.listdir(folder))


def is_socket(path):
    try:
        return os.readlink(path).startswith("socket:")
    except FileNotFoundError:  # it was closed since it was listed
        return False


def options(command, within=None):
    """Yield the options of a command and of those within it, each with all its spellings."""
    found = within or parser()
    for word in command.split():
        (choices,) = [a.choices for a in found._actions if isinstance(a.choices, dict)]
        found = choices[word]
    for action in found._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            yield action.option_strings


@pytest.mark.parametrize(
    "command", ["search", "similar", "watch", "label", "saved", "saved add", "saved run"]
)
def test_every_option_has_an_example_that_runs(command):
    examples = " ".join(COMMANDS).split()
    missing = [names for names in options(command) if not set(names) & {*examples, *SHARED}]
    assert missing == []


def test_the_python_example_runs(place, monkeypatch):
    daemon, _, _ = place
    monkeypatch.setenv("IMGVECD_SOCKET", str(daemon.socket))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102  # our own page
    asyncio.run(names["main"]())
    assert names["beach"].hits
