"""Menus and KRunner: what is written is valid, and what the menus call finds photos."""

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess

import pytest
from defusedxml import ElementTree
from running import DEADLINE_S

from imgvecd.client.desktop import thunar
from imgvecd.client.main import main
from imgvecd.errors import ConfigError

ALL = {
    "applications/imgvecd.desktop",
    "kio/servicemenus/imgvecd.desktop",
    "nautilus/scripts/Find similar photos",
    "nemo/actions/imgvecd.nemo_action",
    "krunner/dbusplugins/imgvecd.desktop",
    "dbus-1/services/org.imgvecd.Runner.service",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def installed(home):
    assert main(["install-desktop"]) == 0
    return home / "data"


def files(data):
    return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}


def test_everything_is_written_and_taken_away(installed, home):
    assert files(installed) == ALL
    assert main(["install-desktop"]) == 0  # again
    assert files(installed) == ALL
    assert main(["install-desktop", "--remove"]) == 0
    assert files(installed) == set()
    assert "imgvecd" not in (home / "config/Thunar/uca.xml").read_text()
    assert main(["install-desktop", "--remove"]) == 0


def test_the_desktops_own_checkers_accept_it(installed, home):
    if shutil.which("desktop-file-validate") is None or shutil.which("xmllint") is None:
        pytest.skip("needs desktop-file-validate and xmllint")
    for name in ALL:
        if name.endswith(".desktop"):
            check = subprocess.run(
                ["desktop-file-validate", str(installed / name)],
                check=False,
                capture_output=True,
                text=True,
            )
            errors = [line for line in check.stdout.splitlines() if "error" in line]
            # KDE's own files are of a type that the specification leaves to it
            assert [line for line in errors if "Application" not in line] == []
    subprocess.run(["xmllint", "--noout", str(home / "config/Thunar/uca.xml")], check=True)


def entry(path, section):
    parser = configparser.ConfigParser(interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read(path)
    return parser[section]


def desktop_arguments(value):
    """Split `Exec=` as the specification says."""
    value = value.replace("\\\\", "\\")
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', value)
    return [re.sub(r"\\(.)", r"\1", quoted).replace("%%", "%") or plain for quoted, plain in parts]


def commands(data, home, photo):
    """What each file manager runs for a photo."""
    dolphin = entry(data / "kio/servicemenus/imgvecd.desktop", "Desktop Action findSimilar")
    yield [photo if part == "%f" else part for part in desktop_arguments(dolphin["Exec"])]
    yield [str(data / "nautilus/scripts/Find similar photos"), photo]
    nemo = entry(data / "nemo/actions/imgvecd.nemo_action", "Nemo Action")["Exec"]
    yield [photo if part == "%F" else part for part in shlex.split(nemo)]
    action = ElementTree.parse(home / "config/Thunar/uca.xml").find("action[unique-id]")
    yield ["sh", "-c", action.findtext("command").replace("%f", shlex.quote(photo))]


@pytest.mark.long
def test_what_menus_call_opens_the_page_with_photos_like_it(start, shipped_photos, installed, home):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    opened = home / "opened"
    browser = home / "bin" / "browser"
    browser.parent.mkdir()
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    env = {
        **daemon.env,
        "BROWSER": str(browser),
        "DISPLAY": ":9",
        "IMGVECD_SOCKET": str(daemon.socket),
    }
    photo = str(next(shipped_photos.rglob("cat.jpg")))
    for number, command in enumerate(commands(installed, home, photo), 1):
        process = subprocess.Popen(command, env=env, start_new_session=True)
        try:
            daemon.wait_until(
                lambda number=number: (
                    opened.exists() and len(opened.read_text().splitlines()) == number
                )
            )
            assert process.poll() is None
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # a shell leaves behind what it has started
            process.wait(DEADLINE_S)


def test_an_error_is_shown_on_the_desktop(home, monkeypatch):
    shown = home / "shown"
    (home / "bin").mkdir()
    notify = home / "bin" / "notify-send"
    notify.write_text(f'#!/bin/sh\necho "$@" > {shown}\n')
    notify.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    assert main(["browse", "--notify", "--socket", str(home / "none.sock")]) == 2
    assert "not running" in shown.read_text()


OTHER = """<?xml version="1.0" encoding="UTF-8"?>
<actions>
<action>
\t<icon>x</icon>
\t<name>Mine &amp; yours</name>
\t<unique-id>1700000000000000-1</unique-id>
\t<command>mine %f</command>
\t<patterns>*</patterns>
\t<directories/>
</action>
</actions>
"""


@pytest.mark.parametrize("present", [OTHER, "<actions/>", "<actions>\n</actions>"])
def test_other_actions_of_thunar_stay_as_they_are(home, present):
    path = home / "config/Thunar/uca.xml"
    path.parent.mkdir(parents=True)
    path.write_text(present)
    assert main(["install-desktop"]) == 0
    assert main(["install-desktop"]) == 0
    names = [action.findtext("name") for action in ElementTree.parse(path).getroot()]
    assert names == [*(["Mine & yours"] if present is OTHER else []), "Find similar photos"]
    assert main(["install-desktop", "--remove"]) == 0
    if present is OTHER:
        assert path.read_text() == OTHER
    assert len(ElementTree.parse(path).getroot()) == (present is OTHER)


@pytest.mark.parametrize(
    "broken", ["<actions>", "<!DOCTYPE a [<!ENTITY b 'c'>]><actions>&b;</actions>", "<x/>"]
)
def test_a_broken_list_is_left_alone(home, broken):
    path = home / "config/Thunar/uca.xml"
    path.parent.mkdir(parents=True)
    path.write_text(broken)
    assert main(["install-desktop"]) == 2
    assert path.read_text() == broken
    with pytest.raises(ConfigError):
        thunar.with_action(broken, thunar.Action("a", "b", "c", "d"))


@pytest.mark.long
def test_krunner_finds_and_opens(start, shipped_photos, installed, home):
    pytest.importorskip("dbus_fast")
    if shutil.which("dbus-run-session") is None or shutil.which("gdbus") is None:
        pytest.skip("needs dbus-run-session and gdbus")
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(8)
    opened = home / "opened"
    (home / "bin").mkdir()
    opener = home / "bin" / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    opener.chmod(0o755)
    env = {
        **daemon.env,
        "XDG_DATA_HOME": str(installed),
        "IMGVECD_SOCKET": str(daemon.socket),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
    }
    call = (
        "gdbus call --session --timeout 60 --dest org.imgvecd.Runner --object-path /runner --method"
    )
    script = f"""set -e
{call} org.kde.krunner1.Actions
{call} org.kde.krunner1.Match 'a cup of coffee' | tee {home}/matches
id=$(sed "s/^(\\[('\\([0-9]*\\)'.*/\\1/" {home}/matches)
{call} org.kde.krunner1.Run "$id" ''
{call} org.kde.krunner1.Run 'no number' ''
{call} org.kde.krunner1.Match ''
"""
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert "'similar'" in answers[0]
    assert "coffee.jpg" in answers[1]
    daemon.wait_until(opened.exists)
    daemon.wait_until(lambda: opened.read_text().strip().endswith("coffee.jpg"))
