"""A little space kept in hand, since a start on a full disk needs some to answer searches."""

from __future__ import annotations

import contextlib
import os
import shutil

_NAME = "spare"
_BYTES = 1 << 20  # SQLite's log and shared memory at a start take a tenth of it
_PLENTY_BYTES = 16 << 20  # with less, it is not for us to take any


def release_reserve(directory: str) -> None:
    """Give the space back if the disk is full."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(directory).free < _BYTES:
            os.unlink(os.path.join(directory, _NAME))


def hold_reserve(directory: str) -> None:
    """Take the space, if nothing is in its place and there is plenty."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(directory).free < _PLENTY_BYTES:
            return
        with open(os.path.join(directory, _NAME), "xb", buffering=0) as file:
            file.write(os.urandom(_BYTES))  # which no file system can compress
