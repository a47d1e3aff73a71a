"""`imgvecd completions`: what a shell needs to complete its commands."""

from __future__ import annotations

import argparse
from typing import Any

from imgvecd.client import completions
from imgvecd.terminal_output import write_lines


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "completions",
        help="print completions for a shell",
        description="Print what bash, zsh or fish needs to complete commands of imgvecd.",
    )
    completions.add_shell(command, "imgvecd")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    write_lines(completions.script(options.program, options.shell).encode() + b"\n")
    return 0
