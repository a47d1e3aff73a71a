"""A forked process does not use SQLite if a catalog was open in the process that it came from.

Another thread may have been inside SQLite when the process was forked. Its locks are never given
back in the child, where opening or closing any database then hangs (one fork in seven, measured
with two busy threads). SQLite also believes that it has the file locks of the other process.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from imgvecd.errors import BadRequestError


class OpenFile(Protocol):
    """An open database."""

    path: str


_open: weakref.WeakSet[OpenFile] = weakref.WeakSet()
_inherited: list[OpenFile] = []  # kept, since whoever lets go of one closes it


def note_open(database: OpenFile) -> None:
    """Take note that a database is about to be opened."""
    _open.add(database)


def note_closed(database: OpenFile) -> None:
    """Take note that it is closed."""
    _open.discard(database)


def require_no_fork() -> None:
    """Refuse where a catalog was open when this process was forked.

    Raises:
        BadRequestError: one was.
    """
    if _inherited:
        raise BadRequestError(
            f"this process was forked while {os.path.dirname(_inherited[0].path)} was open, which"
            " SQLite does not survive: close the database before you fork, or start processes with"
            ' multiprocessing.get_context("spawn")'
        )


os.register_at_fork(after_in_child=lambda: _inherited.extend(_open))
