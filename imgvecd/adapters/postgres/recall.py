"""How much of what an exact search finds the index finds, and what makes it enough."""

from __future__ import annotations

import dataclasses
import logging
import math

import numpy as np

from imgvecd.adapters.postgres.connections import Connection, statement
from imgvecd.adapters.postgres.nearest import nearest
from imgvecd.adapters.postgres.vector_tables import VectorTable
from imgvecd.core.sharing.vector_engine import LEAST_RECALL, Recall, Where
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

_K = 10
_MOST_QUERIES = 24  # an exact search of a million takes a second
_OWN_QUERIES = 8  # of images in the table, beside what people ask
_TENTH = "v.key %% 10 = 3"  # as psycopg takes it
_SHARES = (1 / 64, 1 / 32, 1 / 20, 1 / 14, 1 / 10, 1 / 7, 1 / 5, 1 / 3, 1)  # of the lists
_MARGIN = 0.01  # measured on a few queries
_TIE = 1e-6


def measure(connection: Connection, table: VectorTable, queries: Float32Array) -> Recall:
    """Return the recall of searches as they are now."""
    if table.mean is None:
        return Recall(1.0, 1.0, "exact, one by one", 0)
    asked = _questions(connection, table, queries)
    unfiltered, filtered = (
        _found(connection, table, asked, _exact(connection, table, asked, among), among)
        for among in ("", _TENTH)
    )
    how = f"IVF, {table.probes} and {table.probes_filtered} of {table.lists} lists"
    return Recall(unfiltered, filtered, how, len(asked))


def best_probes(
    connection: Connection, table: VectorTable, queries: Float32Array
) -> tuple[int, int]:
    """Return the least probes, without and with a filter, that find what is promised."""
    asked = _questions(connection, table, queries)
    best = []
    for among in ("", _TENTH):
        exact = _exact(connection, table, asked, among)
        for share in _SHARES:
            probes = math.ceil(table.lists * share)
            tried = dataclasses.replace(table, probes=probes, probes_filtered=probes)
            found = _found(connection, tried, asked, exact, among)
            what = "with one in ten allowed " if among else ""
            logger.info("shared engine: recall %s%.3f, %d lists", what, found, probes)
            if found >= LEAST_RECALL + _MARGIN:
                break
        best.append(probes)
    return best[0], best[1]


def _questions(connection: Connection, table: VectorTable, queries: Float32Array) -> Float32Array:
    rows = connection.execute(
        statement(
            f"SELECT vector FROM {table.name} TABLESAMPLE BERNOULLI ((SELECT least(100,"
            " 100000 / greatest(reltuples, 1)) FROM pg_class"
            f" WHERE oid = '{table.name}'::regclass)) ORDER BY random() LIMIT %s"
        ),
        (_OWN_QUERIES,),
    ).fetchall()
    own = [np.asarray(vector.to_list(), np.float32) for (vector,) in rows]
    asked = np.stack([*queries[: _MOST_QUERIES - len(own)], *own])
    return np.asarray(asked / np.linalg.norm(asked, axis=1, keepdims=True), np.float32)


def _exact(
    connection: Connection, table: VectorTable, queries: Float32Array, among: str
) -> list[float]:
    """Return the score of the tenth best for each query."""
    worst = []
    for query in queries:
        with connection.transaction():
            rows = nearest(connection, table, query, _K, Where(), by_index=False, among=among)
        worst.append(float(rows[-1][1]) if len(rows) == _K else -1.0)
    return worst


def _found(
    connection: Connection,
    table: VectorTable,
    queries: Float32Array,
    exact: list[float],
    among: str,
) -> float:
    """Return the share of the ten best that the index finds."""
    found = 0
    for query, least in zip(queries, exact, strict=True):
        with connection.transaction():
            rows = nearest(connection, table, query, _K, Where(), by_index=True, among=among)
        found += sum(row[1] >= least - _TIE for row in rows)
    return found / (_K * len(queries))
