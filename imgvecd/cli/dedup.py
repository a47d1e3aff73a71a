"""`imgvecd dedup`: from duplicates to a plan, from the plan to the trash, and back."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from imgvecd import api
from imgvecd.cli.settings import add_state_flags, state_dir
from imgvecd.client import duplicates_command as asking
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.reports import size
from imgvecd.client.socket_path import socket_path
from imgvecd.command_hints import program
from imgvecd.config.load import load
from imgvecd.config.schema import expand
from imgvecd.errors import BadRequestError, ConfigError
from imgvecd.terminal_output import counted, flush, say, warn, write_item

_ALL, _SOME = 0, 1
_DESCRIPTION = """\
Move duplicates to the trash in three steps, none of which surprises:
  imgvecd dedup plan plan.txt     writes which files could go; moves nothing
  (read plan.txt, edit it)
  imgvecd dedup apply plan.txt    moves those files to the desktop's trash
  imgvecd dedup undo              puts them back
"""
_APPLY = """\
Move the files on the plan's "trash" lines to the trash. Right before each one, it and a file that
stays are read and compared with the plan: whatever has changed, is protected or would be the last
copy stays, with a reason. May be interrupted and run again. Exit code 0: all are gone; 1: some
stay.
"""
_UNDO = """\
Put what an apply moved to the trash back where it was. What has been taken out of the trash, or
whose place something else has taken, is named and left. Exit code 0: all are back; 1: some are not.
"""


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command and its steps."""
    raw = argparse.RawDescriptionHelpFormatter
    top = commands.add_parser(
        "dedup",
        help="move duplicates to the trash: plan, apply, undo",
        description=_DESCRIPTION,
        formatter_class=raw,
    )
    steps = top.add_subparsers(metavar="STEP", required=True)

    step = steps.add_parser("plan", help="write which files could go; moves nothing")
    step.add_argument("file", metavar="FILE", help="the plan to write")
    step.add_argument("--force", action="store_true", help="overwrite FILE")
    asking.add_choice_flags(step)
    step.add_argument("--socket", metavar="FILE", help="the daemon's socket")
    step.add_argument(
        "--db", metavar="DIR", help="ask this database of the library, not the daemon"
    )
    add_state_flags(step)
    step.description = (
        "Write a plan. Without --kind it holds same_bytes, same_pixels and reencoded: what is the"
        " same picture for certain."
    )
    step.set_defaults(run=plan)

    step = steps.add_parser("apply", help="move the plan's files to the trash", description=_APPLY)
    step.add_argument("file", metavar="FILE", help="the plan")
    step.add_argument("--yes", action="store_true", help="do not ask")
    step.add_argument("--protect", action="append", default=[], metavar="DIR", help=_PROTECT)
    add_state_flags(step)
    step.set_defaults(run=apply)

    step = steps.add_parser("undo", help="put back what the last apply moved", description=_UNDO)
    step.add_argument("name", nargs="?", help="of the plan (default: the last one)")
    step.add_argument("--list", action="store_true", help="show what could be undone")
    add_state_flags(step)
    step.set_defaults(run=undo)


_PROTECT = "files in DIR, as in those of duplicates.protect, stay, whatever the plan says"


