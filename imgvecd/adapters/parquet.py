"""Parquet files by PyArrow, which the extra `parquet` installs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from imgvecd.errors import BadRequestError

_ROWS = 10_000  # a row group: some megabytes


def pyarrow() -> Any:  # noqa: ANN401  # a module
    """Return PyArrow.

    Raises:
        BadRequestError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        raise BadRequestError("Parquet needs PyArrow: `pip install 'imgvecd[parquet]'`") from None
    return pa


def write(path: str, columns: Sequence[str], records: Iterable[dict[str, Any]]) -> None:
    """Write `records` to `path`.

    Raises:
        BadRequestError: PyArrow is not installed.
    """
    pa = pyarrow()
    import pyarrow.parquet as pq  # noqa: PLC0415  # as above

    numbers = {
        "id": pa.int64(),
        "size_bytes": pa.int64(),
        "width": pa.int32(),
        "height": pa.int32(),
    }
    flags = dict.fromkeys(("offline", "indexed"), pa.bool_())
    types = {**numbers, **flags}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
    left = iter(records)
    with pq.ParquetWriter(path, schema) as writer:
        while rows := list(itertools.islice(left, _ROWS)):
            writer.write_table(pa.Table.from_pylist(rows, schema))
