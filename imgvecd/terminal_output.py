"""What the command lines write goes through here: a terminal gets no commands from names.

Names of files and texts in them can hold any character. On a terminal those that command it or
turn the direction of writing are replaced; a pipe or file gets the exact bytes. JSON has them
escaped everywhere, which is the same value. Messages name commands as they work where they are
read (`command_hints`); what is no message, such as a path, goes through `write_item` or
`write_lines`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec, TextIO

from imgvecd.command_hints import runnable
from imgvecd.errors import OutputError

P = ParamSpec("P")
# In UTF-8: DEL, C1, the bidirectional controls, and the separators of lines and paragraphs. JSON
# has C0 escaped by itself, and any of these stands in a string only.
_UNSAFE_IN_JSON = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)


def printable(text: str) -> str:
    """Return `text` without characters that command a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 image", "1,708 images"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def record_lines(text: str) -> list[str]:
    """Return the lines of a record of the log.

    Those after the first are indented: a line break in a name begins no record.
    """
    first, *others = map(printable, text.split("\n"))
    return [first, *(f"  {line}" for line in others)]


def escaped_json(document: bytes) -> bytes:
    """Return the same JSON with the characters escaped that `printable` is there for."""
    return _UNSAFE_IN_JSON.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), document)


def say(*lines: str, end: str = "\n") -> None:
    """Write a message to standard output; a break within a line is none on a terminal."""
    _to_output(_write_lines, sys.stdout, map(runnable, lines), end)


def warn(*lines: str, end: str = "\n") -> None:
    """Write a message to standard error, like `say`; one that cannot be written is dropped."""
    try:
        _write_lines(sys.stderr, map(runnable, lines), end)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def warn_of(program: str, error: Exception) -> None:
    """Write to standard error what went wrong, which may take several lines."""
    warn(*f"{program}: {error}".split("\n"))


def write_lines(data: bytes) -> None:
    """Write a text, as of a table, whose line breaks are its own."""
    if not sys.stdout.isatty():
        write_exact(data)
        return
    for line in data.removesuffix(b"\n").split(b"\n"):
        text = line.removesuffix(b"\r").decode(errors="replace")
        _to_output(_write_lines, sys.stdout, [text], "\n")


def write_item(data: bytes, end: bytes) -> None:
    """Write a path or the like and what ends it."""
    if sys.stdout.isatty():
        data = printable(data.decode(errors="replace")).encode()
    write_exact(data + end)


def write_json(document: bytes) -> None:
    """Write JSON with an end of line."""
    write_exact(escaped_json(document.rstrip()) + b"\n")


def write_exact(data: bytes) -> None:
    """Write bytes as they are: only what this program made itself, or what is checked."""
    _to_output(sys.stdout.buffer.write, data)


def flush() -> None:
    """Write what standard output has held back."""
    _to_output(sys.stdout.flush)


def discard(stream: TextIO) -> None:
    """Lead a stream nowhere that cannot be written, or the interpreter's end would fail by it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _to_output(write: Callable[P, object], *arguments: P.args, **options: P.kwargs) -> None:
    """Write to standard output.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: nobody reads it any more.
    """
    try:
        write(*arguments, **options)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def _write_lines(stream: TextIO, lines: Iterable[str], end: str) -> None:
    terminal = stream.isatty()
    text = "\n".join(map(printable, lines) if terminal else lines) + end
    buffer = getattr(stream, "buffer", None)
    if buffer is None:  # a program put a stream of text in its place
        stream.write(text)
    else:
        buffer.write(text.encode(errors="surrogateescape"))
    if terminal:
        stream.flush()
