"""`imgvec status --watch`: a live view on a terminal, a line for each change on a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from running import DEADLINE_S
from statuses import daemon_status
from terminals import Terminal

from imgvecd import api

STATUS = ("GET", "/v1/status")
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def status(state, path="/photos/2023", **counts):
    roots = (api.RootStatus(path=path),)
    return daemon_status(state, roots=roots, files=counts, rate_per_s=12.5)


def _without_size():
    """Return the environment less what would overrule the terminal's own size."""
    return {key: value for key, value in os.environ.items() if key not in {"LINES", "COLUMNS"}}


class View:
    """`imgvec status --watch` on a terminal of a given size."""

    def __init__(self, server, columns, rows):
        self._terminal = Terminal(
            [sys.executable, "-m", "imgvecd.client.main", "status", "--watch", "--interval", "0.1"],
            columns=columns,
            rows=rows,
            env={**_without_size(), "IMGVECD_SOCKET": str(server.server_address)},
        )
        self.heard = b""
        self.process = self._terminal.process
        self.resize, self.press = self._terminal.resize, self._terminal.send
        self.close = self._terminal.close

    def wait_for(self, expected):
        """Return what was written up to and including `expected`; it is not seen again."""
        deadline = time.monotonic() + DEADLINE_S
        while expected not in self.heard:
            assert time.monotonic() < deadline, self.heard
            self.heard += self._terminal.read(1)
        before, _, self.heard = self.heard.partition(expected)
        return before + expected

    def rest(self):
        """Return all that is left, once the process has ended."""
        self.process.wait(DEADLINE_S)
        with contextlib.suppress(EOFError):
            while data := self._terminal.read(0):
                self.heard += data
        return self.heard


@pytest.fixture
def terminal(server):
    opened = []

    def open_terminal(columns=100, rows=30):
        opened.append(View(server, columns, rows))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.process.kill()
        one.close()


def test_a_view_that_follows_and_ends_with_ctrl_c(server, terminal):
    server.on(*STATUS, status("indexing", seen=1000, indexed=250, pending=750))
    view = terminal()
    view.wait_for(ENTER)
    shown = view.wait_for(b"0 vectors").decode()
    assert "25.0%, 12.5 images/s" in shown
    assert "█" * 10 + "░" * 30 in shown
    server.on(*STATUS, status("idle", seen=1000, indexed=1000))
    view.wait_for(b"1,000 indexed, 0 pending")
    view.press(b"\x03")
    rest = view.rest()
    assert LEAVE in rest
    assert b"1,000 indexed" in rest.partition(LEAVE)[2]  # stays to be read
    assert b"Traceback" not in rest
    assert view.process.returncode == 0


def test_it_follows_the_size_of_the_window(server, terminal):
    server.on(*STATUS, status("idle", path="/photos/" + "海" * 100, seen=1))
    view = terminal(columns=60)
    screen = view.wait_for(b"\x1b[J").decode()
    assert "海" * 20 in screen
    view.resize(30, 5)
    view.process.send_signal(signal.SIGWINCH)
    view.wait_for(b"\xe2\x80\xa6")  # … more
    screen = view.wait_for(b"\x1b[J").decode() + view.wait_for(b"\x1b[J").decode()
    lines = screen.rpartition("\x1b[H")[2].split("\r\n")
    assert len(lines) <= 5
    assert not any("海" * 15 in line for line in lines)


def test_a_daemon_that_is_away_is_waited_for(server, terminal):
    server.on(*STATUS, b"rubbish")
    view = terminal()
    view.wait_for(b"waiting for it")
    server.on(*STATUS, status("idle", seen=3, indexed=3))
    view.wait_for(b"3 seen, 3 indexed")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_on_a_pipe_each_change_is_a_line(server, flags):
    server.on(*STATUS, status("indexing", seen=10, indexed=2, pending=8))
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "imgvecd.client.main",
            "status",
            "--watch",
            "--interval",
            "0.1",
            *flags,
        ],
        env={**os.environ, "IMGVECD_SOCKET": str(server.server_address)},
        stdout=subprocess.PIPE,
    ) as process:
        lines = [process.stdout.readline().decode()]
        asked = len(server.asked)
        while len(server.asked) < asked + 3:  # nothing new, nothing said
            time.sleep(0.02)
        server.on(*STATUS, status("idle", seen=10, indexed=9, failed=1))
        lines.append(process.stdout.readline().decode())
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert (rest, process.returncode) == (b"", 130)
    assert not any("\x1b" in line for line in lines)
    if flags:
        assert [json.loads(line)["state"] for line in lines] == ["indexing", "idle"]
    else:
        assert lines[0].endswith(" indexing: 2 of 10 indexed, 8 pending, 12.5/s\n")
        assert lines[1].endswith(" idle: 9 of 10 indexed, 1 failed\n")


def test_the_interval_is_checked(server, imgvec):
    done = imgvec("status", "--watch", "--interval", "0")
    assert done.returncode == 2
    assert b"at least" in done.stderr
