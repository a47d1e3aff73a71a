"""How both programs begin and end, whatever happens: with streams to write to, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from imgvecd.errors import ImgvecdError
from imgvecd.terminal_output import discard, flush, warn_of

# 128 + SIGINT, as shells report it.
_INTERRUPTED = 130
_FILE_DESCRIPTORS = (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w"))

Run = Callable[[list[str]], int]


def run(program: str, load: Callable[[], Run], arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code; say what went wrong, if anything did.

    Args:
        program: its name, for messages.
        load: imports what runs commands; an interrupt meanwhile ends the program like any other.
        arguments: None takes those of the process.
    """
    _open_missing_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _ended(program, lambda: load()(given))
    except SystemExit:  # argparse's, after help
        if failed := _ended(program, flush):
            return failed
        raise
    failed = _ended(program, flush)  # whatever happened: the interpreter would fail by it
    return code or failed


def _ended(program: str, do: Callable[[], int | None]) -> int:
    try:
        return do() or 0
    except ImgvecdError as error:
        warn_of(program, error)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough, as in `imgvec ... | head`
        discard(sys.stdout)
        return 0


def _open_missing_streams() -> None:
    """Lead streams that were closed (`imgvec status >&-`) nowhere.

    The next file or connection that is opened would take the place of one.
    """
    for name, descriptor, mode in _FILE_DESCRIPTORS:
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
