"""Small records by name, in a collection of their own: sources, positions, parameters of indexes.

Milvus has neither transactions nor rows without a vector: each row has one that means nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pymilvus import DataType, MilvusClient, MilvusException

from imgvecd.adapters.milvus.milvus_connection import CALL_S, WRITE_S
from imgvecd.errors import EngineError

COLLECTION = "imgvecd_state"
VERSION = 1
"""Of what is stored and how; a newer one is refused."""

_NOTHING = [0.0, 0.0]
_LONGEST_NAME = 512
_LONGEST = 60_000
_MOST = 16_384  # rows that Milvus answers at once; there are three a source

Record = dict[str, Any]


class StateRows:
    """Reads and writes records. Thread-safe.

    A read sees every write that ended before; one that need not be `fresh` is quicker, and may miss
    those of other programs from the last seconds.
    """

    def prepare(self, client: MilvusClient) -> None:
        """Make the collection if there is none.

        Raises:
            EngineError: a newer program has made it.
        """
        if not client.has_collection(COLLECTION, timeout=CALL_S):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("name", DataType.VARCHAR, is_primary=True, max_length=_LONGEST_NAME)
            schema.add_field("record", DataType.VARCHAR, max_length=_LONGEST)
            schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=len(_NOTHING))
            make_collection(client, COLLECTION, schema, "nothing", "FLAT", "L2", {})
        version = self.get(client, "schema")
        if version is None:
            self.put(client, {"schema": {"version": VERSION}})
        elif version["version"] > VERSION:
            raise EngineError("the shared engine was made by a newer imgvecd: upgrade imgvecd")

    def get(self, client: MilvusClient, name: str, *, fresh: bool = True) -> Record | None:
        """Return a record; None if there is none of that name."""
        return self._records(client, fresh, CALL_S, ids=[name]).get(name)

    def get_many(
        self, client: MilvusClient, names: Iterable[str], within_s: float = CALL_S
    ) -> dict[str, Record]:
        """Return the records of those names that there are."""
        return self._records(client, True, within_s, ids=list(names))

    def find(self, client: MilvusClient, prefix: str, *, fresh: bool = True) -> dict[str, Record]:
        """Return the records whose names begin with `prefix`, which needs no escapes."""
        wanted = f'name like "{prefix}%"'
        return self._records(client, fresh, CALL_S, filter=wanted, limit=_MOST)

    def put(
        self, client: MilvusClient, records: Mapping[str, Record], within_s: float = WRITE_S
    ) -> None:
        """Write records, instead of those of their names."""
        rows = [
            {"name": name, "record": json.dumps(record), "nothing": _NOTHING}
            for name, record in records.items()
        ]
        client.upsert(COLLECTION, rows, timeout=within_s)

    def drop(self, client: MilvusClient, names: Iterable[str]) -> None:
        """Delete the records of those names."""
        client.delete(COLLECTION, ids=list(names), timeout=WRITE_S)

    def _records(
        self,
        client: MilvusClient,
        fresh: bool,
        within_s: float,
        **wanted: Any,  # noqa: ANN401  # of `query`
    ) -> dict[str, Record]:
        rows = client.query(
            COLLECTION,
            output_fields=["name", "record"],
            consistency_level="Strong" if fresh else "Session",
            timeout=within_s,
            **wanted,
        )
        return {row["name"]: json.loads(row["record"]) for row in rows}


def make_collection(
    client: MilvusClient,
    name: str,
    schema: Any,  # noqa: ANN401  # pymilvus has no types
    vector: str,
    index: str,
    metric: str,
    params: Mapping[str, int],
    scalars: Iterable[str] = (),
) -> None:
    """Make a collection with its indexes, and load it; harmless if another has made it meanwhile.

    Args:
        vector: the field with the vectors, and `index`, `metric` and `params` of its index.
        scalars: fields of texts or numbers that have an index, too.
    """
    indexes = client.prepare_index_params()
    indexes.add_index(vector, index_type=index, metric_type=metric, params=dict(params))
    for scalar in scalars:
        indexes.add_index(scalar, index_type="")
    try:
        client.create_collection(name, schema=schema, index_params=indexes, timeout=WRITE_S)
    except MilvusException:
        with contextlib.suppress(MilvusException):
            if client.has_collection(name, timeout=CALL_S):
                client.load_collection(name, timeout=WRITE_S)
                return
        raise
