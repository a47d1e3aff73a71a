"""The unit files are valid, and as tight as they say."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

import pytest

UNITS = pathlib.Path(__file__).parents[2] / "systemd"

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments, tmp_path):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=UNITS,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("manager", "names"),
    [
        (
            "--user",
            [
                "imgvecd.service",
                "imgvecd.socket",
                "imgvecd-browse.service",
                "imgvecd-encode-server.service",
            ],
        ),
        ("--system", ["imgvecd@.service", "imgvecd@.socket"]),
    ],
)
def test_units_are_valid(manager, names, tmp_path):
    done = analyze(manager, "verify", *(f"./{name}" for name in names), tmp_path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_template_is_exposed_no_more_than_it_says(tmp_path):
    done = analyze("security", "--offline=yes", "./imgvecd@.service", tmp_path=tmp_path)
    text = (UNITS / "imgvecd@.service").read_text()
    measured = float(re.search(r"exposure level .*: ([\d.]+)", done.stdout)[1])
    said = float(re.search(r"Exposure by .*: ([\d.]+)\.", text)[1])
    assert measured <= said <= 1.5
