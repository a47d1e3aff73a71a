"""docs/service.md and SECURITY.md say what is so."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest

from imgvecd.daemon.daemon import STOP_S
from imgvecd.server.app import DRAIN_S

PROJECT = pathlib.Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "service.md").read_text()


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_every_finding_has_its_reason(tmp_path):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "./imgvecd@.service"],
        cwd=PROJECT / "systemd",
        env={"XDG_RUNTIME_DIR": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^✗ (\S+) .* ([\d.]+)\s*$", done.stdout, re.MULTILINE)
    told = re.findall(r"^\| `([^`]+=[^`]*)` \| ([\d.]+) \| \w", PAGE, re.MULTILINE)
    assert {(name.replace("\\|", "|"), cost) for name, cost in told} == set(found)


def test_stop_times():
    assert f"requests under way get {DRAIN_S:g} s" in PAGE
    assert f"after {STOP_S:g} s at the latest" in PAGE
    for unit in (PROJECT / "systemd").glob("imgvecd*.service"):
        if "imgvecd serve" not in unit.read_text():
            continue
        waits_s = int(re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)[1])
        assert waits_s > STOP_S


def test_every_proof_exists():
    proofs = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", (PROJECT / "SECURITY.md").read_text())
    assert len(proofs) > 10
    for file, test in proofs:
        source = (PROJECT / "tests" / file).read_text()
        assert not test or re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), (file, test)
