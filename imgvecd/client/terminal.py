"""What the terminal can do: whether it shows pictures, how, and how large a cell is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import struct
import sys
import termios
import time
import tty
from collections.abc import Mapping
from typing import Literal, NamedTuple

PictureProtocol = Literal["kitty", "iterm2", "sixel", "blocks"]
"""How a picture is shown; blocks are characters, which every terminal can do."""

_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_KITTY_SIGNS = ("KITTY_WINDOW_ID", "GHOSTTY_RESOURCES_DIR", "KONSOLE_VERSION")
_ITERM2 = {"iTerm.app", "WezTerm", "mintty", "rio"}
_ASK = b"\x1b[c"  # primary device attributes, of which 4 is sixel graphics
_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"
_PATIENCE_S = 0.3  # over ssh too; a terminal that does not know the question says nothing
_CELL = (10, 20)  # pixels, where the terminal does not tell


class Size(NamedTuple):
    """Of the terminal: columns and rows; of one cell: pixels."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int


def picture_protocol(environment: Mapping[str, str]) -> PictureProtocol:
    """Return the best way that this terminal knows.

    Terminals that have a protocol of their own say so in the environment. Others are asked for
    sixels, as are tmux and screen, which pass nothing else on.
    """
    multiplexed = "TMUX" in environment or environment.get("TERM", "").startswith("screen")
    if not multiplexed:
        if environment.get("TERM") in _KITTY_TERMS or any(s in environment for s in _KITTY_SIGNS):
            return "kitty"
        programs = (environment.get("TERM_PROGRAM"), environment.get("LC_TERMINAL"))
        if _ITERM2.intersection(programs) or "iTerm2" in programs:
            return "iterm2"
    return "sixel" if _knows_sixels() else "blocks"


def size() -> Size:
    """Return the size of the terminal."""
    columns, rows = shutil.get_terminal_size()
    width = height = 0
    with contextlib.suppress(OSError):
        answer = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        lines, letters, width, height = struct.unpack("HHHH", answer)
        width, height = width // max(letters, 1), height // max(lines, 1)
    return Size(columns, rows, width or _CELL[0], height or _CELL[1])


def _knows_sixels() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSANOW)
            os.write(terminal, _ASK)
            return _SIXEL in _attributes(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    except (OSError, termios.error):
        return False
    finally:
        os.close(terminal)


def _attributes(terminal: int) -> list[bytes]:
    """Return what the terminal answers, if it does in time."""
    answer, deadline = b"", time.monotonic() + _PATIENCE_S
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        answer += os.read(terminal, 256)
        found = _ANSWER.search(answer)
        if found:
            return found[1].split(b";")
    return []
