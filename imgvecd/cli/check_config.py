"""`imgvecd check-config`: shows what is in force, or what is wrong."""

from __future__ import annotations

import argparse
import os
from typing import Any

from imgvecd.cli.settings import add_flags, load_servable
from imgvecd.config import paths
from imgvecd.config.load import config_path, dump
from imgvecd.config.schema import expand
from imgvecd.spelling import on_disk
from imgvecd.terminal_output import say, warn, write_lines


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "check-config",
        help="show the configuration in force",
        description="Check the configuration and show what is in force, after file, environment "
        "and flags. Exit code 2 if something is wrong for which `serve` would not start.",
    )
    add_flags(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the effective configuration; warn of folders that are not there now."""
    config = load_servable(options)
    say(f"# from {options.config or config_path() or 'defaults: there is no file'}")
    say(f"# state in {config.state_path()}")
    say(f"# socket {expand(config.server.socket or paths.socket())}")
    write_lines(dump(config).encode())
    for root in config.root_configs():
        if not os.path.isdir(on_disk(os.fsencode(root.path))):
            warn(f"imgvecd: {root.path} is not there at the moment.")
    return 0
