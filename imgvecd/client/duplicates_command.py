"""`imgvec duplicates`: pictures that are there more than once. Deletes nothing."""

from __future__ import annotations

import argparse
import hashlib
import os
from typing import Literal, get_args

from imgvecd import api
from imgvecd.client import picture_page, reports
from imgvecd.client.flag_types import fitting
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output
from imgvecd.client.query import read_image
from imgvecd.errors import BadRequestError
from imgvecd.terminal_output import counted

_FOUND, _NONE = 0, 1
_ONE_PICTURE = (*api.SURE_KINDS, "transformed")
_NOT_THERE = "Not in the library."
URL = "/v1/duplicates"
PATIENCE_S = 86_400.0
"""How long an answer may take: the first time, every picture of the library is looked at."""

_LONGEST_SYNC_S = 3600.0
_HASH_HEX = 64
KINDS: tuple[str, ...] = get_args(api.DuplicateKind)
_DESCRIPTION = """\
Group files that are the same picture, or nearly: same_bytes; same_pixels; reencoded (or resized);
transformed (turned); edited (other colours, text, cropped, mirrored); burst (near in time and
look); similar. The file to keep comes first. Without a terminal, or with -0, prints the files that
need not be kept, one a line: of same_bytes, same_pixels and reencoded, unless --kind says
otherwise. Nothing is deleted: `imgvecd dedup plan` goes on from here.
"""


def add_flags(command: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    command.description = _DESCRIPTION
    add = command.add_argument
    add_choice_flags(command)
    add(
        "--check",
        metavar="FILE",
        help="look for one picture instead; `-` for stdin; exit code 0: it is there, perhaps turned"
        " or resized; 1: it is not, or another version only",
    )
    for_good = "for good, wherever they move to"
    for flag, meaning in (
        ("--not-duplicates", f"these are different pictures, {for_good}"),
        ("--keep-both", f"these are to stay, though they are duplicates, {for_good}"),
        ("--undecided", "take such a decision back"),
    ):
        add(
            flag,
            nargs="+",
            metavar="FILE",
            help=f"{meaning}; files, or hashes from --json",
        )
    add("--limit", type=fitting(api.GroupsPerPage), metavar="N", help="N groups at most")
    add(
        "--cursor",
        metavar="TEXT",
        help="continue after a page that --limit ended: its next_cursor",
    )
    add("--html", metavar="FILE", help="write the groups as a page of pictures")
    add("-0", "--null", action="store_true", help="end each path with NUL")


def add_choice_flags(command: argparse.ArgumentParser) -> None:
    """Add what says which files are duplicates, and which of them to keep."""
    add = command.add_argument
    add("--sync", action="store_true", help="first wait until every file there is indexed")
    add("--kind", action="append", choices=KINDS, help="only this kind; can be repeated")
    add(
        "--min-similarity",
        type=fitting(api.Share),
        default=0.95,
        metavar="X",
        help="how alike the kind similar is at least (0 to 1; default: %(default)s)",
    )
    add(
        "--burst",
        type=fitting(api.BurstSeconds),
        default=10,
        metavar="S",
        help="shots of a burst are S seconds apart at most (default: 10)",
    )
    add(
        "--rules",
        metavar="LIST",
        help="what decides which file to keep, the most important first "
        f"(default: the setting duplicates.rules, else {','.join(api.KEEPER_RULES)})",
    )
    add(
        "--prefer",
        action="append",
        default=[],
        metavar="DIR",
        help="prefer to keep files in DIR (default: those of duplicates.prefer)",
    )
    add(
        "--protect",
        action="append",
        default=[],
        metavar="DIR",
        help="keep every file in DIR, and in those of duplicates.protect",
    )


def duplicates(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print the groups."""
    for decision in ("not_duplicates", "keep_both", "undecided"):
        files = getattr(options, decision)
        if files is not None:
            return _decide(daemon, decision, files, output)
    if options.check is not None:
        return _check(daemon, options, output)
    listed = not (output.people or output.json or options.html is not None)
    if listed:  # for programs, which ask nobody
        options.kind = options.kind or list(api.SURE_KINDS)
    wanted = request(options)
    if options.sync:
        wait(daemon)
    body = daemon.post(URL, wanted, PATIENCE_S)
    found = read(body, api.Duplicates)
    if options.html is not None:
        sections = picture_page.of_duplicates(daemon, found.groups)
        picture_page.write(options.html, "Duplicates", sections)
    if output.json:
        output.answer(body)
    elif output.people:
        _show(found, output)
    elif listed:
        spare = [file for group in found.groups for file in group.files if not file.keep]
        output.paths([api.Path(file.path, file.path_base64) for file in spare])
    return _FOUND if found.groups else _NONE


def _show(found: api.Duplicates, output: Output) -> None:
    for group in found.groups:
        headers = ("", group.kind.replace("_", " "), "size", "date", "why")
        output.table_of_files(headers, [_row(file) for file in group.files], group.files)
        output.lines([""])
    output.lines([_summary(found)])
    output.lines([f"not compared: {each.path}: {each.why}" for each in found.missing])
    if found.next_cursor:
        output.lines([f"More of them: --cursor {found.next_cursor}"])


def wait(daemon: DaemonConnection) -> None:
    """Wait until everything on disk now is indexed."""
    daemon.post("/v1/sync", api.SyncRequest(timeout_s=_LONGEST_SYNC_S), _LONGEST_SYNC_S)


def _check(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    body = daemon.post("/v1/duplicates/check", api.Term(data=read_image(options.check)))
    found = read(body, api.DuplicateMatches)
    kinds = options.kind or _ONE_PICTURE
    there = [file for file in found.matches if file.kind in kinds]
    if output.json:
        output.answer(body)
    elif output.people and found.matches:
        rows = [(file.kind.replace("_", " "), *_row(file)[2:]) for file in found.matches]
        output.table_of_files(("kind", "size", "date", "why"), rows, found.matches)
    if output.people and not there:
        output.lines(["Not in the library, except for these." if found.matches else _NOT_THERE])
    elif not (output.people or output.json):
        output.paths([api.Path(file.path, file.path_base64) for file in there])
    return _FOUND if there else _NONE


def _decide(
    daemon: DaemonConnection,
    decision: Literal["not_duplicates", "keep_both", "undecided"],
    files: list[str],
    output: Output,
) -> int:
    hashes = tuple(_hash(file) for file in files)
    if len(hashes) == 1:
        raise BadRequestError(f"--{decision.replace('_', '-')} needs two files or more")
    body = daemon.post(
        "/v1/duplicates/decisions", api.DuplicateDecision(hashes=hashes, decision=decision)
    )
    if output.json:
        output.answer(body)
    return _FOUND


def _hash(file: str) -> str:
    """Return the hash that an image is known by: of a file's bytes, or the one that was given."""
    if len(file) == _HASH_HEX and not os.path.exists(file):
        return file
    try:
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=32))
    except OSError as error:
        raise BadRequestError(f"{file}: {error.strerror}") from error
    return digest.hexdigest()


