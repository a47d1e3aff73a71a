"""Under systemd every line of the log has its priority, of a traceback as well."""

import logging
import os
import subprocess
import sys

import pytest

from imgvecd.cli.serve import _JournalLines, _Lines

SHOW = "import sys; from imgvecd.cli.serve import _in_journal; print(_in_journal())"


def test_only_the_journal_itself_gets_priorities(tmp_path):
    with open(tmp_path / "log", "wb") as log:
        status = os.fstat(log.fileno())
        for named, expected in ((f"{status.st_dev}:{status.st_ino}", b"True"), ("1:2", b"False")):
            env = {**os.environ, "JOURNAL_STREAM": named}
            shown = subprocess.check_output([sys.executable, "-c", SHOW], stderr=log, env=env)
            assert shown.strip() == expected


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_levels_are_the_journals(level, priority):
    number = getattr(logging, level)
    record = logging.LogRecord("imgvecd.x", number, "", 0, "indexed %d", (3,), None)
    assert _JournalLines().format(record) == f"<{priority}>imgvecd.x: indexed 3"


def test_every_line_of_a_traceback_has_it():
    try:
        int("one\ntwo")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    lines = _JournalLines().format(record).splitlines()
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize("lines", [_Lines, _JournalLines])
def test_a_name_with_a_line_break_begins_no_record(lines):
    name = "a\nERROR imgvecd.x: forged\x1b[2J\u202e.jpg"
    record = logging.LogRecord("imgvecd.x", logging.INFO, "", 0, "lost: %s", (name,), None)
    _, second = lines().format(record).split("\n")
    assert second.removeprefix("<6>") == "  ERROR imgvecd.x: forged�[2J�.jpg"
