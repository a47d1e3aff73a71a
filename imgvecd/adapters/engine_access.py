"""How any shared engine is reached: its password's file, and whether it is on this machine."""

from __future__ import annotations

import os

from imgvecd.errors import ConfigError
from imgvecd.secret_file import read_secret_file

_PASSWORD = "shared.password_file"  # noqa: S105  # the setting's name


def is_this_machine(host: str) -> bool:
    """Return whether what is sent to a host stays on this machine."""
    return host in {"", "localhost", "127.0.0.1", "::1"} or host.startswith(("/", "@"))


def password_in(path: str) -> str:
    """Return the password that `shared.password_file` holds.

    Raises:
        ConfigError: it cannot be read, or others can read it.
    """
    path = os.path.expanduser(path)
    found = read_secret_file(path, _PASSWORD, advice=", and change the password")
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{_PASSWORD}: {path}: it is not text.") from error


def password_in_url() -> ConfigError:
    """Return what to raise of a URL with a password in it."""
    return ConfigError(
        "shared.url: it has a password in it, which many can read: put it into a file, and"
        " name that in shared.password_file."
    )
