"""A plan of what to move to the trash: a text file that a person reads and edits.

One line for each file, told apart by its first word; `#` begins a comment. Groups are known by
their numbers, so lines may be moved, commented out or dropped in any way.
"""

from __future__ import annotations

import codecs
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgvecd.api import DuplicateFile, Duplicates, Path
from imgvecd.errors import BadRequestError

_BYTE_ORDER_MARK = "\ufeff"
_HEADER = """\
# What `imgvecd dedup apply` moves to the trash: the files on lines that begin with "trash".
# Read it through. Put # in front of what shall stay as it is, or write "keep" instead of "trash".
# A file goes only if a file on a "keep" line of the same group is there at that moment, and only if
# both are still, byte for byte, what they were. Folders on "protect" lines lose nothing.
#
#     group  pixels  size  date  hash  path
"""
_FILE = re.compile(r"(keep|trash)\s+(\d{1,9})\s+\S+\s+\S+\s+\S+\s+([0-9a-f]{64})\s+(\S.*)")
_NAME = re.compile(r"plan\s+([0-9A-Za-z-]{1,64})")
_PROTECT = re.compile(r"protect\s+(\S.*)")
_ESCAPED = re.compile(rb"\\(\\|x[0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A line: a file, by its absolute path, that had this hash."""

    keep: bool
    path: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class PlannedRemovals:
    """A plan as the file says it.

    Attributes:
        name: under which its journal is kept.
        protected: folders, absolute.
        groups: by number.
    """

    name: str
    protected: tuple[bytes, ...]
    groups: dict[int, tuple[PlannedFile, ...]]


def render(name: str, found: Duplicates) -> Iterator[str]:
    """Yield the lines of a plan for the groups found. No file is in it twice.

    Files that are offline are left out, since nobody can look at them now.
    """
    yield from _HEADER.splitlines()
    yield f"plan {name}"
    for folder in found.protect:
        yield f"protect {quoted(os.fsencode(folder))}"
    planned: set[bytes] = set()
    number = 0
    for group in found.groups:
        files = [each for each in group.files if not each.offline and _raw(each) not in planned]
        kept = [each for each in files if each.keep] or files[:1]
        spare = [each for each in files if each not in kept]
        if not spare:
            continue
        number += 1
        planned |= {_raw(each) for each in spare}
        yield ""
        yield f"# {group.kind.replace('_', ' ')}; {_reasons(kept, spare)}"
        yield from (_line("keep ", number, each) for each in kept)
        yield from (_line("trash", number, each) for each in spare)


def decoded(data: bytes, source: str) -> str:
    """Return the text of a plan file.

    Args:
        source: the file's name, for messages.

    Raises:
        BadRequestError: it is not UTF-8; says where not.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadRequestError(f"{source} is saved as UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise BadRequestError(f"{source} holds NUL, so it is no text as UTF-8; save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRequestError(
            f"{source}, line {line}: it is not UTF-8 there; save the file as UTF-8"
        ) from None


def parse(text: str, source: str) -> PlannedRemovals:
    """Return the plan in `text`.

    Args:
        source: the file's name, for messages.

    Raises:
        BadRequestError: a line makes no sense, or a file is there twice; names it.
    """
    lines = re.split(r"\r\n?|\n", text.removeprefix(_BYTE_ORDER_MARK))
    name = ""
    protected: list[bytes] = []
    groups: dict[int, list[PlannedFile]] = defaultdict(list)
    for place, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if match := _FILE.fullmatch(stripped):
            path = unquoted(match[4])
            _require_path(path, f"{source}, line {place}")
            groups[int(match[2])].append(PlannedFile(match[1] == "keep", path, match[3]))
        elif match := _PROTECT.fullmatch(stripped):
            protected.append(unquoted(match[1]))
            _require_path(protected[-1], f"{source}, line {place}")
        elif match := _NAME.fullmatch(stripped):
            name = match[1]
        else:
            cut_off = "; the file may be cut off here" if place == len(lines) else ""
            raise BadRequestError(
                f"{source}, line {place}: expected `keep` or `trash`, group, pixels, size, date,"
                f" hash and path; # in front leaves a line out{cut_off}"
            )
    if not name:
        raise BadRequestError(f"{source} is not a plan: the line `plan NAME` is missing")
    return PlannedRemovals(
        name, tuple(protected), {key: tuple(files) for key, files in groups.items()}
    )


def require_lines_of(plan: PlannedRemovals, written: PlannedRemovals) -> None:
    """Check that an edited plan names only files of the groups that it was written with.

    Raises:
        BadRequestError: names the first that is none.
    """
    groups: defaultdict[tuple[bytes, str], set[int]] = defaultdict(set)
    by_hash: dict[str, bytes] = {}
    for number, files in written.groups.items():
        for file in files:
            groups[file.path, file.hash].add(number)
            by_hash.setdefault(file.hash, file.path)
    for number, files in plan.groups.items():
        for file in files:
            if (file.path, file.hash) not in groups:
                known = by_hash.get(file.hash)
                hint = f"; that hash was of {os.fsdecode(known)}" if known else ""
                raise BadRequestError(
                    f"group {number}: {os.fsdecode(file.path)} with that hash was not in the plan"
                    f" {plan.name} when it was written{hint}. Nothing is moved: correct the line,"
                    " leave it out, or make a new plan"
                )
        if files and not set.intersection(*(groups[file.path, file.hash] for file in files)):
            raise BadRequestError(
                f"group {number} holds files of several groups of the plan {plan.name} as it was"
                " written. Nothing is moved: correct the numbers, or make a new plan"
            )


def quoted(path: bytes) -> str:
    r"""Return a path as one line of text; `\xNN` stands for a byte that is nothing to read."""
    shown = "".join(
        each if each.isprintable() and each != "\\" else _escape(each)
        for each in path.decode(errors="surrogateescape")
    )
    if shown.endswith(" ") or shown.startswith(" "):
        shown = re.sub(r"^ | $", r"\\x20", shown)
    return shown


def unquoted(text: str) -> bytes:
    """Return the path that `quoted` wrote."""
    return _ESCAPED.sub(
        lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)]),
        text.encode(errors="surrogateescape"),
    )


def _require_path(path: bytes, where: str) -> None:
    if not path.startswith(b"/"):
        raise BadRequestError(f"{where}: the path is not absolute")
    if b"\0" in path or b".." in path.split(b"/"):
        raise BadRequestError(f"{where}: a path cannot contain NUL or `..`")


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _line(verb: str, number: int, file: DuplicateFile) -> str:
    pixels = f"{file.width}x{file.height}" if file.width else "-"
    date = (file.taken_at or file.modified_at)[:10]
    size = f"{file.size_bytes / 1000:,.0f}kB"
    return f"{verb} {number:>4} {pixels:>11} {size:>10} {date} {file.hash} {quoted(_raw(file))}"


def _reasons(kept: Sequence[DuplicateFile], spare: Sequence[DuplicateFile]) -> str:
    why, why_not = _why(kept), _why(spare)
    return f"each: {why}" if why == why_not else f"kept: {why}; the other: {why_not}"


def _why(files: Sequence[DuplicateFile]) -> str:
    reasons = dict.fromkeys(each.why for each in files if each.why)
    return " / ".join(reasons) or "nothing tells them apart"


def _raw(file: DuplicateFile) -> bytes:
    return Path(file.path, file.path_base64).raw()
