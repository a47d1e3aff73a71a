"""Embeddings of files as Parquet, a shard a file: written by `imgvecd encode-batch`, and read.

Columns: path (binary), size_bytes, mtime_ns, hash (BLAKE2b-256 of the bytes), pixels (BLAKE2b-128
of what the model was given), vector (float16, L2-normalised), format, width, height, taken_at,
truncated, metadata (JSON), failure and message where there is no vector; model (JSON of
`types.ModelInfo`) and reader (the version of what reads metadata) are the same in all rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from imgvecd.adapters.parquet import pyarrow
from imgvecd.core.files.durable import sync_file
from imgvecd.core.files.photo_facts import READER_VERSION
from imgvecd.core.index.validation import can_be_embeddings
from imgvecd.core.indexing.listed_files import EncodedFile
from imgvecd.errors import BadRequestError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import Float32Array, ImageInfo, ModelInfo

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 2_000  # that are read at once: some megabytes
_DIGEST_BYTES, _PIXELS_BYTES = 32, 16
_MOST_METADATA = 1 << 20  # characters of one picture's
_MOST_DIM = 65_536
# Failures that say something of the machine, or of the moment.
_PASSING = {"unreadable", "changed", "timeout", "memory", "encoder"}


@dataclass(frozen=True, slots=True)
class ShardRows:
    """Some rows of a shard that have an embedding.

    Attributes:
        contents: (hash, size in bytes, digest of the pixels or None, what the picture is).
        vectors: shape (n, dim).
        reader: version of what has read the metadata.
    """

    model: ModelInfo
    reader: int
    contents: list[tuple[bytes, int, bytes | None, ImageInfo]]
    vectors: Float32Array


def table(model: ModelInfo, files: Sequence[EncodedFile]) -> pa.Table:
    """Return the rows of files."""
    pa = pyarrow()
    rows = [_row(file) for file in files]
    schema = _schema(pa, model.dim)
    named = msgspec.json.encode(model).decode()
    fixed = {
        "vector": _vectors(pa, model.dim, files),
        "model": pa.array([named] * len(files), pa.string()),
        "reader": pa.array([READER_VERSION] * len(files), pa.int16()),
    }
    arrays = [
        fixed[field.name]
        if field.name in fixed
        else pa.array([row[field.name] for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def write(path: str, rows: pa.Table) -> None:
    """Write a shard that is there as a whole, or not at all."""
    pyarrow()
    import pyarrow.parquet as pq  # noqa: PLC0415

    temporary = f"{path}.part"
    pq.write_table(rows, temporary, compression="zstd", use_dictionary=["model", "format"])
    sync_file(temporary)
    os.replace(temporary, path)


def files_in(path: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield (path, size in bytes, mtime in ns) of files for which another try is of no use."""
    columns = ["path", "size_bytes", "mtime_ns", "failure"]
    for batch in _batches(path, columns):
        lists = (batch.column(name).to_pylist() for name in columns)
        for file, size_bytes, mtime_ns, failure in zip(*lists, strict=True):
            if failure not in _PASSING:
                yield file, size_bytes, mtime_ns


def model_in(path: str) -> ModelInfo | None:
    """Return the model that a shard's first row names; None if it has no rows."""
    for batch in _batches(path, ["model"]):
        for text in batch.column("model").slice(0, 1).to_pylist():
            try:
                return msgspec.json.decode(text, type=ModelInfo)
            except (*UNDECODABLE, TypeError) as error:
                raise BadRequestError(f"{path}: not a shard of embeddings: {error}") from error
    return None


def read(path: str) -> Iterator[ShardRows]:
    """Yield the embeddings of a shard.

    Raises:
        BadRequestError: it is none, or what is in it is none; names the file and what is wrong.
    """
    names = ["hash", "size_bytes", "pixels", "vector", "format", "width", "height", "taken_at"]
    names += ["truncated", "metadata", "model", "reader"]
    for batch in _batches(path, names):
        try:
            yield from _read_batch(batch)
        except (*UNDECODABLE, ValueError, TypeError) as error:
            raise BadRequestError(f"{path}: not a shard of embeddings: {error}") from error