def plan(options: argparse.Namespace) -> int:
    """Write the plan."""
    from imgvecd.wiring import parts  # noqa: PLC0415  # numpy, which others can do without

    if os.path.exists(options.file) and not options.force:
        raise ConfigError(f"{options.file} exists; --force overwrites it.")
    options.kind = options.kind or list(api.SURE_KINDS)
    request = asking.request(options)
    found = _from_database(options.db, request) if options.db else _from_daemon(options, request)
    try:
        _, text = parts.make_dedup(options.db or state_dir(options)).plan(found)
        with open(options.file, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{options.file}: cannot be written: {error.strerror}") from error
    count = sum(line.startswith("trash ") for line in text.splitlines())
    say(f"{counted(count, 'file')} could go. Read {options.file}, edit it, and then:")
    where = f" --state-dir {shlex.quote(options.db)}" if options.db else ""
    say(f"  {program('imgvecd')} dedup apply {shlex.quote(options.file)}{where}")
    return _ALL


def apply(options: argparse.Namespace) -> int:
    """Move the files."""
    from imgvecd.core.duplicates.dedup_plan import parse  # noqa: PLC0415
    from imgvecd.core.duplicates.folder_set import require_folders  # noqa: PLC0415
    from imgvecd.wiring import parts  # noqa: PLC0415  # see `plan`

    text = _read(options.file)
    planned = parse(text, options.file)
    folders = [expand(each) for each in options.protect]
    configured = [expand(each) for each in load(options.config).duplicates.protect]
    require_folders(folders, "--protect")
    require_folders(configured, "duplicates.protect")
    going = [file.path for files in planned.groups.values() for file in files if not file.keep]
    waiting = sum(map(os.path.lexists, going))
    if (
        waiting
        and not options.yes
        and not _confirmed(f"Move {counted(waiting, 'file')} to the trash?")
    ):
        say("Nothing was moved.")
        return _SOME
    steps = parts.make_dedup(state_dir(options))
    _, done = steps.apply(text, options.file, (*folders, *configured), _tell)
    say(f"{counted(len(done.moved), 'file')} moved to the trash ({size(done.moved_bytes)}).")
    if done.gone:
        say(f"{done.gone:,} were not there any more.")
    if done.moved:
        say("To put them back: `imgvecd dedup undo`")
    return _stayed(done.refused)


def undo(options: argparse.Namespace) -> int:
    """Put the files back."""
    from imgvecd.wiring import parts  # noqa: PLC0415  # see `plan`

    steps = parts.make_dedup(state_dir(options))
    if options.list:
        for name, count in steps.away().items():
            say(f"{name}  {count:>6,} files in the trash")
        return _ALL
    _, done = steps.undo(options.name, _tell)
    say(f"{counted(len(done.moved), 'file')} put back ({size(done.moved_bytes)}).")
    if done.gone:
        say(f"{done.gone:,} are not in the trash any more.")
    return _stayed(done.refused)


def _from_daemon(options: argparse.Namespace, request: api.DuplicatesRequest) -> api.Duplicates:
    daemon = DaemonConnection(socket_path(options.socket))
    if options.sync:
        asking.wait(daemon)
    return read(daemon.post(asking.URL, request, asking.PATIENCE_S), api.Duplicates)


def _from_database(folder: str, request: api.DuplicatesRequest) -> api.Duplicates:
    from imgvecd.database import VectorDatabase  # noqa: PLC0415  # Faiss, which others can do without

    with VectorDatabase(db_path=folder) as database:
        return database.duplicates(
            request.min_similarity,
            kinds=request.kinds,
            burst_s=request.burst_s,
            rules=request.rules,
            prefer=request.prefer,
            protect=request.protect,
        )


def _read(path: str) -> str:
    """Return the text of a plan file.

    Raises:
        BadRequestError: it is none.
    """
    from imgvecd.core.duplicates.dedup_plan import decoded  # noqa: PLC0415  # see `plan`
    from imgvecd.core.duplicates.written_plans import LARGEST  # noqa: PLC0415

    try:
        if not os.path.isfile(path) and os.path.exists(path):
            raise BadRequestError(f"{path}: it is not a regular file")
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise BadRequestError(f"{path}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise BadRequestError(f"{path}: it is too long for a plan")
    return decoded(data, path)


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BadRequestError(
            "there is no terminal to ask on: --yes moves the files without asking"
        )
    say(f"{question} [y/N] ", end="")
    flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _tell(path: bytes) -> None:
    write_item(path, b"\n")


def _stayed(refused: list[tuple[bytes, str]]) -> int:
    for path, reason in refused:
        warn(f"stays: {os.fsdecode(path)}: {reason}")
    return _SOME if refused else _ALL
