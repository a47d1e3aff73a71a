"""Where `imgvecd` begins: nothing is imported that takes long before an interrupt is heard."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imgvecd import command_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return command_line.run("imgvecd", _load, arguments)


def _load() -> command_line.Run:
    from imgvecd.cli.program import run  # noqa: PLC0415  # see above

    return run


if __name__ == "__main__":
    sys.exit(main())
