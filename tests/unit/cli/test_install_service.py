"""The user units: written for this installation, and never at the cost of somebody's changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from imgvecd.cli.main import main


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "systemd" / "user"


def test_install_and_uninstall(folder, capsys):
    assert main(["install-service"]) == 0
    shown = capsys.readouterr().out
    for name in ("imgvecd.service", "imgvecd.socket"):
        assert f"Wrote {folder / name}" in shown
    text = (folder / "imgvecd.service").read_text()
    assert f'ExecStart="{sys.executable}" -m imgvecd.cli.main serve\n' in text
    assert main(["install-service"]) == 0  # again: nothing differs
    assert main(["uninstall-service"]) == 0
    assert list(folder.iterdir()) == []
    assert main(["uninstall-service"]) == 0


@pytest.mark.parametrize("command", ["install-service", "uninstall-service"])
def test_changed_units_stay_unless_forced(folder, capsys, command):
    folder.mkdir(parents=True)
    unit = folder / "imgvecd.service"
    unit.write_text("mine")
    assert main([command]) == 2
    assert "--force" in capsys.readouterr().err
    assert unit.read_text() == "mine"
    assert main([command, "--force"]) == 0
    assert not unit.exists() or unit.read_text() != "mine"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_what_is_written_is_valid(folder, tmp_path):
    main(["install-service"])
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "./imgvecd.service", "./imgvecd.socket"],
        cwd=folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
