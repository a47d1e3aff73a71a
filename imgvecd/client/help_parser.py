"""The parser of both programs: its help names commands as they work where it is read."""

from __future__ import annotations

import argparse
import re
from typing import IO

from imgvecd.command_hints import program, runnable

_EXAMPLE = re.compile(r"^  (imgvecd?)(?= )", re.MULTILINE)


class HelpParser(argparse.ArgumentParser):
    """Shows commands in backquotes, and those that begin an indented line, as they can be run."""

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]  # typeshed has a protocol of its own
        shown = _EXAMPLE.sub(lambda found: f"  {program(found[1])}", runnable(message))
        super()._print_message(shown, file)
