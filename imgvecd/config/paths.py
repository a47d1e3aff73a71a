"""Where things lie by default, after the XDG base directory specification. Creates nothing."""

from __future__ import annotations

import os


def config_file() -> str:
    """Return the path of the configuration file."""
    return os.path.join(config_home(), "imgvecd", "imgvecd.yaml")


def config_home() -> str:
    """Return the folder of all programs' configuration."""
    return _home("XDG_CONFIG_HOME", "~/.config")


def data_home() -> str:
    """Return the folder of all programs' data."""
    return _home("XDG_DATA_HOME", "~/.local/share")


def state_dir() -> str:
    """Return the folder of catalog and index."""
    return os.path.join(_home("XDG_STATE_HOME", "~/.local/state"), "imgvecd")


def encoders_dir() -> str:
    """Return the folder of models' towers beside a library's own: they can be made again."""
    return os.path.join(_home("XDG_STATE_HOME", "~/.local/state"), "imgvecd-encoders")


def cache_dir() -> str:
    """Return the folder of what can be made again."""
    return os.path.join(_home("XDG_CACHE_HOME", "~/.cache"), "imgvecd")


def socket() -> str:
    """Return the socket's path: in the user's runtime folder, else beside the state."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "imgvecd", "imgvecd.sock")
    return os.path.join(state_dir(), "run", "imgvecd.sock")


def token() -> str:
    """Return the path of the token that requests over TCP need."""
    return os.path.join(os.path.dirname(config_file()), "token")


def off_limits() -> tuple[str, ...]:
    """Return the folders that hold nobody's photos: imgvecd's own, and the desktop's trash."""
    return (
        os.path.dirname(config_file()),
        state_dir(),
        cache_dir(),
        os.path.join(_home("XDG_CACHE_HOME", "~/.cache"), "thumbnails"),
        os.path.join(data_home(), "Trash"),
    )


def _home(variable: str, default: str) -> str:
    return os.environ.get(variable) or os.path.expanduser(default)
