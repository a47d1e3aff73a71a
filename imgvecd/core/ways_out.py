"""What a person can do about a disk that takes no more, by what the system says of it."""

from __future__ import annotations

import errno

_FREE_SPACE = "free some space on the disk, and it goes on by itself"

WAYS_OUT = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: "make the file system writable again",
    errno.ENOENT: "put the state directory back, or restart imgvecd",
    errno.EIO: "the disk fails: look at the system's log, and copy the state directory elsewhere",
}
"""Half a sentence, by errno."""
