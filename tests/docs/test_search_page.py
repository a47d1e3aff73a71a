"""Every command on the page about searching works, and every flag of searching is on it."""

import asyncio
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from running import RunningDaemon

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "search.md").read_text()
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
    imgvec = tools / "imgvec"
    imgvec.write_text(f'#!/bin/sh\nexec {sys.executable} -m imgvecd.client.main "$@"\n')
    imgvec.chmod(0o755)
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
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=work,
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("imgvec watch")])
def test_commands_run(place, command):
    done = run(place, command)
    assert done.stderr == b""
    # under some of the filters there is nothing among a dozen pictures, which is exit code 1
    narrow = re.search(
        r"--(since|taken|camera|near|box|gps|tag|where|format|min|folder|root)", command
    )
    assert done.returncode == 0 or (narrow and done.returncode == 1)


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
    return any(os.readlink(f"{folder}/{fd}").startswith("socket:") for fd in os.listdir(folder))


def test_every_flag_is_on_the_page(place):
    for command in ("search", "similar", "watch", "label", "saved add"):
        help_ = run(place, f"imgvec {command} --help").stdout.decode()
        flags = set(re.findall(r"--[a-z][a-z-]+", help_)) - {"--help", "--socket"}
        assert flags <= set(re.findall(r"--[a-z][a-z-]+", PAGE)), command


def test_the_python_example_runs(place, monkeypatch):
    daemon, _, _ = place
    monkeypatch.setenv("IMGVECD_SOCKET", str(daemon.socket))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102  # our own page
    asyncio.run(names["main"]())
    assert names["beach"].hits
