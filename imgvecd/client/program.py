"""The commands of `imgvec`, the query tool.

Starts fast: no numpy, no torch, no Faiss, and YAML only if needed.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from imgvecd import __version__
from imgvecd.client import commands
from imgvecd.client.did_you_mean import ELSEWHERE, OF_THE_DAEMON, closest, commands_of
from imgvecd.client.help_parser import HelpParser
from imgvecd.client.http_connection import DEFAULT_TIMEOUT_S, DaemonConnection
from imgvecd.client.output import Output
from imgvecd.client.query import protect_negatives
from imgvecd.client.searching import EXAMPLES, EXIT_CODES
from imgvecd.client.socket_path import socket_path
from imgvecd.errors import ImgvecdError
from imgvecd.terminal_output import warn

_EPILOG = f"""\
examples:
  imgvec "a dog on the beach"                      (`search` may be left out)
{EXAMPLES}
  imgvec search --image holiday.jpg --limit 5
  imgvec similar holiday.jpg --json
  imgvec status

On a terminal hits are a table; otherwise one path a line, exactly as on disk (-0 ends them with
NUL instead, for names with line breaks).

{EXIT_CODES}
socket: --socket, else $IMGVECD_SOCKET, else the configuration file's, else the default one
"""


def run(given: list[str]) -> int:
    """Run one command and return its exit code."""
    if not given:
        parser().print_help(sys.stderr)
        return ImgvecdError.exit_code
    program = parser()
    names = commands_of(program)
    if not given[0].startswith("-") and given[0] not in names:  # `imgvec "a dog"`
        meant = closest(given[0], names)
        if meant is not None and given[0] not in ELSEWHERE:
            warn(
                f"imgvec: there is no command {given[0]!r}; did you mean `imgvec {meant}`?"
                f" To search for it: `imgvec search {shlex.quote(given[0])}`",
            )
            return ImgvecdError.exit_code
        if given[0] in OF_THE_DAEMON and len(given) == 1:
            warn(f"imgvec: searching for {given[0]!r}; the command is `imgvecd {given[0]}`")
        if given[0] in ELSEWHERE and len(given) == 1:
            warn(f"imgvec: searching for {given[0]!r}. As a command: {ELSEWHERE[given[0]]}")
        given.insert(0, "search")
    options = program.parse_args(protect_negatives(given))
    daemon = DaemonConnection(socket_path(options.socket), options.answer_s)
    output = Output(json=options.json, null=getattr(options, "null", False))
    code: int = options.run(daemon, options, output)
    output.flush()
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`, and `program` is the parser itself."""
    top = HelpParser(
        prog="imgvec",
        description="Search your photos by meaning. The daemon `imgvecd` must be running.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"imgvec {__version__}")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--socket", metavar="FILE", help="the daemon's socket")
    shared.add_argument("--json", action="store_true", help="print the daemon's answer as JSON")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parsers(subparsers, shared)
    top.set_defaults(program=top, answer_s=DEFAULT_TIMEOUT_S)
    return top
