"""The parser of both programs: its help names commands as they work where it is read."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import IO, Any, NoReturn

from imgvecd.client.did_you_mean import closest
from imgvecd.command_hints import program, runnable
from imgvecd.terminal_output import printable

_EXAMPLE = re.compile(r"^  (imgvecd?)(?= )", re.MULTILINE)


class HelpParser(argparse.ArgumentParser):
    """Shows commands in backquotes, and those that begin an indented line, as they can be run."""

    def parse_known_args(  # type: ignore[override]  # typeshed has overloads
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[Any, list[str]]:
        """Return the options, and nothing else: commands end here with what they do not know.

        argparse would have the program say so, which knows none of the command's options.
        """
        options, unknown = super().parse_known_args(args, namespace)
        for argument in unknown:
            if argument.startswith("-"):
                self.error(self._no_option(argument.partition("=")[0]))
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def _no_option(self, given: str) -> str:
        known = [option for option in self._option_string_actions if option.startswith("--")]
        meant = closest(given, known)
        way_out = f"did you mean {meant}?" if meant else f"`{self.prog} --help` lists them"
        return f"there is no option {given}; {way_out}"

    def error(self, message: str) -> NoReturn:
        """End with a message about the arguments, which may be names of files."""
        if sys.stderr.isatty():
            message = "\n".join(map(printable, message.split("\n")))
        super().error(message)

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]  # typeshed has a protocol of its own
        shown = _EXAMPLE.sub(lambda found: f"  {program(found[1])}", runnable(message))
        super()._print_message(shown, file)
