"""A command or an option that does not exist: which one was meant."""

from __future__ import annotations

import argparse
import difflib

# Commands of `imgvecd`, whose parser takes long to load. `imgvec doctor` is a search for doctors.
OF_THE_DAEMON = frozenset(
    {
        "bugreport",
        "check",
        "check-config",
        "dedup",
        "demo",
        "doctor",
        "encode-batch",
        "encode-server",
        "export",
        "import",
        "import-legacy",
        "init",
        "install-service",
        "manual",
        "repair",
        "serve",
        "shared",
        "uninstall-service",
    }
)
# "serch" and "stauts" are close to a command, "beach" and "sunset" are not.
_CLOSE = 0.75


def commands_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of the commands that a parser knows."""
    return [
        name
        for action in parser._actions  # noqa: SLF001  # argparse has no public list
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001  # nor a public class
        for name in action.choices
    ]


def closest(word: str, names: list[str]) -> str | None:
    """Return the name that `word` may be a slip of; None if it is close to none."""
    return next(iter(difflib.get_close_matches(word.lower(), names, 1, _CLOSE)), None)
