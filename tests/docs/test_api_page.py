"""Every example on the page about the API works as it stands, and every error code is stable."""

import asyncio
import pathlib
import re
import shutil
import subprocess
from typing import Any

import pytest
from running import DEADLINE_S, RunningDaemon

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
TIMED_OUT = 124  # of timeout(1): it would have gone on


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A daemon over the project's pictures, and a folder with one to run commands in."""
    home = tmp_path_factory.mktemp("home")
    pictures = home / "Pictures"
    ignored = shutil.ignore_patterns("*.md")
    shutil.copytree(ROOT / "tests" / "data" / "photos", pictures, ignore=ignored)
    daemon = RunningDaemon(home, [pictures])
    daemon.wait_until_indexed(len(list(pictures.iterdir())))
    shutil.copy(pictures / "cat.jpg", home / "photo.jpg")
    yield daemon, home
    daemon.kill()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(place, command):
    daemon, home = place
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=home,
        env={**daemon.env, "IMGVECD_SOCKET": str(daemon.socket)},
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == (TIMED_OUT if command.startswith("timeout") else 0), done.stderr
    assert done.stdout or " -o " in command


def test_the_python_example_runs(place, monkeypatch):
    daemon, _ = place
    monkeypatch.setenv("IMGVECD_SOCKET", str(daemon.socket))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"asyncio": asyncio}
    exec(code, names)  # noqa: S102  # our own page
    assert names["picture"].startswith(b"\xff\xd8")
    assert names["state"].pid == daemon.process.pid
    assert all(answer.hits or answer.nearest for answer in names["found"])