def _read_batch(batch: pa.RecordBatch) -> Iterator[ShardRows]:
    rows = [row for row in batch.to_pylist() if row["vector"] is not None]
    by_model: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        by_model.setdefault((str(row["model"]), int(row["reader"])), []).append(row)
    for (text, reader), some in by_model.items():
        model = msgspec.json.decode(text, type=ModelInfo)
        if not 1 <= model.dim <= _MOST_DIM:
            raise ValueError(f"{model.dim} dimensions")
        vectors = np.array([row["vector"] for row in some], np.float32)
        if vectors.shape != (len(some), model.dim):
            raise ValueError(f"vectors that do not have the {model.dim} numbers of {model.name}")
        if not can_be_embeddings(vectors.astype(np.float16)).all():
            raise ValueError("vectors that are not of length 1")
        yield ShardRows(model, reader, [_content(row) for row in some], vectors)


def _content(row: dict[str, Any]) -> tuple[bytes, int, bytes | None, ImageInfo]:
    digest, size, pixels = row["hash"], int(row["size_bytes"]), row["pixels"]
    if not isinstance(digest, bytes) or len(digest) != _DIGEST_BYTES or size < 0:
        raise ValueError(f"hash: expected {_DIGEST_BYTES} bytes")
    if pixels is not None and len(pixels) != _PIXELS_BYTES:
        raise ValueError(f"pixels: expected {_PIXELS_BYTES} bytes")
    text = row["metadata"] or "{}"
    if len(text) > _MOST_METADATA:
        raise ValueError("metadata: too long")
    info = msgspec.convert({**row, "metadata": json.loads(text)}, ImageInfo)
    return digest, size, pixels, info


def _row(file: EncodedFile) -> dict[str, object]:
    info, stamp = file.info, file.stamp
    return {
        "path": file.path,
        "size_bytes": stamp.size_bytes if stamp else None,
        "mtime_ns": stamp.mtime_ns if stamp else None,
        "hash": file.digest,
        "pixels": file.pixels,
        "format": info.format if info else None,
        "width": info.width if info else None,
        "height": info.height if info else None,
        "taken_at": info.taken_at if info else None,
        "truncated": info.truncated if info else None,
        "metadata": json.dumps(info.metadata, ensure_ascii=True) if info else None,
        "failure": file.failure,
        "message": file.message,
    }


def _schema(pa: Any, dim: int) -> pa.Schema:  # noqa: ANN401  # the module
    return pa.schema(
        [
            ("path", pa.binary()),
            ("size_bytes", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("hash", pa.binary(_DIGEST_BYTES)),
            ("pixels", pa.binary(_PIXELS_BYTES)),
            ("vector", pa.list_(pa.float16(), dim)),
            ("format", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("taken_at", pa.string()),
            ("truncated", pa.bool_()),
            ("metadata", pa.string()),
            ("failure", pa.string()),
            ("message", pa.string()),
            ("model", pa.string()),
            ("reader", pa.int16()),
        ]
    )


def _vectors(pa: Any, dim: int, files: Sequence[EncodedFile]) -> pa.Array:  # noqa: ANN401
    nothing = np.zeros(dim, np.float16)
    rows = [nothing if f.vector is None else f.vector.astype(np.float16) for f in files]
    flat = np.concatenate(rows) if rows else np.empty(0, np.float16)
    missing = pa.array([file.vector is None for file in files], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), dim, mask=missing)


def _batches(path: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    pa = pyarrow()
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            missing = set(columns) - set(file.schema_arrow.names)
            if missing:
                raise BadRequestError(f"{path}: not a shard of embeddings: no {min(missing)}")
            yield from file.iter_batches(_ROWS, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise BadRequestError(f"{path}: not a shard of embeddings: {error}") from error
