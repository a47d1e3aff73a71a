"""What a person can do when SQLite says only that the disk has refused, not why."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile

from imgvecd.core.files.disk_errors import ADVICE

_PROBE_BYTES = 1 << 16  # more than SQLite needs to open a catalog
_PROBED = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES}
_UNTOLD = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def advice(path: str, error: sqlite3.Error) -> str:
    """Return the end of a sentence on an error with the catalog at `path`; empty if unknown."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code == sqlite3.SQLITE_FULL:
        return f"; {ADVICE[errno.ENOSPC]}"
    if code not in _UNTOLD:
        return ""
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(path), buffering=0) as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as refusal:
        if refusal.errno in _PROBED:
            return f"; {ADVICE[refusal.errno]}"
    for name in (path, path + "-wal", path + "-shm"):
        if os.path.exists(name) and not os.access(name, os.R_OK | os.W_OK):
            return f" ({name} cannot be read and written); {ADVICE[errno.EACCES]}"
    return "" if code == sqlite3.SQLITE_CANTOPEN else f"; {ADVICE[errno.EIO]}"
