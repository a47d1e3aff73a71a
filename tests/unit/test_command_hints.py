"""A command that a message names runs as printed, wherever its reader stands."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from installed import install
from running import DEADLINE_S

import imgvecd
from imgvecd import command_hints
from imgvecd.cli.program import parser as imgvecd_parser
from imgvecd.client.did_you_mean import commands_of
from imgvecd.client.program import parser as imgvec_parser
from imgvecd.command_hints import program, runnable

PACKAGE = Path(imgvecd.__file__).parent
COMMANDS = [
    f"{name} {command}"
    for name, parser in (("imgvec", imgvec_parser()), ("imgvecd", imgvecd_parser()))
    for command in commands_of(parser)
]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install both programs below a folder, as pip does; return what starts in it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / "home").mkdir()

    def install_and_start(folder, start="imgvec"):
        folder.mkdir(parents=True)
        install(folder)
        monkeypatch.setattr(sys, "argv", [str(folder / start)])

    return install_and_start


@pytest.mark.parametrize(
    ("folder", "here", "expected"),
    [
        ("clone/.venv/bin", "clone", ".venv/bin/imgvec"),
        ("clone/.venv/bin", "clone/.venv/bin", "./imgvec"),
        ("my clone/.venv/bin", "my clone", ".venv/bin/imgvec"),
        ("my clone/.venv/bin", ".", "'my clone/.venv/bin/imgvec'"),
        ("home/.local/share/imgvecd/bin", "clone", "~/.local/share/imgvecd/bin/imgvec"),
        ("home/my apps/bin", "clone", "~/'my apps/bin/imgvec'"),
        ("opt/bin", "clone", "{tmp_path}/opt/bin/imgvec"),
        ("it's/bin", "clone", None),
    ],
)
def test_the_path_is_as_short_as_it_works(installed, tmp_path, monkeypatch, folder, here, expected):
    installed(tmp_path / folder)
    (tmp_path / here).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / here)
    shown = program("imgvec")
    if expected is not None:
        assert shown == expected.format(tmp_path=tmp_path)
    done = subprocess.run(
        ["sh", "-c", f"{shown} --version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("imgvec ")


def test_the_name_is_enough_where_the_path_leads_to_the_same_program(
    installed, tmp_path, monkeypatch
):
    installed(tmp_path / "home" / "app" / "bin", start="imgvecd")
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setenv("PATH", f"{links}:/usr/bin:/bin")
    assert program("imgvec") == "~/app/bin/imgvec"
    (links / "imgvec").symlink_to(tmp_path / "home" / "app" / "bin" / "imgvec")
    assert program("imgvec") == "imgvec"
    assert program("imgvecd") == "~/app/bin/imgvecd"


def test_another_program_of_that_name_is_not_meant(installed, tmp_path, monkeypatch):
    installed(tmp_path / "clone" / ".venv" / "bin")
    other = tmp_path / "other"
    other.mkdir()
    (other / "imgvec").write_text("#!/bin/sh\nexit 3\n")
    (other / "imgvec").chmod(0o755)
    monkeypatch.setenv("PATH", f"{other}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path / "clone")
    assert program("imgvec") == ".venv/bin/imgvec"


def test_a_folder_that_is_gone_is_no_place_to_start_from(installed, tmp_path, monkeypatch):
    installed(tmp_path / "opt" / "bin")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert program("imgvec") == f"{tmp_path}/opt/bin/imgvec"


def test_without_a_script_the_interpreter_is_called(tmp_path, monkeypatch):
    monkeypatch.setattr(command_hints, "_own", lambda _: None)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    shown = program("imgvecd")
    assert shown.endswith(" -m imgvecd.cli.main")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run(["/bin/sh", "-c", f"{shown} --version"], check=True, env=environment)


def test_only_commands_in_backquotes_are_touched(installed, tmp_path, monkeypatch):
    installed(tmp_path / "clone" / ".venv" / "bin")
    monkeypatch.chdir(tmp_path / "clone")
    said = "imgvecd: see `imgvec failures`, `imgvecd` or imgvec.log; `imgvecs x` and `model: auto`"
    assert runnable(said) == (
        "imgvecd: see `.venv/bin/imgvec failures`, `.venv/bin/imgvecd` or imgvec.log;"
        " `imgvecs x` and `model: auto`"
    )
    assert runnable(runnable(said)) == runnable(said)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["imgvec", "status"], "imgvecd serve"),
        (["imgvec", "serch"], "imgvec search"),
        (["imgvec", "--help"], "imgvec search"),
        (["imgvecd", "serve"], "imgvecd init"),
        (["imgvecd", "dupplicates"], "imgvec duplicates"),
        (["imgvecd", "start"], "imgvecd serve"),
        (["imgvecd", "--help"], "imgvecd install-service"),
        (["imgvecd", "init", "photos"], "imgvecd serve"),
    ],
)
def test_what_both_programs_print_can_be_run(installed, tmp_path, monkeypatch, arguments, hint):
    clone = tmp_path / "clone"
    installed(clone / ".venv" / "bin")
    (clone / "photos").mkdir()
    for variable in list(os.environ):
        if variable.startswith(("XDG_", "IMGVECD_")):
            monkeypatch.delenv(variable)
    done = subprocess.run(
        [f".venv/bin/{arguments[0]}", *arguments[1:]],
        cwd=clone, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert f".venv/bin/{hint}" in said, said
    bare = [line for line in said.splitlines() if any(_bare(line, each) for each in COMMANDS)]
    assert not bare


def _bare(line, command):
    """Whether a line names a command that does not run as it is printed."""
    return re.search(rf"(?<![\w/.-]){re.escape(command)}(?![\w-])", line)


def _strings(path):
    """Yield (line, text) of every string that is no docstring; what is computed shows as a gap."""
    tree = ast.parse(path.read_text())
    silent = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        for part in ast.walk(node.value)
        if isinstance(node.value, ast.Constant)
    }
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in silent | inner:
            yield node.lineno, str(node.value)


# What is no message, and runs where it is put: units, which `install-service` makes its own, and
# the page's refusal, whose `imgvec browse:` is the name of who speaks.
NO_HINT = re.compile(r"ExecStart=|^imgvecd? [a-z-]+: |/bin/imgvecd? ")


def test_every_message_names_commands_in_backquotes():
    """Else they would not become what works: `terminal_output` and `HelpParser` know those."""
    commands = "|".join(map(re.escape, (*COMMANDS, "pip install")))
    named = re.compile(rf"(?<![\w/.-])(?:{commands})(?![\w:-])")
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in _strings(path):
            for found in named.finditer(text):
                before = text[: found.start()]
                example = re.search(r"(?:^|\n)  $", before)  # of a help text
                if before.endswith("`") or example or NO_HINT.search(text):
                    continue
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: {text!r}")
    assert not wrong, "\n".join(wrong)


def test_a_program_is_not_written_to_past_those_who_know():
    """Nothing prints but through `terminal_output`, the parser, the log and the bar."""
    writers = {"terminal_output.py", "config/example.py", "workers/legacy_metadata.py"}
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in writers
        and re.search(r"\bprint\(|sys\.std(?:out|err)\.(?:buffer\.)?write", path.read_text())
    ]
    assert not wrong


def test_arguments_survive_the_shell():
    name = "it's a `plan`.txt"
    assert shlex.split(f"{program('imgvecd')} dedup apply {shlex.quote(name)}")[-1] == name
