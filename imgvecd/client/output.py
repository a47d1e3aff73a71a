"""Writes answers: exact bytes for programs, tables for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from imgvecd import api


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
        self._write((msgspec.json.format(text) if sys.stdout.isatty() else text) + b"\n")

    def raw(self, data: bytes) -> None:
        """Print bytes as they are."""
        self._write(data)

    def paths(self, paths: Sequence[api.Path]) -> None:
        """Print paths for a program: the exact bytes, each with its end."""
        for path in paths:
            self._write(path.raw() + self._end)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of text."""
        for line in lines:
            self._write(printable(line).encode(errors="replace") + b"\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print aligned columns for people."""
        from imgvecd.client.table import align  # noqa: PLC0415  # tabulate is slow to import

        clean = [[printable(cell) for cell in row] for row in rows]
        self._write(align(headers, clean).encode(errors="replace") + b"\n")

    def flush(self) -> None:
        """Hand everything to the reader.

        Raises:
            BrokenPipeError: it has left.
        """
        sys.stdout.buffer.flush()

    def _write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)


def printable(text: str) -> str:
    """Return `text` without characters that command a terminal; names of files can hold any."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)
