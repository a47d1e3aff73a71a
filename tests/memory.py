"""Where folders lie in memory, for what is flushed often and needs no disk."""

import os
import shutil

_PLACE = "/dev/shm"  # noqa: S108  # for folders of our own in it
_ROOM = 512 << 20  # bytes; a container may have 64 MB


def room_in_memory():
    """Return a folder in memory that has room for others, or None."""
    if os.access(_PLACE, os.W_OK) and shutil.disk_usage(_PLACE).free >= _ROOM:
        return _PLACE
    return None
