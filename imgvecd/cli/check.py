"""`imgvecd check` and `imgvecd repair`: examine what the daemon keeps, and mend it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imgvecd.cli.settings import add_state_flags, state_dir
from imgvecd.config.load import load
from imgvecd.core.files.disk_errors import describe
from imgvecd.errors import CatalogError
from imgvecd.terminal_output import flush, say, warn

if TYPE_CHECKING:
    from imgvecd.state_check import StateCheck

_EXIT_CODES = "Exit code 0: all is sound; 1: something was found; 2: it could not be examined."
_ROUNDS = 3  # what is mended in one file shows in another: rows first, then their index


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add both commands."""
    command = commands.add_parser(
        "check",
        help="read catalog, index and backups through for damage",
        description="Read catalog, index and backups through, compare them, and print what is"
        " wrong and what `imgvecd repair` would do. Changes nothing. Stop the daemon first."
        f" {_EXIT_CODES}",
    )
    add_state_flags(command)
    command.set_defaults(run=check)
    command = commands.add_parser(
        "repair",
        help="mend what `check` finds",
        description="Print what is to be done about what `imgvecd check` finds; with --apply, do it"
        " and check again. A damaged catalog is kept aside, never deleted. Stop the daemon first."
        f" {_EXIT_CODES}",
    )
    add_state_flags(command)
    command.add_argument("--apply", action="store_true", help="do it, rather than only say it")
    command.set_defaults(run=repair)


def check(options: argparse.Namespace) -> int:
    """Print what is wrong."""
    with _state_check(options) as check_state:
        found = check_state.findings()
    for finding in found:
        say(f"{finding.where}: {finding.what}", f"  `imgvecd repair` would: {finding.remedy}")
    return _verdict(len(found))


def repair(options: argparse.Namespace) -> int:
    """Print what to do, or do it."""
    with _state_check(options) as check_state:
        found = check_state.findings()
        for _ in range(_ROUNDS if options.apply else 0):
            for finding in found:
                say(f"{finding.where}: {finding.what}", f"  {finding.remedy} …")
                try:
                    finding.mend()
                except OSError as error:
                    raise CatalogError(
                        f"{finding.where} cannot be mended: {describe(error)}"
                    ) from error
            found = check_state.findings()
            if not found:
                break
    for finding in found:
        say(f"{finding.where}: {finding.what}", f"  would: {finding.remedy}")
    if found and not options.apply:
        say("Nothing was changed; `imgvecd repair --apply` does it.")
    return _verdict(len(found))


def _state_check(options: argparse.Namespace) -> StateCheck:
    from imgvecd.state_check import StateCheck  # noqa: PLC0415  # Faiss, which others can do without

    return StateCheck(state_dir(options), load(options.config, {}).index)


def _verdict(findings: int) -> int:
    flush()
    warn("sound" if not findings else f"{findings} found")
    return 1 if findings else 0
