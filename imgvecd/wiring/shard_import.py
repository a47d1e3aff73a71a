"""Embeddings that were made elsewhere, into the catalog of a state directory that nobody uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from imgvecd.adapters import parquet_shards
from imgvecd.adapters.parquet_shards import ShardRows
from imgvecd.catalog import Catalog, CatalogRecovery
from imgvecd.core.files.photo_facts import READER_VERSION
from imgvecd.core.library.state_lock import StateLock
from imgvecd.errors import BadRequestError


@dataclass(slots=True)
class Imported:
    """What an import has done so far.

    Attributes:
        images: that got an embedding.
        known: that had one of the same model.
        models: by name.
    """

    images: int
    known: int
    models: set[str]


def shards_in(paths: list[str]) -> list[str]:
    """Return the shards that are named, or lie in the folders that are named.

    Raises:
        BadRequestError: there is none.
    """
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if name.endswith(".parquet"))
            if not names:
                raise BadRequestError(f"{path}: there is no .parquet file in it")
            found += [os.path.join(path, name) for name in names]
        else:
            found.append(path)
    return found


def import_shards(
    state: str, shards: list[str], progress: Callable[[Imported], None] = lambda _: None
) -> Imported:
    """Keep the embeddings of all shards, each batch of them in a transaction; encode nothing.

    Files are known by their bytes: whoever bears them, wherever, has its embedding from then on.

    Args:
        state: the state directory, made if it is missing.
        progress: told after each batch.

    Raises:
        BadRequestError: a shard is none; what came before it is kept.
        AlreadyRunningError: a daemon uses the directory.
    """
    done = Imported(0, 0, set())
    with StateLock(state):
        recovery = CatalogRecovery(state)
        recovery.prepare()
        catalog = Catalog(state)
        try:
            for rows in _all_rows(shards):
                _keep(catalog, rows, done)
                progress(done)
        finally:
            catalog.close()
        if not catalog.damaged:
            recovery.write_checksum()
    return done


def _all_rows(shards: list[str]) -> Iterator[ShardRows]:
    for path in shards:
        yield from parquet_shards.read(path)


def _keep(catalog: Catalog, rows: ShardRows, done: Imported) -> None:
    fingerprint = rows.model.fingerprint
    catalog.models.learn(rows.model)
    known = catalog.models.get(fingerprint)
    if known is None or (known.dim, known.preprocess) != (rows.model.dim, rows.model.preprocess):
        raise BadRequestError(f"{rows.model.name} of the shards is not the model of the library")
    first = {content[0]: row for row, content in enumerate(rows.contents)}
    lacking = catalog.collection.contents_lacking(
        fingerprint, [rows.contents[row][:2] for row in first.values()]
    )
    wanted = [first[digest] for digest in lacking]
    ids = list(lacking.values())
    catalog.work.commit_embeddings(
        fingerprint,
        [(content_id, rows.contents[row][3]) for content_id, row in zip(ids, wanted, strict=True)],
        rows.vectors[np.array(wanted, np.int64)],
        [],
        {
            content_id: pixels
            for content_id, row in zip(ids, wanted, strict=True)
            if (pixels := rows.contents[row][2]) is not None
        },
    )
    if rows.reader != READER_VERSION:
        catalog.rereading.queue(ids)
    done.images += len(ids)
    done.known += len(rows.contents) - len(ids)
    done.models.add(rows.model.name)
