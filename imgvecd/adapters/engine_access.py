"""How any shared engine is reached: its password's file, and whether it is on this machine."""

from __future__ import annotations

import os
import stat

from imgvecd.errors import ConfigError


def is_this_machine(host: str) -> bool:
    """Return whether nobody but this machine hears what is sent to a host."""
    return host in {"", "localhost", "127.0.0.1", "::1"} or host.startswith(("/", "@"))


def password_in(path: str) -> str:
    """Return the password that `shared.password_file` holds.

    Raises:
        ConfigError: it cannot be read, or others can read it.
    """
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"shared.password_file: {path}: {why}.") from error
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"shared.password_file: other users can read {path}; run `chmod 600 {path}`, and change"
            " the password."
        )
    return text.rstrip("\r\n")


def password_in_url() -> ConfigError:
    """Return what to raise of a URL with a password in it."""
    return ConfigError(
        "shared.url: it has a password in it, which many can read: put it into a file, and"
        " name that in shared.password_file."
    )
