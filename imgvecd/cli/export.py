"""`imgvecd export`: writes what is known of every image to a file. Reads only."""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import Any

from imgvecd.cli.settings import add_state_flags, state_dir
from imgvecd.errors import BadRequestError, ConfigError
from imgvecd.terminal_output import counted, warn, write_lines

_FORMATS = ("json", "jsonl", "csv", "parquet")
_DESCRIPTION = """\
Write what is known of every image (path, size, dates, camera, tags, and so on) to FILE. Works
beside a running daemon, and without one; changes nothing. FILE is replaced as a whole, at the end.
The last line on standard error names the database's clock: `--since` with it exports only what has
changed from then on.
"""


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "export", help="write what is known of every image to a file", description=_DESCRIPTION
    )
    add = command.add_argument
    add("file", metavar="FILE", help="where to; `-` is standard output")
    add("--format", choices=_FORMATS, help="default: what FILE ends in")
    add(
        "--embeddings",
        action="store_true",
        help="write the embeddings too, to a .npy beside FILE, in the same order: float32, one row"
        " for each image, L2-normalised; a row of NaN where there is none",
    )
    add("--since", metavar="CLOCK", help="only images that changed after it: c:<instance>:<n>")
    add_state_flags(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file, and say what was written."""
    from imgvecd.database import VectorDatabase  # noqa: PLC0415  # Faiss, which others can do without

    to_stdout = options.file == "-"
    if to_stdout and (options.embeddings or options.format in (None, "parquet")):
        raise BadRequestError("`-` takes --format json, jsonl or csv, and no --embeddings")
    with (
        VectorDatabase(db_path=state_dir(options), read_only=True) as database,
        tempfile.TemporaryDirectory() as scratch,
    ):
        clock = database.clock
        path = os.path.join(scratch, "export") if to_stdout else options.file
        try:
            count = database.export_metadata(
                path, format=options.format, embeddings=options.embeddings, since=options.since
            )
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
        if to_stdout:
            with open(path, "rb") as file:
                for line in file:
                    write_lines(line)
    where = "" if to_stdout else f" to {path}"
    warn(f"Wrote {counted(count, 'image')}{where}. Clock: {clock}")
    return 0
