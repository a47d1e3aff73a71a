"""`imgvecd import-legacy`: takes over a database of the former layout."""

from __future__ import annotations

import argparse
from typing import Any

from imgvecd.cli.settings import add_state_flags, state_dir
from imgvecd.terminal_output import counted, say

_DESCRIPTION = """\
Take over vectors, paths and metadata of a database of the former layout: a folder with
`index.faiss` and `metadata.pkl`, which stays as it is. Nothing is encoded. The pickle is read as
data: one that asks for more than plain values is refused. Files that are not at their old place are
kept under their old path (`VectorDatabase.relocate` follows them). The daemon must not be running;
of what is taken over it then shows the files that lie in its folders.
"""


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "import-legacy", help="take over a database of the former layout", description=_DESCRIPTION
    )
    add = command.add_argument
    add("directory", metavar="DIR", help="folder with index.faiss and metadata.pkl")
    add("--model", metavar="NAME", help="that made the vectors (default: the database's)")
    add("--pretrained", metavar="TAG", help="the model's weights: a tag, or a file")
    add_state_flags(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import, and say what was imported."""
    from imgvecd.database import VectorDatabase  # noqa: PLC0415  # Faiss, which others can do without
    from imgvecd.processes.legacy_import import read_legacy  # noqa: PLC0415  # likewise numpy

    read_legacy(options.directory)  # what is wrong with it is told before any database is made
    named = {"model_name": options.model, "pretrained": options.pretrained}
    model = {key: value for key, value in named.items() if value is not None}
    with VectorDatabase(db_path=state_dir(options), **model) as database:
        done = database.import_legacy(options.directory)
    say(f"{counted(done['imported'], 'image')} imported, nothing encoded.")
    if done["files_missing"]:
        say(f"{done['files_missing']:,} of their files are not at their old place.")
    if done["unusable"]:
        say(f"{done['unusable']:,} records have no path or no usable vector: left out.")
    return 0
