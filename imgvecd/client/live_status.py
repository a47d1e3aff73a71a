"""`imgvec status --watch`: the status as it changes, until Ctrl-C.

On a terminal the view is redrawn in place, on a screen of its own; elsewhere each change is a line,
with --json an answer a line.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import signal
import time
from collections.abc import Iterator

from imgvecd import api
from imgvecd.client import reports
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output
from imgvecd.command_hints import runnable
from imgvecd.errors import DaemonUnreachableError
from imgvecd.terminal_output import flush, printable, say, write_exact

_ENTER, _LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"  # another screen, no cursor
_HOME, _CLEAR_LINE, _CLEAR_BELOW = b"\x1b[H", "\x1b[K", b"\x1b[J"
_BAR_COLUMNS = 40


def watch(daemon: DaemonConnection, interval_s: float, output: Output) -> int:
    """Show the status every `interval_s` seconds."""
    if output.people:
        return _redraw(daemon, interval_s)
    told = None
    while True:
        answer = daemon.get("/v1/status")
        status = read(answer, api.Status)
        summary = _summary(status)
        if summary != told:
            if output.json:
                output.json_line(answer)
            else:
                now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
                output.lines([f"{now} {summary}"])
            output.flush()
            told = summary
        time.sleep(interval_s)


def _redraw(daemon: DaemonConnection, interval_s: float) -> int:
    lines: list[str] = []
    with _screen():
        try:
            while True:
                lines = _lines(daemon)
                _draw(lines)
                deadline = time.monotonic() + interval_s
                while signal.sigtimedwait({signal.SIGWINCH}, max(0, deadline - time.monotonic())):
                    _draw(lines)  # the window has another size
        except KeyboardInterrupt:
            pass
    say(*lines)  # what was seen last stays on the terminal
    return 0


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Draw on a screen of its own, and put the terminal back as it was."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    write_exact(_ENTER)
    try:
        yield
    finally:
        write_exact(_LEAVE)
        flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGWINCH})


def _lines(daemon: DaemonConnection) -> list[str]:
    try:
        status = read(daemon.get("/v1/status"), api.Status)
    except DaemonUnreachableError as error:
        return [printable(runnable(str(error))), "waiting for it"]
    lines = reports.status(status)
    if status.files.pending and status.files.seen:
        lines.insert(2, _bar(1 - status.files.pending / status.files.seen))
    return [printable(runnable(line)) for line in lines]


def _bar(share: float) -> str:
    full = int(share * _BAR_COLUMNS)
    return f"{'':<{reports.LABEL_WIDTH}}{'█' * full}{'░' * (_BAR_COLUMNS - full)}"


def _draw(lines: list[str]) -> None:
    columns, rows = shutil.get_terminal_size()
    shown = lines if len(lines) < rows else [*lines[: rows - 2], f"… {len(lines) - rows + 2} more"]
    cut = [_cut(line, columns) for line in shown]
    text = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in cut)
    write_exact(_HOME + text.encode(errors="replace") + _CLEAR_BELOW)
    flush()


def _cut(line: str, columns: int) -> str:
    """Return as much of a line as fits; wide characters take two columns."""
    if len(line) * 2 <= columns:
        return line
    from wcwidth import wcwidth  # noqa: PLC0415  # takes a while to import

    used = 0
    for place, character in enumerate(line):
        used += max(0, wcwidth(character))
        if used > columns:
            return line[:place]
    return line


def _summary(status: api.Status) -> str:
    files = status.files
    parts = [f"{status.state}: {files.indexed:,} of {files.seen:,} indexed"]
    if files.pending:
        parts.append(f"{files.pending:,} pending, {status.rate_per_s:.1f}/s")
    if files.failed:
        parts.append(f"{files.failed:,} failed")
    offline = sum(not root.online for root in status.roots)
    if offline:
        parts.append(f"{offline} folders offline")
    return ", ".join(parts)
