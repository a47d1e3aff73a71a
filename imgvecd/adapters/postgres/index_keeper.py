"""Builds the index of a model once it pays, and finds out what to ask of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from imgvecd.adapters.postgres.connections import Connection, first_value, statement
from imgvecd.adapters.postgres.recall import best_candidates
from imgvecd.adapters.postgres.vector_tables import VectorTables
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

INDEX_FROM = 20_000
"""Vectors from which on an index pays: so many are compared one by one in some 25 ms."""

# 1.7 ms of a core for each vector that comes into an index of 60,000. With 24 and 100 it is 4.6,
# and little more is found.
_M, _EF_CONSTRUCTION = 16, 64
_LOOK_S = 60.0
_COUNTED = 100_000
_WRITE_MS = 120_000


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
            "SELECT number, mean IS NOT NULL, coalesce(measured_count, 0)"
            " FROM imgvecd.models WHERE fingerprint = %s",
            (fingerprint,),
        ).fetchone()
        if row is None:
            return
        number, is_indexed, measured = row
        count = _rows(connection, f"imgvecd.vectors_{number:d}")
        if count >= INDEX_FROM and (not is_indexed or count > 2 * measured):
            self._index(connection, fingerprint, number, count, questions())
        self._looked_at[fingerprint] = time.monotonic()

    def _index(
        self,
        connection: Connection,
        fingerprint: str,
        number: int,
        count: int,
        queries: Float32Array,
    ) -> None:
        """Build the index if there is none, and find out what to ask of it; nobody else at once."""
        if not first_value(connection, "SELECT pg_try_advisory_lock(%s)", number):
            return
        connection.execute("SET statement_timeout = 0")
        try:
            logger.info("the shared engine indexes %d vectors", count)
            connection.execute(
                "SELECT imgvecd.build_index(%s, %s, %s)", (number, _M, _EF_CONSTRUCTION)
            )
            self._tables.forget(fingerprint)
            table = self._tables.find(connection, fingerprint)
            assert table is not None  # noqa: S101  # it has just been indexed
            candidates = best_candidates(connection, table, queries)
            connection.execute(
                "SELECT imgvecd.set_candidates(%s, %s, %s)", (number, candidates, count)
            )
            self._tables.forget(fingerprint)
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (number,))
                connection.execute(statement(f"SET statement_timeout = {_WRITE_MS:d}"))


def _rows(connection: Connection, table: str) -> int:
    """Return about how many rows a table has: counted if they may be few."""
    estimate = first_value(
        connection, "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", table
    )
    if estimate is not None and estimate > _COUNTED:
        return int(estimate)
    ((count,),) = connection.execute(statement(f"SELECT count(*) FROM {table}")).fetchall()
    return int(count)
