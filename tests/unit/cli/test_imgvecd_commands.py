"""`imgvecd`'s front end: init, check-config, and what serve makes of its flags."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
import types
from typing import Any

import psutil
import pytest
import yaml

from imgvecd.catalog import Catalog
from imgvecd.cli.main import main
from imgvecd.cli.program import parser
from imgvecd.client.did_you_mean import ELSEWHERE, OF_THE_DAEMON, commands_of
from imgvecd.client.main import main as imgvec
from imgvecd.client.program import parser as imgvec_parser
from imgvecd.config.load import load
from imgvecd.config.schema import ModelConfig
from imgvecd.errors import ModelError


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("IMGVECD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    (tmp_path / "Pictures").mkdir()
    return tmp_path


@pytest.fixture
def served(monkeypatch):
    """Return the calls of a stand-in for `imgvecd.wiring.serving.serve`."""
    calls = []

    def serve(config, *, reload, digests, beside):
        calls.append((config, beside))
        return 0

    stand_in: Any = types.ModuleType("imgvecd.wiring.serving")
    stand_in.serve = serve
    monkeypatch.setitem(sys.modules, "imgvecd.wiring.serving", stand_in)
    monkeypatch.setattr("imgvecd.wiring.serving", stand_in, raising=False)
    return calls


def test_init_writes_a_file_that_serve_reads(home, served, capsys):
    assert main(["init", str(home / "Pictures")]) == 0
    written = home / ".config" / "imgvecd" / "imgvecd.yaml"
    assert str(written) in capsys.readouterr().out
    assert main(["serve"]) == 0
    [(config, beside)] = served
    assert [root.path for root in config.root_configs()] == [str(home / "Pictures")]
    assert beside is None


def test_init_overwrites_only_when_forced(home, capsys):
    target = home / "x" / "own.yaml"
    target.parent.mkdir()
    target.write_text("precious")
    arguments = ["init", str(home / "Pictures"), "--config", str(target)]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert main([*arguments, "--force"]) == 0
    assert load(str(target)).roots == ("~/Pictures",)


def test_init_refuses_what_is_no_folder(home, capsys):
    assert main(["init", str(home / "Pictrues")]) == 2
    assert "Pictrues is not a folder" in capsys.readouterr().err
    assert not (home / ".config").exists()


@pytest.mark.parametrize("name", ["with space", "colon: x", "#hash", "quote'\"", "ümlaut", "- a"])
def test_init_quotes_strange_names(home, name):
    (home / name).mkdir()
    assert main(["init", str(home / name)]) == 0
    assert [root.path for root in load().root_configs()] == [str(home / name)]


def test_serve_flags_override(home, served):
    a, b = str(home / "a"), str(home / "b")
    for folder in (a, b):
        os.mkdir(folder)
    flags = ["--root", a, "--root", b, "--socket", "/s", "--state-dir", "/d"]
    flags += ["--model", "ViT-B-32", "--pretrained", "openai", "--set", "watch.settle_ms=7"]
    assert main(["serve", *flags, "--progress"]) == 0
    [(config, beside)] = served
    assert config.roots == (a, b)
    assert (config.server.socket, config.state_dir) == ("/s", "/d")
    assert config.model == ModelConfig(name="ViT-B-32", pretrained="openai")
    assert config.watch.settle_ms == 7
    assert beside


def test_serve_on_a_folder_that_is_not_there_says_so_and_ends(home, served, capsys):
    (home / "file").write_bytes(b"")
    assert main(["serve", "--root", str(home / "Nowhere")]) == 2
    assert f"{home / 'Nowhere'} does not exist" in capsys.readouterr().err
    assert main(["serve", "--root", str(home / "file")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert served == []


def test_serve_after_an_upgrade_takes_a_folder_whose_drive_is_away(home, served):
    state = home / "state"
    flags = ["--root", str(home / "usb"), "--state-dir", str(state)]
    Catalog(str(state)).close()
    assert main(["serve", *flags]) == 2  # it was never watched
    with contextlib.closing(sqlite3.connect(state / "catalog.sqlite")) as database:
        # as of an older imgvecd
        database.execute("DELETE FROM migrations WHERE name = (SELECT max(name) FROM migrations)")
        database.commit()
    assert main(["serve", *flags]) == 0
    assert len(served) == 1


@pytest.mark.parametrize(
    ("program", "arguments", "way_out"),
    [
        (imgvec, ["search", "dog", "--limt", "5"], "--limt; did you mean --limit?"),
        (imgvec, ["status", "-k"], "-k; `imgvec status --help` lists them"),
        (main, ["serve", "--rot=/photos"], "--rot; did you mean --root?"),
    ],
)
def test_a_slip_of_an_option_is_told(program, arguments, way_out, capsys):
    with pytest.raises(SystemExit, match="2"):
        program(arguments)
    assert f"there is no option {way_out}" in capsys.readouterr().err


def test_a_slip_of_a_command_is_told(capsys):
    assert main(["serv"]) == 2
    assert "did you mean `imgvecd serve`?" in capsys.readouterr().err
    assert main(["search", "a dog"]) == 2
    assert "did you mean `imgvec search`?" in capsys.readouterr().err


def test_a_search_for_a_command_of_the_daemon_names_the_command(capsys):
    assert set(commands_of(parser())) - set(commands_of(imgvec_parser())) == OF_THE_DAEMON
    imgvec(["doctor"])  # no daemon runs
    assert "the command is `imgvecd doctor`" in capsys.readouterr().err
    imgvec(["albums"])
    assert "As a command: `imgvec saved`" in capsys.readouterr().err
    imgvec(["start"])  # close to "stats", which is not meant
    assert "`systemctl --user start imgvecd`" in capsys.readouterr().err
    imgvec(["doctor", "who"])
    assert "imgvecd doctor" not in capsys.readouterr().err


def test_what_other_programs_call_their_commands_leads_to_commands_that_there_are():
    known = {"imgvec": commands_of(imgvec_parser()), "imgvecd": commands_of(parser())}
    assert not ELSEWHERE.keys() & {*known["imgvec"], *known["imgvecd"]}
    for told in ELSEWHERE.values():
        for program, command in re.findall(r"`(imgvecd?) ([a-z-]+)", told):
            assert command in known[program] or command == "--help", told


def test_serve_without_a_folder_says_what_to_do(served, capsys):
    assert main(["serve"]) == 2
    assert "imgvecd init" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "watch.settle_ms"], "expected KEY=VALUE"),
        (["--set", "watch.setle_ms=1"], "did you mean watch.settle_ms?"),
        (["--set", "watch.settle_ms=x"], "Expected `int`"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_wrong_settings_end_with_2(command, arguments, complaint, capsys, served):
    assert main([command, *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "imgvecd init"),
        ({"roots": ["/a"], "exclude": ["[z-a]*"]}, "runs backwards"),
        ({"roots": [{"path": "/a", "exclude": ["[z-a]*"]}]}, "runs backwards"),
        ({"roots": ["/a"], "server": {"group": "nobody-has-this"}}, "no group"),
        ({"roots": ["/a"], "model": {"name": "X", "pretrained": "/nowhere.pt"}}, "/nowhere.pt"),
        ({"roots": ["/a"], "model": {"name": "ViT-nothing"}}, "model.pretrained is missing"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_check_config_refuses_what_serve_would(command, settings, complaint, home, capsys, served):
    file = home / "imgvecd.yaml"
    file.write_text(yaml.safe_dump(settings))
    assert main([command, "--config", str(file)]) != 0
    assert complaint in capsys.readouterr().err
    assert served == []


def test_check_config_prints_what_is_in_force(home, capsys):
    assert main(["check-config", "--root", "/nowhere", "--set", "log_level=debug"]) == 0
    shown = capsys.readouterr()
    assert "log_level: debug" in shown.out
    assert f"# state in {home}" in shown.out
    assert "/nowhere is not there" in shown.err
    target = home / "effective.yaml"
    target.write_text(shown.out)
    assert load(str(target)).log_level == "debug"


@pytest.mark.skipif(sys.platform != "linux", reason="others do not count what is read")
def test_a_local_checkpoint_is_looked_for_and_not_read(home, served):
    checkpoint = home / "weights.safetensors"
    checkpoint.write_bytes(bytes(50_000_000))
    arguments = ["serve", "--root", str(home), "--set", "model.name=ViT-B-32"]
    assert main(arguments) == 0  # all that is imported for it
    before = psutil.Process().io_counters().read_chars
    assert main([*arguments, "--set", f"model.pretrained={checkpoint}"]) == 0
    assert served[-1][0].model.pretrained == str(checkpoint)
    assert psutil.Process().io_counters().read_chars < before + 25_000_000
    checkpoint.unlink()
    assert main([*arguments, "--set", f"model.pretrained={checkpoint}"]) == ModelError.exit_code
