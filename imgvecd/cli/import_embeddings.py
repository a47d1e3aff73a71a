"""`imgvecd import`: embeddings that `imgvecd encode-batch` wrote, into the library."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from imgvecd.cli.settings import add_state_flags, state_dir
from imgvecd.terminal_output import counted, say

_DESCRIPTION = """\
Take over the embeddings in Parquet files that `imgvecd encode-batch` wrote, on whatever machine.
Pictures are known by their bytes: the daemon then reads each of its files once, and encodes only
what the shards lack. The daemon must not be running. What is there stays; importing the same again
changes nothing. Needs the extra `parquet`.
"""


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "import", help="take over embeddings from Parquet", description=_DESCRIPTION
    )
    command.add_argument(
        "shards", metavar="DIR", nargs="+", help="folder of shards, or a single .parquet file"
    )
    add_state_flags(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import, and say what was imported."""
    from tqdm import tqdm  # noqa: PLC0415  # as numpy and SQLite, something that others can do without

    from imgvecd.wiring.shard_import import Imported, import_shards, shards_in  # noqa: PLC0415

    shards = shards_in(options.shards)
    with tqdm(disable=None, unit=" images", dynamic_ncols=True, file=sys.stderr) as bar:

        def draw(done: Imported) -> None:
            bar.n = done.images + done.known
            bar.refresh()

        done = import_shards(state_dir(options), shards, draw)
    names = ", ".join(sorted(done.models))
    of_models = f", of {names}" if names else ""
    say(f"{counted(done.images, 'image')} imported{of_models}; nothing encoded.")
    if done.known:
        say(f"{done.known:,} were known already.")
    return 0
