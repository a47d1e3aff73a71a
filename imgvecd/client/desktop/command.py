"""`imgvec install-desktop`: write the entries of the menus, or take them away again."""

from __future__ import annotations

import argparse
import contextlib
import os

from imgvecd.client.desktop import entries, thunar
from imgvecd.errors import ConfigError
from imgvecd.terminal_output import say

_PROGRAM_MODE, _FILE_MODE = 0o755, 0o644


def run(options: argparse.Namespace) -> int:
    """Install or remove every entry; name each file that changes.

    Raises:
        ConfigError: a file cannot be written, or is not what it should be.
    """
    try:
        for entry in entries.entries():
            if options.remove:
                _remove(entry.path)
            else:
                mode = _PROGRAM_MODE if entry.executable else _FILE_MODE
                _write(entry.path, entry.text, mode, entry.what)
        _change_thunar(remove=options.remove)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}.") from error
    if not options.remove:
        say("`imgvec install-desktop --remove` takes all of it away again.")
    return 0


def _change_thunar(*, remove: bool) -> None:
    path = thunar.path()
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8; it is left alone.") from error
    if not remove:
        _write(path, thunar.with_action(text, entries.thunar_action()), _FILE_MODE, "Thunar")
    elif text is not None and (rest := thunar.without_action(text)) != text:
        _write(path, rest, _FILE_MODE, "Thunar, without it")


def _write(path: str, text: str, mode: int, what: str) -> None:
    """Put a file in its place, whole or not at all."""
    temporary = f"{path}.imgvecd-new"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, os.path.realpath(path))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    say(f"Wrote {path} ({what}).")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        say(f"Removed {path}.")
