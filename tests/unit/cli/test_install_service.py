"""The units: written for this installation, and never at the cost of somebody's changes."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import imgvecd.cli
from imgvecd.cli import install_service
from imgvecd.cli.main import main

SHIPPED = pathlib.Path(imgvecd.cli.__file__).parent / "units"


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
    assert f'ExecStart="{sys.executable}" -P -m imgvecd.cli.main serve\n' in text
    assert main(["install-service"]) == 0  # again: nothing differs
    assert main(["uninstall-service"]) == 0
    assert list(folder.iterdir()) == []
    assert main(["uninstall-service"]) == 0


def test_what_lies_in_a_clone_is_said_to(folder, capsys, monkeypatch, tmp_path):
    clone = tmp_path / "my clone"
    (clone / ".venv").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))
    assert main(["install-service"]) == 0
    assert "clone" not in capsys.readouterr().err
    (clone / "pyproject.toml").touch()
    assert main(["install-service"]) == 0
    warning = capsys.readouterr().err
    assert f"{clone}/.venv" in warning
    assert f"pip install '{clone}'" in warning
    monkeypatch.setattr("importlib.metadata.version", {"torch": "2.14.1+cpu"}.get)
    assert main(["install-service", "--encode-server"]) == 0
    warning = capsys.readouterr().err
    assert "pip install torch torchvision --index-url https://" in warning
    assert warning.rstrip().endswith("/bin/imgvecd install-service --encode-server")


@pytest.mark.parametrize("unit", ["imgvecd.service", "imgvecd.socket"])
def test_what_is_enabled_is_stopped_first(folder, capsys, unit):
    assert main(["install-service"]) == 0
    wants = folder / "default.target.wants"
    wants.mkdir()
    (wants / unit).symlink_to(folder / unit)
    assert main(["uninstall-service"]) == 2
    assert f"systemctl --user disable --now {unit}" in capsys.readouterr().err
    assert (folder / unit).exists()
    (wants / unit).unlink()  # as systemctl does
    assert main(["uninstall-service"]) == 0
    assert not (folder / unit).exists()
    assert "daemon-reload" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["start", "stop", "restart", "reload", "status", "logs"])
def test_what_systemd_does_is_found(command, capsys):
    assert main([command]) == 2
    assert "imgvecd" in capsys.readouterr().err.partition(":")[2]


@pytest.fixture
def system_folder(monkeypatch, tmp_path):
    folder = tmp_path / "etc" / "systemd" / "system"
    monkeypatch.setattr(install_service, "SYSTEM_FOLDER", str(folder))
    return folder


def test_the_package_carries_the_units_of_the_project():
    published = pathlib.Path(__file__).parents[3] / "systemd"
    names = {
        "imgvecd.service",
        "imgvecd.socket",
        "imgvecd@.service",
        "imgvecd@.socket",
        "imgvecd-browse.service",
        "imgvecd-encode-server.service",
    }
    assert {path.name for path in published.iterdir()} == names
    for name in names:
        same = (published / name).read_text() == (SHIPPED / name).read_text()
        assert same, f"cp systemd/{name} imgvecd/cli/units/"


def test_the_page_is_installed_and_removed_when_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unit = tmp_path / "systemd" / "user" / "imgvecd-browse.service"
    assert main(["install-service"]) == 0
    assert not unit.exists()
    assert main(["install-service", "--browse"]) == 0
    assert "-P -m imgvecd.client.main browse --serve" in unit.read_text()
    assert "enable --now imgvecd-browse.service" in capsys.readouterr().out
    assert main(["uninstall-service"]) == 0
    assert not unit.exists()


def test_the_encode_server_is_installed_alone_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "systemd" / "user"
    assert main(["install-service", "--encode-server"]) == 0
    (unit,) = folder.iterdir()
    assert unit.name == "imgvecd-encode-server.service"
    assert "-P -m imgvecd.cli.main encode-server" in unit.read_text()
    assert "enable --now imgvecd-encode-server.service" in capsys.readouterr().out
    assert main(["install-service", "--encode-server", "--browse"]) == 2
    assert main(["uninstall-service"]) == 0
    assert not unit.exists()


def test_the_system_template_for_one_user(system_folder, capsys):
    assert main(["install-service", "--system", "root"]) == 0
    shown = capsys.readouterr().out
    for name in ("imgvecd@.service", "imgvecd@.socket"):
        assert f"Wrote {system_folder / name}" in shown
    assert "systemctl enable --now imgvecd@root.service" in shown.replace("daemon-reload && ", "")
    assert "IMGVECD_SOCKET=/run/imgvecd/root/imgvecd.sock" in shown
    wants = system_folder / "multi-user.target.wants"
    wants.mkdir()
    (wants / "imgvecd@bob.service").symlink_to("../imgvecd@.service")
    own = wants / "imgvecd@root.service"
    own.symlink_to("../imgvecd@.service")
    assert main(["uninstall-service", "--system", "root"]) == 2  # whoever else is served
    assert "systemctl disable --now imgvecd@root.service" in capsys.readouterr().err
    own.unlink()
    assert main(["uninstall-service", "--system", "root"]) == 0
    assert "they also serve bob" in capsys.readouterr().out
    assert (system_folder / "imgvecd@.service").exists()
    (wants / "imgvecd@bob.service").unlink()
    assert main(["uninstall-service", "--system", "root"]) == 0
    assert sorted(path.name for path in system_folder.iterdir()) == ["multi-user.target.wants"]


def test_a_user_that_does_not_exist_is_refused(system_folder, capsys):
    assert main(["install-service", "--system", "no-such-user"]) == 2
    assert "there is no such user" in capsys.readouterr().err
    assert not system_folder.exists()


def test_a_dry_run_touches_nothing_and_shows_differences(folder, capsys):
    assert main(["install-service", "--dry-run"]) == 0
    assert f"Would write {folder / 'imgvecd.service'}" in capsys.readouterr().out
    assert not folder.exists()
    main(["install-service"])
    unit = folder / "imgvecd.service"
    edited = unit.read_text().replace("Nice=10", "Nice=0")
    unit.write_text(edited)
    capsys.readouterr()
    assert main(["install-service", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"Would refuse to overwrite {unit}" in shown
    assert "-Nice=0\n+Nice=10" in shown
    assert f"{folder / 'imgvecd.socket'} is up to date" in shown
    assert main(["uninstall-service", "--dry-run"]) == 0
    assert unit.read_text() == edited


def test_the_unit_of_another_version_is_replaced_without_asking(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/imgvecd 0.0/bin/python")
    main(["install-service"])
    old = (folder / "imgvecd.service").read_text()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parents[1]))
    assert main(["install-service"]) == 0
    assert (folder / "imgvecd.service").read_text() != old


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
