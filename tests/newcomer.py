"""A newcomer: an empty home, a clone with what `make` installs, and terminals with screens."""

import os
import re
import shlex
import sys
import time
from pathlib import Path

import pyte
from installed import install
from terminals import Terminal

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PHOTOS = ROOT / "tests" / "data" / "photos"
PROMPT = "ready$"
_PATIENCE_S = 240  # a slow machine under load; every wait ends as soon as its condition holds


def printed(beginning):
    """Return the one command of the README that begins so, without its comment."""
    found = re.findall(rf"^    ({re.escape(beginning)}.*)$", README, re.MULTILINE)
    assert len(found) == 1, f"{beginning!r} is printed {len(found)} times"
    return re.sub(r"\s{2,}#.*", "", found[0])


class Shell:
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
        self._terminal = Terminal(
            ["/bin/bash", "--norc", "--noprofile"],
            columns=columns,
            rows=rows,
            cwd=folder,
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
        )
        self.wait_for(PROMPT)

    def send(self, text):
        """Type what is given, as it is."""
        self._terminal.send(text)

    def type(self, line):
        """Type a line, and Enter."""
        self.clear()
        self.send(line + "\r")

    def clear(self):
        """Forget what the screen showed."""
        self.screen.reset()

    def wait_for(self, *texts):
        """Return the screen once it shows all these; a long line may be broken by its edge."""
        squeezed = ["".join(text.split()) for text in texts]  # the edge may have eaten a blank

        def shows_all():
            shown = "".join(self.shown().split())
            return all(text in shown for text in squeezed)

        return self._read_until(shows_all, texts)

    def run(self, line, *texts):
        """Type a line; return the screen once it shows the texts, and the prompt below them."""
        self.type(line)
        self.wait_for(*texts)
        return self._read_until(lambda: self.shown().rstrip().endswith(PROMPT), "the prompt")

    def _read_until(self, condition, wanted):
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{wanted} did not come:\n{self.shown()}"
            try:
                self._stream.feed(self._terminal.read(0.1))
            except EOFError:
                status = self._terminal.process.wait(_PATIENCE_S)
                raise AssertionError(f"the shell ended ({status}):\n{self.shown()}") from None
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
        self.send("\x03")
        self.wait_for(PROMPT)

    def close(self):
        """Hang up."""
        self._terminal.close()


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
