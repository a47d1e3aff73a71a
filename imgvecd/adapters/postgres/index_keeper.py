"""Builds the index of a model once it pays, and finds out what to ask of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from imgvecd.adapters.postgres.connections import WRITE_MS, Connection, first_value, statement
from imgvecd.adapters.postgres.recall import best_probes
from imgvecd.adapters.postgres.vector_tables import VectorTables
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

INDEX_FROM = 20_000
"""Vectors from which on an index pays: so many are compared one by one in some 25 ms."""

_LISTS = 2  # times the root of the number of vectors
_GROWN = 2  # times as many vectors as when it was built: built anew
_LOOK_S = 60.0
_COUNTED = 100_000


class IndexKeeper:
    """Looks after the indexes; for the one thread that publishes."""

    def __init__(self, tables: VectorTables) -> None:
        self._tables = tables
        self._looked_at: dict[str, float] = {}

    def settle(
        self, connection: Connection, fingerprint: str, questions: Callable[[], Float32Array]
    ) -> None:
        """Build or tune the index of a model if that is due: takes as long as it takes."""
        now = time.monotonic()
        if now < self._looked_at.get(fingerprint, now - _LOOK_S) + _LOOK_S:
            return
        row = connection.execute(
            "SELECT number, coalesce(indexed_count, 0), probes IS NOT NULL"
            " FROM imgvecd.models WHERE fingerprint = %s",
            (fingerprint,),
        ).fetchone()
        if row is None:
            return
        number, indexed, is_measured = row
        count = _rows(connection, f"imgvecd.vectors_{number:d}")
        is_due = count >= INDEX_FROM and count > _GROWN * indexed
        if is_due or (indexed and not is_measured):
            self._index(connection, fingerprint, number, count if is_due else 0, questions())
        self._looked_at[fingerprint] = time.monotonic()

    def _index(
        self,
        connection: Connection,
        fingerprint: str,
        number: int,
        count: int,
        queries: Float32Array,
    ) -> None:
        """Build the index, and find out what to ask of it; nobody else does at once.

        Args:
            count: of vectors; 0 leaves the index as it is.
        """
        if not first_value(connection, "SELECT pg_try_advisory_lock(%s)", number):
            return
        connection.execute("SET statement_timeout = 0")
        try:
            if count:
                logger.info("the shared engine indexes %d vectors", count)
                lists = round(_LISTS * math.sqrt(count))
                connection.execute("SELECT imgvecd.build_index(%s, %s)", (number, lists))
            self._tables.forget(fingerprint)
            table = self._tables.find(connection, fingerprint)
            assert table is not None  # noqa: S101  # it has just been indexed
            probes, filtered = best_probes(connection, table, queries)
            connection.execute("SELECT imgvecd.set_probes(%s, %s, %s)", (number, probes, filtered))
            self._tables.forget(fingerprint)
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (number,))
                connection.execute(statement(f"SET statement_timeout = {WRITE_MS:d}"))


def _rows(connection: Connection, table: str) -> int:
    """Return about how many rows a table has: counted if they may be few."""
    estimate = first_value(
        connection, "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", table
    )
    if estimate is not None and estimate > _COUNTED:
        return int(estimate)
    ((count,),) = connection.execute(statement(f"SELECT count(*) FROM {table}")).fetchall()
    return int(count)
