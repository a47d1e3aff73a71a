"""Log lines on standard error: for a person, or for systemd's journal."""

from __future__ import annotations

import logging
import os
import sys

from imgvecd.cli.progress import BarHandler
from imgvecd.command_hints import runnable
from imgvecd.terminal_output import printable

# syslog's numbers, the most serious first
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


class _Lines(logging.Formatter):
    """For a person at a terminal."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record; a terminal gets no commands from names in it."""
        text = runnable(super().format(record))
        return "\n".join(map(printable, text.split("\n"))) if sys.stderr.isatty() else text


class _JournalLines(logging.Formatter):
    """For systemd's journal, which reads a priority before each line: see sd-daemon(3)."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, every line of it with its priority."""
        priority = next(p for level, p in _PRIORITIES if record.levelno >= level)
        lines = runnable(super().format(record)).splitlines()
        return "\n".join(f"<{priority}>{line}" for line in lines)


def _in_journal() -> bool:
    """Return whether standard error is the journal: a terminal inherits the variable as well."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except OSError:  # it is closed, or no file at all
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def start_logging(level: str, *, drawing: bool = False) -> None:
    """Log to standard error; the journal adds the time, and a bar leaves room for warnings only."""
    handler = BarHandler() if drawing else logging.StreamHandler()
    handler.setFormatter(_JournalLines() if _in_journal() else _Lines())
    logging.basicConfig(handlers=[handler], level=level.upper())
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which variant it tries to load
    if drawing and level != "debug":
        logging.getLogger().setLevel(logging.WARNING)
