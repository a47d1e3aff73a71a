"""Builds the index of a model once it pays, and finds out what to ask of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
from pgvector import Vector

from imgvecd.adapters.postgres.connections import WRITE_MS, Connection, first_value, statement
from imgvecd.adapters.postgres.recall import enough_candidates, sampled
from imgvecd.adapters.postgres.short_vectors import for_learning, for_measuring, learn
from imgvecd.adapters.postgres.vector_tables import VectorTable, VectorTables
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

INDEX_FROM = 20_000
"""Vectors from which on an index pays: so many are compared one by one in some 25 ms."""

_SAMPLE = 20_000  # vectors that short forms are learnt from
_GROWN = 2  # times as many vectors as when it was measured: measured anew
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
        self._tables.forget(fingerprint)
        table = self._tables.find(connection, fingerprint)
        if table is None:
            return
        count = _rows(connection, table.name)
        measured = first_value(
            connection,
            "SELECT coalesce(measured_count, 0) FROM imgvecd.models WHERE number = %s",
            table.number,
        )
        untaught = table.short is not None and not table.short.knows_texts
        if count >= INDEX_FROM and (untaught or count > _GROWN * measured):
            asked = questions()
            if count > _GROWN * measured or len(asked):
                self._index(connection, fingerprint, table, count, asked)
        self._looked_at[fingerprint] = time.monotonic()

    def _index(
        self,
        connection: Connection,
        fingerprint: str,
        table: VectorTable,
        count: int,
        queries: Float32Array,
    ) -> None:
        """Find out what to ask of the index, and build it if it is none or too bad.

        Nobody else does at once. It is built for some of the queries, and measured by the others.
        """
        building, measuring = for_learning(queries), for_measuring(queries)
        if not first_value(connection, "SELECT pg_try_advisory_lock(%s)", table.number):
            return
        connection.execute("SET statement_timeout = 0")
        try:
            found = 0, 0, False
            if table.short is not None and (table.short.knows_texts or not len(building)):
                found = enough_candidates(connection, table, measuring)
            if not found[2]:
                logger.info("the shared engine indexes %d vectors", count)
                self._build(connection, table, building)
                self._tables.forget(fingerprint)
                built = self._tables.find(connection, fingerprint)
                assert built is not None  # noqa: S101  # it has just been indexed
                found = enough_candidates(connection, built, measuring)
            connection.execute(
                "SELECT imgvecd.set_candidates(%s, %s, %s, %s)",
                (table.number, *found[:2], count),
            )
            self._tables.forget(fingerprint)
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (table.number,))
                connection.execute(statement(f"SET statement_timeout = {WRITE_MS:d}"))

    def _build(self, connection: Connection, table: VectorTable, questions: Float32Array) -> None:
        sample = [vector.to_numpy() for vector in sampled(connection, table, _SAMPLE)]
        short = learn(np.stack(sample), questions)
        axes, query_axes = (
            [Vector(axis) for axis in some] for some in (short.axes, short.query_axes)
        )
        connection.execute(
            "SELECT imgvecd.build_index(%s, %b, %b::vector[], %b::vector[], %s)",
            (table.number, Vector(short.mean), axes, query_axes, short.reach),
        )


def _rows(connection: Connection, table: str) -> int:
    """Return about how many rows a table has: counted if they may be few."""
    estimate = first_value(
        connection, "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", table
    )
    if estimate is not None and estimate > _COUNTED:
        return int(estimate)
    ((count,),) = connection.execute(statement(f"SELECT count(*) FROM {table}")).fetchall()
    return int(count)
