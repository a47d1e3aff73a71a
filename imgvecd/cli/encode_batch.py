"""`imgvecd encode-batch`: embeddings of whole folders as Parquet, without a library."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from imgvecd.cli.serve import start_logging
from imgvecd.cli.settings import add_config_flag
from imgvecd.config.load import load
from imgvecd.config.schema import expand
from imgvecd.errors import ConfigError
from imgvecd.terminal_output import counted, say

_DESCRIPTION = """\
Encode the pictures in folders and write their embeddings to Parquet files in DIR, for libraries of
tens of millions: several machines can each take some folders. `imgvecd import DIR` gives them to a
library, which then encodes nothing that has the same bytes, wherever it lies. A run that was ended
goes on where it was, and encodes what is new or changed. Needs the extra `parquet`.
"""
_MOST_SHARD_IMAGES = 100_000  # 1 kB and its metadata each, in memory until it is written


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "encode-batch", help="write embeddings of folders to Parquet", description=_DESCRIPTION
    )
    add = command.add_argument
    add("folders", metavar="FOLDER", nargs="+", help="with pictures, at any depth")
    add("--out", metavar="DIR", required=True, help="folder of the shards, made if missing")
    add_config_flag(command)
    add("--model", metavar="NAME", help="as the setting; auto is the model that it moves to")
    add("--pretrained", metavar="TAG", help="the model's weights: a tag, or a file")
    add(
        "--shard-images",
        metavar="N",
        type=int,
        default=5000,
        help="files of a shard (default: %(default)s); what a killed run loses at most",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Encode, and say what was done."""
    if not 1 <= options.shard_images <= _MOST_SHARD_IMAGES:
        raise ConfigError(f"--shard-images: expected 1 to {_MOST_SHARD_IMAGES:,}")
    given = {"model": options.model, "model.pretrained": options.pretrained}
    config = load(options.config, {k: v for k, v in given.items() if v is not None})
    start_logging("error")  # what is wrong with files is in the shards
    from tqdm import tqdm  # noqa: PLC0415  # as numpy, something that others can do without

    from imgvecd.adapters import parquet  # noqa: PLC0415
    from imgvecd.batch_encoder import BatchEncoder  # noqa: PLC0415
    from imgvecd.batch_run import BatchDone, encode_folders  # noqa: PLC0415

    parquet.pyarrow()  # said before the model is loaded
    with (
        BatchEncoder(config.model, config=config) as encoder,
        tqdm(disable=None, unit=" images", dynamic_ncols=True, file=sys.stderr) as bar,
    ):

        def draw(done: BatchDone, under_way: int) -> None:
            bar.n = done.encoded + done.failed + under_way
            bar.set_postfix_str(f"{done.shards} shards, {done.before:,} from before", refresh=False)
            bar.refresh()

        try:
            done = encode_folders(
                encoder,
                options.folders,
                expand(options.out),
                config,
                shard_images=options.shard_images,
                progress=draw,
            )
        except OSError as error:
            raise ConfigError(f"{error.filename or options.out}: {error.strerror}") from error
        name = encoder.model.name
    shards = f"{counted(done.shards, 'shard')} in {options.out}"
    say(f"{counted(done.encoded, 'image')} encoded with {name}, {shards}.")
    if done.before:
        say(f"{done.before:,} were there from before.")
    if done.failed:
        say(f"{counted(done.failed, 'file')} failed: column `failure` says why.")
    return 0
