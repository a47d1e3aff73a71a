"""Completions in real shells, and man pages in real formatters: all say what --help says."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from installed import MODULES
from running import DEADLINE_S
from terminals import Terminal

from imgvecd.cli import manual
from imgvecd.cli.program import parser as imgvecd
from imgvecd.client.completions import SHELLS
from imgvecd.client.program import parser as imgvec


@pytest.fixture
def script(tmp_path):
    """A function that writes the completions of a program for a shell and returns their path."""

    def write(program, shell):
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        done = subprocess.run(
            [sys.executable, "-m", MODULES[program], "completions", shell],
            capture_output=True,
            check=True,
        )
        path = tmp_path / f"_{program}"
        path.write_bytes(done.stdout)
        return path

    return write


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    return done.stdout


WORDS = [
    ("imgvec", ["sta"], {"status", "stats"}),
    ("imgvec", ["search", "--ord"], {"--order"}),
    ("imgvec", ["search", "--order", "n"], {"newest"}),
    ("imgvec", ["completions", ""], set(SHELLS)),
    ("imgvecd", ["un"], {"uninstall-service"}),
    ("imgvecd", ["serve", "--sock"], {"--socket"}),
]


@pytest.mark.parametrize(("program", "typed", "expected"), WORDS)
def test_bash(script, program, typed, expected):
    words = " ".join(f"'{word}'" for word in [program, *typed])
    before = ([program, *typed])[-2]
    commands = (
        f"source {script(program, 'bash')}; COMP_WORDS=({words}); COMP_CWORD={len(typed)};"
        f" _shtab_{program} {program} '{typed[-1]}' '{before}'; echo ${{COMPREPLY[@]}}"
    )
    assert set(run("bash", "-c", commands).split()) == expected


@pytest.mark.parametrize(("program", "typed", "expected"), WORDS)
def test_fish(script, program, typed, expected):
    line = " ".join([program, *typed])
    shown = run("fish", "-c", f"source {script(program, 'fish')}; complete -C '{line}'")
    assert {text.split("\t")[0] for text in shown.splitlines()} == expected


def test_files_and_folders(script, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    (tmp_path / "album").mkdir()
    path = script("imgvec", "fish")
    for flag, found in (("--image", {"holiday.jpg", "album/"}), ("--link-to", {"album/"})):
        shown = run(
            "fish", "-c", f"cd {tmp_path}; source {path}; complete -C 'imgvec search {flag} '"
        )
        assert found == {text.split("\t")[0] for text in shown.splitlines()} - {"_imgvec"}


def test_zsh(script, tmp_path):
    script("imgvec", "zsh")
    environment = {**os.environ, "HOME": str(tmp_path), "TERM": "dumb", "PS1": "> "}
    terminal = Terminal(["zsh", "-f", "-i"], env=environment)
    try:
        terminal.send(
            f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -D; echo rea''dy\n",
        )
        hear(terminal, b"\nready")
        terminal.send("imgvec dup\t")
        hear(terminal, b"imgvec duplicates ")
        terminal.send("\x15imgvec search --order ol\t")
        hear(terminal, b"--order oldest ")
    finally:
        terminal.close()


def hear(terminal, expected):
    heard, deadline = b"", time.monotonic() + DEADLINE_S
    while expected not in heard.replace(b"\r", b""):
        assert time.monotonic() < deadline, heard
        heard += terminal.read(1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man1")
    for name, text in manual.pages(imgvecd()).items():
        (folder / name).write_text(text)
    return folder


def test_every_command_has_a_page(pages):
    for program, module in MODULES.items():
        usage = run(sys.executable, "-m", module, "--help")
        commands = re.findall(r"^ {4}([a-z][\w-]*)(?:  |$)", usage, re.MULTILINE)
        assert len(commands) > 5
        for command in commands:
            assert (pages / f"{program}-{command}.1").exists(), command


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_has_no_complaint(pages):
    done = subprocess.run(
        ["mandoc", "-Tlint", *sorted(pages.iterdir())], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_what_help_says(pages):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", pages / "imgvec-search.1"],
        env={**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    for text in ("imgvec-search - find photos", "--more-like ID [ID ...]", '"2:TERM" counts twice'):
        assert text in " ".join(done.stdout.split()), text


def test_every_argument_is_explained():
    for parser in (imgvec(), imgvecd()):
        for names, _, command in manual._commands(parser, (parser.prog,), ""):
            unexplained = [
                action.option_strings or action.dest
                for action in command._actions
                if not action.help and not isinstance(action, argparse._SubParsersAction)
            ]
            assert unexplained == [], names
