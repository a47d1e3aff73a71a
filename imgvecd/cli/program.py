"""The commands of `imgvecd`, the command line of the daemon: thin; each has its module."""

from __future__ import annotations

import argparse
import sys

import imgvecd
from imgvecd.cli import (
    bugreport,
    check,
    check_config,
    completions,
    dedup,
    demo,
    doctor,
    encode_batch,
    encode_server,
    export,
    import_embeddings,
    import_legacy,
    init,
    install_service,
    manual,
    serve,
    shared,
)
from imgvecd.client.did_you_mean import ELSEWHERE, closest, commands_of
from imgvecd.client.help_parser import HelpParser
from imgvecd.client.program import parser as imgvec_parser
from imgvecd.errors import ImgvecdError
from imgvecd.terminal_output import warn

_DESCRIPTION = "Keeps a personal photo library searchable by meaning. Search it with `imgvec`."
_STATUS = "`imgvec status`; `systemctl --user status imgvecd` for the service"
_EPILOG = """starting, stopping, looking:
  imgvecd serve                         in the foreground; Ctrl-C stops it
  imgvecd install-service               as a service, then:
  systemctl --user enable --now imgvecd
  systemctl --user stop imgvecd         also start, restart, reload, status
  journalctl --user -u imgvecd          its log
  imgvec status                         what it is doing
  imgvec health                         whether it works
"""
_COMMANDS = (
    init,
    serve,
    encode_server,
    demo,
    check_config,
    doctor,
    check,
    export,
    encode_batch,
    import_embeddings,
    import_legacy,
    bugreport,
    install_service,
    completions,
    manual,
    dedup,
    shared,
)


def run(given: list[str]) -> int:
    """Run one command and return its exit code."""
    if not given:
        parser().print_help(sys.stderr)
        return ImgvecdError.exit_code
    program = parser()
    if not given[0].startswith("-") and given[0] not in commands_of(program):
        warn(f"imgvecd: there is no command {given[0]!r}{_meant(given[0])}")
        return ImgvecdError.exit_code
    options = program.parse_args(given)
    code: int = options.run(options)
    return code


def _meant(word: str) -> str:
    """Return where a command is found, or which one of both programs may be meant."""
    elsewhere = ELSEWHERE | {"status": _STATUS}
    if word in elsewhere:
        return f": {elsewhere[word]}"
    for name, program in (("imgvecd", parser()), ("imgvec", imgvec_parser())):
        meant = closest(word, commands_of(program))
        if meant is not None:
            return f"; did you mean `{name} {meant}`?"
    return "; `imgvecd --help` lists them"


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`, and `program` is the parser itself."""
    top = HelpParser(
        prog="imgvecd",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"imgvecd {imgvecd.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    top.set_defaults(program=top)
    return top