def request(options: argparse.Namespace) -> api.DuplicatesRequest:
    """Return what the flags ask for."""
    rules = None
    if options.rules is not None:
        rules = tuple(filter(None, options.rules.split(",")))
        unknown = [rule for rule in rules if rule not in api.KEEPER_RULES]
        if unknown:
            raise BadRequestError(
                f"--rules: {unknown[0]} is not one of {', '.join(api.KEEPER_RULES)}."
            )
    return api.DuplicatesRequest(
        kinds=tuple(options.kind or ()),
        min_similarity=options.min_similarity,
        burst_s=options.burst,
        rules=rules,
        prefer=tuple(map(os.path.abspath, options.prefer)),
        protect=tuple(map(os.path.abspath, options.protect)),
        limit=getattr(options, "limit", None),
        cursor=getattr(options, "cursor", None),
    )


def _row(file: api.DuplicateFile) -> tuple[str, ...]:
    mark = "keep" if file.keep else ""
    date = (file.taken_at or file.modified_at)[:10]
    kind = "" if file.keep else file.kind.replace("_", " ")
    return mark, kind, reports.size(file.size_bytes), date, file.why


def _summary(found: api.Duplicates) -> str:
    if not found.groups and found.images == found.compared and not found.waiting:
        return "There are none."
    others = [file for group in found.groups for file in group.files if not file.keep]
    spare = [file for file in others if file.kind in api.SURE_KINDS]
    saved = reports.size(sum(file.size_bytes for file in spare))
    further = len(others) - len(spare)
    versions = f"; {counted(further, 'other version')}" if further else ""
    left = found.images - found.compared
    unseen = f"; {counted(left, 'image')} could not be compared" if left else ""
    waiting = (
        f"; {counted(found.waiting, 'file')} not yet indexed: --sync waits" if found.waiting else ""
    )
    shown = f"{len(found.groups):,} of " if len(found.groups) < found.groups_in_all else ""
    in_all = max(found.groups_in_all, len(found.groups))
    groups = f"{shown}{counted(in_all, 'group')}, {counted(len(spare), 'file')} to spare ({saved})"
    return f"{groups}{versions}{unseen}{waiting}."
