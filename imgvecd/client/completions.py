"""`imgvec completions` and `imgvecd completions`: what a shell needs to complete their commands.

Made from the very parsers that `--help` is made from.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")
EPILOG = """\
to have them in every new shell:
  bash  {prog} completions bash > ~/.local/share/bash-completion/completions/{prog}
  zsh   {prog} completions zsh > DIR/_{prog}, where DIR is a folder of $fpath
  fish  {prog} completions fish > ~/.config/fish/completions/{prog}.fish
"""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completions of a program for one of `SHELLS`."""
    import shtab  # noqa: PLC0415  # not for every start

    kinds = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        for kind in str(action.metavar).split("|"):
            if kind in kinds:
                action.complete = kinds[kind]  # type: ignore[attr-defined]  # as shtab wants it
    text: str = shtab.complete(parser, shell=shell)
    return text


def add_shell(command: argparse.ArgumentParser, prog: str) -> None:
    """Add the argument and the explanation."""
    command.add_argument("shell", choices=SHELLS, help="which one")
    command.epilog = EPILOG.format(prog=prog)
    command.formatter_class = argparse.RawDescriptionHelpFormatter


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # nor a public class
            for command in action.choices.values():
                yield from _actions(command)
