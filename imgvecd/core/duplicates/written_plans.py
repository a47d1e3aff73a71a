"""Plans as they were written, before anybody edited them: what an edit is checked against."""

from __future__ import annotations

import contextlib
import os

from imgvecd.core.duplicates.dedup_plan import PlannedRemovals, parse
from imgvecd.core.files.durable import read_whole, sync_directory
from imgvecd.errors import BadRequestError

_SUFFIX = ".plan"
_MOST_PLANS = 50
LARGEST = 1 << 29
"""Bytes of a plan file at most: some two million lines."""


def keep(folder: str, name: str, text: str) -> None:
    """Keep a plan in `folder`; the oldest of more than 50 go.

    Raises:
        OSError: it cannot be kept.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, name + _SUFFIX)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    sync_directory(folder)
    plans = [os.path.join(folder, each) for each in os.listdir(folder) if each.endswith(_SUFFIX)]
    plans.sort(key=lambda each: os.stat(each).st_mtime_ns)
    for old in plans[:-_MOST_PLANS]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(old)


def find(folder: str, name: str) -> PlannedRemovals | None:
    """Return the plan of that name as it was written; None if it was not written here.

    Raises:
        BadRequestError: what was kept is damaged, or cannot be read.
    """
    path = os.path.join(folder, name + _SUFFIX)
    try:
        return parse(read_whole(path, LARGEST).decode(errors="replace"), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadRequestError(f"{path}: {error.strerror}; move it away") from error
