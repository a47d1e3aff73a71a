"""What a person can do about a disk that refuses, by what the system says of it."""

from __future__ import annotations

import errno

_FREE_SPACE = "free some space on the disk"
_GIVE_BACK = "give the state directory, and all in it, to the user who runs imgvecd (chown -R)"
_MOVE_AWAY = "move away what lies there, and restart imgvecd"

ADVICE = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: "make the file system writable again",
    errno.ENOENT: "put the state directory back, or restart imgvecd",
    errno.EIO: "the disk fails: look at the system's log, and copy the state directory elsewhere",
    errno.EACCES: _GIVE_BACK,
    errno.EPERM: _GIVE_BACK,
    errno.EEXIST: _MOVE_AWAY,
    errno.EISDIR: _MOVE_AWAY,
    errno.ENOTDIR: _MOVE_AWAY,
    errno.ELOOP: _MOVE_AWAY,
}
"""Half a sentence, by errno."""


def describe(error: OSError) -> str:
    """Return what is wrong with which file and, where that can be known, what to do about it."""
    what = error.strerror or str(error)
    if error.filename:
        what = f"{what}: {error.filename}"
    advice = ADVICE.get(error.errno or 0)
    return f"{what}; {advice}" if advice else what
