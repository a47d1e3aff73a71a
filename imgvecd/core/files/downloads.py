"""Images that were fetched from the web: kept by the digest of their bytes, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time

from imgvecd.core.files.durable import TEMPORARY_SUFFIX, sync_directory

# What a process left behind that was killed while it wrote: no download takes a day.
_LEFT_BEHIND_S = 86_400


def keep(folder: str, body: bytes) -> str:
    """Return the path of a file with these bytes, written to the disk; any thread."""
    path = os.path.join(folder, hashlib.blake2b(body, digest_size=32).hexdigest())
    if os.path.exists(path):
        return path
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _tidy(folder)
    # a name of its own: the same image may be fetched from two places at once
    descriptor, temporary = tempfile.mkstemp(TEMPORARY_SUFFIX, dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(folder)
    return path


def drop(folder: str, path: str) -> None:
    """Remove a file if it is one of those that were fetched; others are not ours to remove."""
    if os.path.dirname(path) == folder:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _tidy(folder: str) -> None:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            old = entry.stat().st_mtime < time.time() - _LEFT_BEHIND_S
            if old and entry.name.endswith(TEMPORARY_SUFFIX):
                os.unlink(entry.path)
