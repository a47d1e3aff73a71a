"""The parser of both programs: its help names commands as they work where it is read."""

from __future__ import annotations

import argparse
import re
import sys
from typing import IO, NoReturn

from imgvecd.command_hints import program, runnable
from imgvecd.terminal_output import printable

_EXAMPLE = re.compile(r"^  (imgvecd?)(?= )", re.MULTILINE)


class HelpParser(argparse.ArgumentParser):
    """Shows commands in backquotes, and those that begin an indented line, as they can be run."""

    def error(self, message: str) -> NoReturn:
        """End with a message about the arguments, which may be names of files."""
        if sys.stderr.isatty():
            message = "\n".join(map(printable, message.split("\n")))
        super().error(message)

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]  # typeshed has a protocol of its own
        shown = _EXAMPLE.sub(lambda found: f"  {program(found[1])}", runnable(message))
        super()._print_message(shown, file)
