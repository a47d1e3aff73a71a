"""Writes what is known of images to a file: JSON, JSON lines, CSV or Parquet."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Literal, Protocol, get_args

import numpy as np

from imgvecd import api
from imgvecd.errors import BadRequestError
from imgvecd.protocols import EmbeddingSource, ImageStore
from imgvecd.terminal_output import escaped_json

ExportFormat = Literal["json", "jsonl", "csv", "parquet"]
_EXTENSIONS: dict[str, ExportFormat] = {
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "parquet": "parquet",
}
_PAGE = 500
COLUMNS = (
    "id", "hash", "path", "other_paths", "size_bytes", "modified_at", "offline", "format", "width",
    "height", "taken_at", "indexed", "failure", "metadata", "user_metadata",
)  # fmt: skip
"""Of every format. In CSV and Parquet `other_paths` and both kinds of metadata are JSON."""

_JSON_COLUMNS = ("other_paths", "metadata", "user_metadata")

Record = dict[str, Any]


class Changed(Protocol):
    """What exporting a part asks of the catalog."""

    def changed_since(self, clock: int) -> Iterator[int]:
        """Yield, ascending, the ids of live contents that gained or lost a file after `clock`."""
        ...


class TableWriter(Protocol):
    """Writes a table in a format that needs a library."""

    def __call__(self, path: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """Write `records` to `path`."""
        ...


def export_format(path: str, wanted: str | None = None) -> ExportFormat:
    """Return the format that is wanted, or that the path's extension means.

    Raises:
        BadRequestError: neither says one that there is.
    """
    name = wanted or path.rpartition(".")[2].lower()
    if name not in _EXTENSIONS:
        known = ", ".join(get_args(ExportFormat))
        raise BadRequestError(f"{path}: the format is not one of {known}; name one")
    return _EXTENSIONS[name]


def since(clock: str | None, instance: str) -> int | None:
    """Return the number in a clock as the API writes it, "c:<instance>:<n>".

    Raises:
        BadRequestError: it is none, or another catalog's.
    """
    if clock is None:
        return None
    prefix, _, number = clock.rpartition(":")
    if prefix != f"c:{instance}" or not number.isdecimal():
        raise BadRequestError(f"{clock} is not a clock of this database: c:{instance}:<number>")
    return int(number)


def records(library: ImageStore, changed: Changed, after: int | None) -> Iterator[Record]:
    """Yield every image as a record, or those that changed after a clock, by ascending id."""
    if after is None:
        last = -1
        while page := library.page(last, _PAGE):
            yield from map(_record, page)
            last = page[-1].id
    else:
        ids = list(changed.changed_since(after))
        for start in range(0, len(ids), _PAGE):
            found = library.images(ids[start : start + _PAGE])
            yield from map(_record, found.values())


def write(
    path: str, wanted: ExportFormat, exported: Iterable[Record], write_parquet: TableWriter
) -> int:
    """Write the records and return how many; an existing file is replaced at the end, whole.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0

    def counted() -> Iterator[Record]:
        nonlocal count
        for record in exported:
            count += 1
            yield record

    with _replacing(path) as temporary:
        if wanted == "parquet":
            write_parquet(temporary, COLUMNS, map(_flat, counted()))
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                _write_text(file, wanted, counted())
    return count


def write_embeddings(
    path: str, ids: Sequence[int], source: EmbeddingSource, fingerprint: str, dim: int
) -> None:
    """Write the embeddings of `ids` as a .npy of shape (n, dim), float32, in the same order.

    An image without an embedding has a row of NaN.
    """
    with _replacing(path) as temporary:
        shape = (len(ids), dim)
        rows = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(ids), _PAGE):
            some = ids[start : start + _PAGE]
            found = source.embeddings(fingerprint, some)
            missing = np.full(dim, np.nan, np.float32)
            rows[start : start + len(some)] = [found.get(each, missing) for each in some]
        rows.flush()
        del rows


def _write_text(file: IO[str], wanted: ExportFormat, exported: Iterable[Record]) -> None:
    if wanted == "csv":
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(map(_flat, exported))
        return
    opening, between, closing = ("[\n", ",\n", "\n]\n") if wanted == "json" else ("", "\n", "\n")
    file.write(opening)
    empty = True
    for record in exported:
        file.write("" if empty else between)
        file.write(_json(record))
        empty = False
    file.write("" if empty and wanted == "jsonl" else closing)


def _record(image: api.Image) -> Record:
    first, *others = image.files
    return {
        "id": image.id,
        "hash": image.hash,
        "path": _text(first),
        "other_paths": [_text(file) for file in others],
        "size_bytes": first.size_bytes,
        "modified_at": first.modified_at,
        "offline": first.offline,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "taken_at": image.taken_at,
        "indexed": image.indexed,
        "failure": image.failure,
        "metadata": image.metadata,
        "user_metadata": image.user_metadata,
    }


def _text(file: api.ImageFile) -> str:
    """Return the path; bytes that are no UTF-8 as hexadecimal escapes, as in Python."""
    raw = api.Path(file.path, file.path_base64).raw()
    return raw.decode(errors="backslashreplace")


def _flat(record: Record) -> Record:
    return {**record, **{name: _json(record[name]) for name in _JSON_COLUMNS}}


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return escaped_json(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[str]:
    temporary = f"{path}.part"
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
