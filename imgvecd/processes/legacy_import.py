"""Reads the former layout of a database: `index.faiss` and `metadata.pkl` in one folder.

Nothing in these files is trusted: the index is parsed here, the pickle in a child process that has
given up all but memory for it, processor time and its answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from imgvecd.core.files.beneath import open_file
from imgvecd.core.library.legacy_index import INDEX, read_flat_index
from imgvecd.core.library.legacy_records import LegacyRecord
from imgvecd.errors import BadRequestError
from imgvecd.processes.worker import python_path
from imgvecd.types import Float32Array, Int64Array

_METADATA = "metadata.pkl"
_WORKER = "imgvecd.workers.legacy_metadata"
# Keys that a pickle refers to are written out for each record: honest files grow about tenfold.
_ANSWER_BYTES, _ANSWER_FACTOR, _MOST_ANSWER_BYTES = 1 << 20, 64, 2 << 30
_WALL_S = 1800  # the worker's processor time ends far sooner: this is for a disk that hangs


@dataclass(frozen=True, slots=True)
class LegacyImage:
    """One record.

    Attributes:
        path: as it was added, which may be a URL.
        row: of its vector.
    """

    path: str
    metadata: dict[str, Any]
    row: int


@dataclass(frozen=True, slots=True)
class LegacyDatabase:
    """A whole folder.

    Attributes:
        vectors: shape (n, dim), float32, rows L2-normalised.
        unusable: records without a path or without a usable vector.
    """

    images: list[LegacyImage]
    vectors: Float32Array
    unusable: int


def is_legacy(directory: str) -> bool:
    """Return whether the folder holds a database of the former layout."""
    return all(os.path.isfile(os.path.join(directory, name)) for name in (INDEX, _METADATA))


def read_legacy(directory: str) -> LegacyDatabase:
    """Return what the folder holds; it is left as it is.

    Raises:
        BadRequestError: a file is missing, is damaged, or asks for what it must not.
    """
    with _opened(directory, INDEX) as file:
        vectors, ids = read_flat_index(file)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = (np.isfinite(norms) & (norms > 0))[:, 0]
    images = []
    unusable = 0
    with _opened(directory, _METADATA) as file:
        for row, record in _by_row(_records(file, os.path.join(directory, _METADATA)), ids):
            if record.path is None or not 0 <= row < len(vectors) or not usable[row]:
                unusable += 1
            else:
                images.append(LegacyImage(record.path, record.metadata, row))
    norms[~usable] = 1
    return LegacyDatabase(images, vectors / norms, unusable)


@contextlib.contextmanager
def _opened(directory: str, name: str) -> Iterator[BinaryIO]:
    path = os.path.join(directory, name)
    try:
        with open(open_file(os.fsencode(path)), "rb") as file:
            yield file
    except OSError as error:
        raise BadRequestError(f"{path}: {error.strerror or error}") from error


def _by_row(
    records: Iterator[LegacyRecord], ids: Int64Array | None
) -> Iterator[tuple[int, LegacyRecord]]:
    """Yield (row of the vector, record)."""
    rows = None if ids is None else {int(identity): row for row, identity in enumerate(ids)}
    for record in records:
        if rows is None:
            yield record.key, record
        else:
            yield rows.get(record.own_id, rows.get(record.key, -1)), record


def _records(file: BinaryIO, path: str) -> Iterator[LegacyRecord]:
    """Yield what the worker finds in an open `metadata.pkl`."""
    size = os.fstat(file.fileno()).st_size
    left = min(_ANSWER_BYTES + _ANSWER_FACTOR * size, _MOST_ANSWER_BYTES)
    with _worker(file) as process:
        assert process.stdout is not None  # noqa: S101  # a pipe
        while line := process.stdout.readline(left + 1):
            left -= len(line)
            if left < 0:
                raise BadRequestError(f"{path} says far more than its {size:,} bytes can: refused")
            if not line.endswith(b"\n"):
                break  # it ended while it wrote
            answer = json.loads(line)
            if isinstance(answer, str):
                raise BadRequestError(f"{path} {answer}")
            yield LegacyRecord(*answer)
        if code := process.wait():
            raise BadRequestError(f"{path} cannot be read: {_ending(code)}")


@contextlib.contextmanager
def _worker(file: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", _WORKER],
        stdin=file,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": python_path()},
    ) as process:
        deadline = threading.Timer(_WALL_S, process.kill)
        deadline.daemon = True
        deadline.start()
        try:
            yield process
        finally:
            deadline.cancel()
            process.kill()


def _ending(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "it takes more processor time than a file of its size may"
    return f"its reader ended by signal {-code}" if code < 0 else f"its reader ended with {code}"
