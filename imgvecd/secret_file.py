"""A secret in a file, which nobody but its owner may read."""

from __future__ import annotations

import os
import stat

from imgvecd.errors import ConfigError

_LONGEST = 4096  # bytes that are read of it


def read_secret_file(path: str, setting: str, *, advice: str = "", links: bool = True) -> bytes:
    """Return what a file holds, without the end of its line.

    Args:
        setting: that names the file, for messages.
        advice: what else to do when others could read it: follows "run `chmod 600 …`".
        links: whether `path` may be a symbolic link.

    Raises:
        ConfigError: it cannot be read, is not a regular file, or others can read it.
    """
    # a named pipe would be waited for
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)
    try:
        with open(os.open(path, flags), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(f"{setting}: {path}: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{setting}: {path} is not a regular file.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{setting}: other users can read {path}; run `chmod 600 {path}`{advice}."
        )
    return text.rstrip(b"\r\n")
