"""Benchmarks are run rarely: what they import of the tests and of the program has to be there."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import history

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.long  # it imports torch; `make check` finds names that are not there any more
def test_each_can_be_imported():
    files = sorted((ROOT / "benchmarks").rglob("*.py"))
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if file.name not in {"__init__.py", "unconfined_decoder.py"}
    ]
    assert len(names) > 20
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_table_shows_is_kept_and_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(history, "FOLDER", tmp_path)
    for p95, share in ((1200, 0.5), (600, 0.75)):
        rows = [("a text", f"p50 12 ms, most {p95:,} ms", f"{share:.0%}"), ("none", "-", "-")]
        history.show_table("search", rows, ("what", "time", "found"))
    before, after = history.runs("search")
    assert before["figures"] == {"a text, time": 12, "a text, found": 50}
    assert "most 1,200 ms" in capsys.readouterr().out
    shown = history.compare(before, after)
    assert any("a text, found" in line and "× 1.50" in line for line in shown)
