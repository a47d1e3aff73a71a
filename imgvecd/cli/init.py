"""`imgvecd init`: writes the configuration file."""

from __future__ import annotations

import argparse
import os
from typing import Any

from imgvecd.cli.download_question import asked_now
from imgvecd.config import paths
from imgvecd.config.example import render
from imgvecd.config.schema import expand
from imgvecd.errors import ConfigError
from imgvecd.terminal_output import say


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "init",
        help="write the configuration file",
        description="Write a commented configuration file that watches the given folders.",
    )
    command.add_argument("dirs", metavar="DIR", nargs="+", help="folder of photos")
    command.add_argument(
        "--config",
        metavar="FILE",
        help="where to (default: ~/.config/imgvecd/imgvecd.yaml)",
    )
    command.add_argument("--force", action="store_true", help="overwrite an existing file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file; an existing one stays unless forced."""
    missing = [given for given in options.dirs if not os.path.isdir(expand(given))]
    if missing:
        raise ConfigError(f"{missing[0]} is not a folder.")
    target = options.config or paths.config_file()
    taken = f"{target} exists: add the folder to `roots` there, or overwrite it with --force."
    if os.path.lexists(target) and not options.force:  # before a question is asked in vain
        raise ConfigError(taken)
    agreed = asked_now()
    text = render(
        [_portable(given) for given in options.dirs],
        {} if agreed is None else {"model_download": "allow" if agreed else "never"},
    )
    try:
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        with open(target, "w" if options.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(taken) from None
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}.") from error
    say(f"Wrote {target}.")
    say('Start the daemon with `imgvecd serve`, then search: `imgvec search "a dog"`.')
    return 0


def _portable(path: str) -> str:
    """Return the absolute path, with `~` for the home folder."""
    full, home = expand(path), os.path.expanduser("~")
    inside = os.path.commonpath([full, home]) == home != "/"
    return os.path.join("~", os.path.relpath(full, home)) if inside else full
