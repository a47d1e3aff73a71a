"""Benchmarks are run rarely: what they import of the tests and of the program has to be there."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


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
