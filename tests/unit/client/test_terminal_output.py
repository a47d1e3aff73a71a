"""What a terminal is told: no character in a file's name commands it, whichever command prints."""

import ast
import csv
import io
import json
import os
import pathlib
import re

import msgspec
import pytest
import terminals

import imgvecd
from imgvecd import api
from imgvecd.terminal_output import counted, escaped_json, printable

PACKAGE = pathlib.Path(imgvecd.__file__).parent
CONTROLS = [*range(1, 0x20), *range(0x7F, 0xA0)]
BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
NAME = "/photos/a" + "".join(map(chr, [*CONTROLS, *BIDI])) + "z.jpg"

# Escape sequences of the program itself: links around names, which hold no character but ASCII.
OWN = re.compile(rb"\x1b\]8;;(?:file://[!-~]*)?\x1b\\")


def on_terminal(module, environment, *arguments):
    """Return what reaches a terminal, less the links that are the program's own."""
    return OWN.sub(b"", terminals.on_terminal(module, environment, *arguments))


def assert_harmless(shown):
    found = {c for c in shown.decode() if ord(c) in {*CONTROLS, *BIDI}} - {"\n"}
    assert not found, f"{[hex(ord(c)) for c in found]} in {shown!r}"


HIT = api.Hit(id=7, score=0.3, path=NAME)
SEARCH = ("POST", "/v1/search")
FOUND = api.SearchResponse(hits=(HIT,), searched=1, clock="c:1:1", took_ms=1, model="m")
DIAGNOSIS = api.Diagnosis(
    healthy=False,
    counts={"files": 1},
    findings=(api.Divergence(path=NAME, kind="failed", reason=f"bad {NAME}"),),
)
REFUSED = api.Problem(title="no", status=400, detail=f"{NAME} is bad", code="bad_request")


@pytest.mark.parametrize("form", [(), ("--json",), ("--jsonl",), ("--csv",), ("-0",)])
def test_a_search_cannot_command_the_terminal(server, environment, form):
    server.on(*SEARCH, FOUND)
    shown = on_terminal("imgvecd.client.main", environment, "search", "x", *form)
    assert b"z.jpg" in shown
    assert_harmless(shown.replace(b"\0", b"") if form == ("-0",) else shown)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_doctor_cannot_command_the_terminal(server, environment, form):
    server.on("POST", "/v1/doctor", DIAGNOSIS)
    shown = on_terminal("imgvecd.cli.main", environment, "doctor", *form)
    assert b"z.jpg" in shown
    assert_harmless(shown)


@pytest.mark.parametrize("program", ["client", "cli"])
def test_errors_cannot_command_the_terminal(server, environment, program):
    server.on(*SEARCH, REFUSED, status=400)
    server.on("POST", "/v1/doctor", REFUSED, status=400)
    arguments = ["search", "x"] if program == "client" else ["doctor"]
    shown = on_terminal(f"imgvecd.{program}.main", environment, *arguments)
    assert b"z.jpg" in shown
    assert_harmless(shown)


@pytest.mark.parametrize(
    "arguments",
    [("search", "x", f"--no{NAME}"), (f"--no{NAME}",), ("search", "x", "--limit", NAME)],
    ids=["flag", "first", "value"],
)
@pytest.mark.parametrize("program", ["client", "cli"])
def test_arguments_cannot_command_the_terminal(environment, program, arguments):
    shown = on_terminal(f"imgvecd.{program}.main", environment, *arguments)
    assert b"error: " in shown or b"there is no command" in shown
    assert_harmless(shown)


def test_export_cannot_command_the_terminal(tmp_path):
    """The stand-in exports what it is told, so that no model is needed."""
    script = tmp_path / "exporting.py"
    script.write_text(
        "import sys, contextlib, imgvecd.database\n"
        "from imgvecd.cli.main import main\n"
        "from imgvecd.core.library import export\n"
        "class Stand:\n"
        "    clock = 'c:1:1'\n"
        "    def __init__(self, **_): pass\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *_): pass\n"
        "    def export_metadata(self, path, *, format, **_):\n"
        f"        record = dict.fromkeys(export.COLUMNS, '') | {{'path': {NAME!r}}}\n"
        "        with open(path, 'w', newline='') as file:\n"
        "            export._write_text(file, format, [record])\n"
        "        return 1\n"
        "imgvecd.database.VectorDatabase = Stand\n"
        "sys.exit(main(['export', '-', '--format', sys.argv[1]]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{PACKAGE.parent}"}
    for form in ("json", "jsonl", "csv"):
        shown = on_terminal("exporting", environment, form)
        assert b"z.jpg" in shown, shown
        assert_harmless(shown)


def test_a_pipe_gets_csv_as_it_is_and_json_escaped(server, imgvec):
    server.on(*SEARCH, FOUND)
    text = imgvec("search", "x", "--csv").stdout.decode()
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert row[0] == NAME
    for form in ("--json", "--jsonl"):
        answer = imgvec("search", "x", form).stdout
        assert_harmless(answer)
        value = json.loads(answer)
        assert (value["hits"][0] if form == "--json" else value)["path"] == NAME


@pytest.mark.parametrize("code", [*CONTROLS, *BIDI, 0x2028, 0x2029])
def test_json_has_each_escaped_and_means_the_same(code):
    value = {f"k{chr(code)}": f"\\{chr(code)}é照🙂{chr(code)}"}
    document = escaped_json(msgspec.json.encode(value))
    assert json.loads(document) == value
    assert chr(code) not in document.decode()
    assert chr(code) not in printable(f"a{chr(code)}b")


def test_nothing_is_printed_but_through_the_one_place():
    """Any print of more than a constant, and any stream used directly, is named here."""
    wrong = []
    files = [*(PACKAGE / "cli").rglob("*.py"), *(PACKAGE / "client").rglob("*.py")]
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            where = f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
                constant = all(isinstance(each, ast.Constant) for each in node.args)
                wrong += [] if constant else [f"{where}: print"]
            if isinstance(node, ast.Attribute):
                name = ast.unparse(node)
                if re.fullmatch(r"sys\.std(out|err)\.(write|writelines|buffer)", name):
                    wrong.append(f"{where}: {name}")
    protocol = "client/mcp/stdio.py"  # JSON-RPC: a program reads it, no terminal
    assert [each for each in wrong if not each.startswith(protocol)] == []


def test_one_is_told_as_one():
    assert [counted(n, "file") for n in (0, 1, 2, 1708)] == [
        "0 files", "1 file", "2 files", "1,708 files",
    ]  # fmt: skip
