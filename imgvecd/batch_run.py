"""Folders to shards of embeddings: `imgvecd encode-batch`, which goes on where it was killed."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from imgvecd.adapters import parquet_shards
from imgvecd.batch_encoder import BatchEncoder
from imgvecd.config.schema import Config, RootConfig, expand
from imgvecd.core.files.beneath import READ_FOLDER
from imgvecd.core.files.formats import is_image_name
from imgvecd.core.watch.inclusion_rules import Rules
from imgvecd.core.watch.listing import Lister
from imgvecd.errors import BadRequestError
from imgvecd.types import join

_SHARD = re.compile(r"part-(\d{6,})\.parquet")


@dataclass(slots=True)
class BatchDone:
    """How far a run is.

    Attributes:
        before: images that earlier runs have written, and whose files are as they were.
        encoded, failed: of this run.
        shards: written by this run.
    """

    before: int = 0
    encoded: int = 0
    failed: int = 0
    shards: int = 0


def encode_folders(
    encoder: BatchEncoder,
    folders: Iterable[str],
    out: str,
    config: Config,
    *,
    shard_images: int,
    progress: Callable[[BatchDone, int], None] = lambda *_: None,
) -> BatchDone:
    """Encode what lies in the folders and is not in `out` yet, a shard after the other.

    A shard is there as a whole or not at all, so that a killed run loses one at most.

    Args:
        progress: told how far the run is, and how many images of the shard under way are encoded.

    Raises:
        BadRequestError: a folder is none; a shard in `out` is damaged, or of another model.
        OSError: a shard cannot be written.
    """
    os.makedirs(out, exist_ok=True)
    known, number = _written(out, encoder)
    done = BatchDone()

    def new() -> Iterator[bytes]:
        for path, size_bytes, mtime_ns in _listed(folders, config):
            if known.get(path) == (size_bytes, mtime_ns):
                done.before += 1
            else:
                yield path

    left = new()
    while paths := list(itertools.islice(left, shard_images)):
        files = encoder.encode(paths, lambda count: progress(done, count))
        name = f"part-{number:06}.parquet"
        parquet_shards.write(os.path.join(out, name), parquet_shards.table(encoder.model, files))
        number += 1
        done.shards += 1
        done.failed += sum(file.failure is not None for file in files)
        done.encoded += sum(file.failure is None for file in files)
        progress(done, 0)
    return done


def _written(out: str, encoder: BatchEncoder) -> tuple[dict[bytes, tuple[int, int]], int]:
    """Return (state of files that are in shards, number of the next shard)."""
    known: dict[bytes, tuple[int, int]] = {}
    number = 0
    for name in sorted(os.listdir(out)):
        found = _SHARD.fullmatch(name)
        if found is None:
            continue
        path = os.path.join(out, name)
        if parquet_shards.model_in(path) not in {None, encoder.model}:
            raise BadRequestError(f"{path} is of another model: write to another folder")
        number = max(number, int(found[1]) + 1)
        for file, size_bytes, mtime_ns in parquet_shards.files_in(path):
            known[file] = size_bytes, mtime_ns
    return known, number


def _listed(folders: Iterable[str], config: Config) -> Iterator[tuple[bytes, int, int]]:
    """Yield (path, size in bytes, mtime in ns) of the images in folders, as a daemon finds them."""
    for folder in folders:
        root = RootConfig(path=expand(folder))
        path = os.fsencode(root.path)
        lister = Lister(path, Rules(root, config.exclude, config.watch))
        try:
            descriptor = os.open(path, READ_FOLDER)
        except OSError as error:
            raise BadRequestError(f"{folder}: {error.strerror}") from error
        try:
            for directory, file in lister.walk(descriptor):
                if is_image_name(os.fsdecode(file.name)):
                    where = os.path.join(path, join(directory, file.name))
                    yield where, file.stamp.size_bytes, file.stamp.mtime_ns
        finally:
            os.close(descriptor)
