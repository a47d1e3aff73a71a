"""Writes answers: exact bytes for programs, tables for people."""

from __future__ import annotations

import os
import sys
import urllib.parse
from collections.abc import Sequence

import msgspec

from imgvecd import api
from imgvecd.command_hints import runnable
from imgvecd.terminal_output import flush, printable, write_exact, write_item, write_json

# Less would say nothing of a path, however narrow the terminal is.
_LEAST_COLUMNS = 12
_OFFLINE = " (offline)"


class Output:
    """Standard output in one of its forms.

    Attributes:
        json: print answers as the daemon gave them.
        people: nobody asked for another form and a terminal is listening.
    """

    def __init__(self, *, json: bool = False, null: bool = False) -> None:
        self.json = json
        self.people = sys.stdout.isatty() and not json and not null
        self._end = b"\0" if null else b"\n"

    def answer(self, body: bytes) -> None:
        """Print a JSON answer, indented on a terminal."""
        text = body.rstrip()
        write_json(msgspec.json.format(text) if sys.stdout.isatty() else text)

    def json_line(self, document: bytes) -> None:
        """Print JSON on a line of its own."""
        write_json(document)

    def raw(self, data: bytes) -> None:
        """Print bytes as they are: a program's own, never a name."""
        write_exact(data)

    def paths(self, paths: Sequence[api.Path]) -> None:
        """Print paths for a program: the exact bytes, each with its end."""
        for path in paths:
            write_item(path.raw(), self._end)

    def lines(self, lines: Sequence[str]) -> None:
        """Print a message."""
        for line in lines:
            write_exact(printable(runnable(line)).encode(errors="replace") + b"\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print aligned columns for people."""
        from imgvecd.client.table import align  # noqa: PLC0415  # tabulate is slow to import

        clean = [[printable(cell) for cell in row] for row in rows]
        write_exact(align(headers, clean).encode(errors="replace") + b"\n")

    def table_of_files(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[str]],
        files: Sequence[api.Hit | api.DuplicateFile],
    ) -> None:
        """Print a table with the files as a further column, as wide as the terminal.

        Names are cut in the middle where they do not fit, and are links that open the file where
        the terminal knows links (OSC 8; others show the name alone).
        """
        from imgvecd.client.table import align  # noqa: PLC0415  # tabulate is slow to import
        from imgvecd.client.terminal import size  # noqa: PLC0415  # as above

        clean = [[printable(cell) for cell in row] for row in rows]
        lines = align([*headers, "|"], [[*row, "|"] for row in clean]).splitlines()
        room = size().columns - (len(lines[0]) - 1)
        write_exact(lines[0][:-1].encode() + b"path\n")
        shared = _shared_folder([file.path for file in files])
        for line, file in zip(lines[1:], files, strict=True):
            write_exact(f"{line[:-1]}{_name(file, room, shared)}\n".encode(errors="replace"))

    def flush(self) -> None:
        """Hand everything to the reader.

        Raises:
            OutputError: it cannot be written.
            BrokenPipeError: the reader has left.
        """
        flush()


def _shared_folder(paths: Sequence[str]) -> str:
    """Return the folder that all files lie in, deeper or not; empty if it tells none apart."""
    folders = {os.path.dirname(path) for path in paths}
    return (
        os.path.commonpath(folders) if len(folders) > 1 and all(map(os.path.isabs, folders)) else ""
    )


def _name(file: api.Hit | api.DuplicateFile, columns: int, shared: str) -> str:
    if isinstance(file, api.Hit) and file.source is not None:  # no file of this machine
        return printable(shortened(file.path, columns))
    if file.offline:
        return f"{printable(shortened(file.path, columns - len(_OFFLINE), shared))}{_OFFLINE}"
    return _link(api.Path(file.path, file.path_base64), columns, shared)


def _link(path: api.Path, columns: int, shared: str) -> str:
    shown = printable(shortened(path.path, columns, shared))
    if os.environ.get("TERM") in {"dumb", "linux"}:  # they would print the link, or choke on it
        return shown
    url = "file://" + urllib.parse.quote(path.raw())
    return f"\x1b]8;;{url}\x1b\\{shown}\x1b]8;;\x1b\\"


def shortened(path: str, columns: int, shared: str = "") -> str:
    """Return a path for people: with ~ for their home folder, cut in the middle to fit.

    The file's name is kept as long as it can be.

    Args:
        shared: folder of all files of the table, which is left out first: it tells none apart.
    """
    from wcwidth import wcswidth  # noqa: PLC0415  # takes a while to import

    home = os.path.expanduser("~")
    shown = "~" + path[len(home) :] if path.startswith(home.rstrip("/") + "/") else path
    columns = max(columns, _LEAST_COLUMNS)
    if shared.strip("/") and path.startswith(shared + "/") and wcswidth(shown) > columns:
        shown = "…" + path[len(shared) :]
    head, name = os.path.split(shown)
    while wcswidth(_cut(head, name) if head else shown) > columns and wcswidth(shown) > columns:
        if head:
            head = head[:-1]
        else:
            name = name[1:]
            shown = "…" + name
    if wcswidth(shown) <= columns:
        return shown
    return _cut(head, name)


def _cut(head: str, name: str) -> str:
    return f"{head.rstrip('…/')}…/{name}"
