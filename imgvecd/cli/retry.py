"""`imgvecd retry`: the same as `imgvec retry`, for whoever looks for it here."""

from __future__ import annotations

import argparse
from typing import Any

from imgvecd.client import main as imgvec


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "retry",
        help="try every failure again (as `imgvec retry`)",
        description="Have the running daemon try every failure again, as `imgvec retry` does.",
    )
    command.add_argument("--socket", metavar="FILE", help="the daemon's socket")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask the daemon."""
    socket = [] if options.socket is None else ["--socket", options.socket]
    return imgvec.main(["retry", *socket])
