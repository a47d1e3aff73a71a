"""A newcomer: an empty home, a clone with what `make` installs, and terminals with screens."""

import contextlib
import functools
import os
import re
import shlex
import sys
import time
from pathlib import Path

import pexpect
import pyte
from installed import install

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PHOTOS = ROOT / "tests" / "data" / "photos"
PROMPT = "ready$"
_STARTS = 3  # of a shell
_PATIENCE_S = 120  # a slow machine under load; every wait ends as soon as its condition holds


class ShellEndedError(AssertionError):
    """The shell of a terminal is gone."""


def printed(beginning):
    """Return the one command of the README that begins so, without its comment."""
    found = re.findall(rf"^    ({re.escape(beginning)}.*)$", README, re.MULTILINE)
    assert len(found) == 1, f"{beginning!r} is printed {len(found)} times"
    return re.sub(r"\s{2,}#.*", "", found[0])


class Terminal:
    """A shell on a terminal with a screen.

    Args:
        home: of the newcomer.
        folder: where the shell starts.
    """

    def __init__(self, home, folder, *, environment=None, columns=100, rows=60):
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        kept["PATH"] = ":".join(  # the programs of whoever runs the tests are not the newcomer's
            each for each in kept["PATH"].split(":") if not (Path(each) / "imgvec").exists()
        )
        spawn = functools.partial(
            pexpect.spawn,
            "/bin/bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env={
                **kept,
                "HOME": str(home),
                "XDG_RUNTIME_DIR": str(home / "run"),
                "PS1": f"{PROMPT} ",
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                "IMGVECD_INDEXING__PAUSE_ON_BATTERY": "false",
                **(environment or {}),
            },
            dimensions=(rows, columns),
            timeout=_PATIENCE_S,
        )
        for _ in range(_STARTS):  # some shells were seen to end before their prompt
            self.process = spawn()
            with contextlib.suppress(ShellEndedError):
                self.wait_for(PROMPT)
                return
            self.process.close(force=True)
            time.sleep(1)
        state = self.process.exitstatus, self.process.signalstatus
        raise AssertionError(f"no shell starts: exit status and signal {state}")

    def type(self, line):
        """Type a line, and Enter."""
        self.clear()
        self.process.send(line + "\r")

    def clear(self):
        """Forget what the screen showed."""
        self.screen.reset()

    def wait_for(self, *texts):
        """Return the screen once it shows all these; a long line may be broken by its edge."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            shown = self.shown()
            squeezed = "".join(shown.split())  # the edge may have eaten a blank
            if all("".join(text.split()) in squeezed for text in texts):
                return shown
            assert time.monotonic() < deadline, f"{texts} did not come:\n{shown}"
            try:
                self._stream.feed(self.process.read_nonblocking(65_536, 0.1))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                raise ShellEndedError(f"the shell ended before {texts}:\n{shown}") from None

    def run(self, line, *texts):
        """Type a line; return the screen once it shows the texts, and the prompt below them."""
        self.type(line)
        self.wait_for(*texts)
        deadline = time.monotonic() + _PATIENCE_S
        while not self.shown().rstrip().endswith(PROMPT):
            assert time.monotonic() < deadline, f"{line} did not end:\n{self.shown()}"
            with contextlib.suppress(pexpect.TIMEOUT):
                self._stream.feed(self.process.read_nonblocking(65_536, 0.1))
        return self.shown()

    def shown(self):
        """Return the lines of the screen, those that went off at the top included."""
        gone = [
            "".join(row[column].data for column in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return "\n".join([*gone, *(line.rstrip() for line in self.screen.display)]).rstrip()

    def interrupt(self):
        """Press Ctrl-C; return once the shell is back."""
        self.clear()
        self.process.sendintr()
        self.wait_for(PROMPT)

    def close(self):
        """Hang up."""
        self.process.close(force=True)


def clone(folder):
    """Make a folder like a clone after `make`: the Makefile, and both programs in `.venv`."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    install(programs)
    (folder / ".venv" / ".installed").touch()
    return folder
