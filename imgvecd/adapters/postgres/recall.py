"""How much of what an exact search finds the index finds, and what makes it enough."""

from __future__ import annotations

import logging

import numpy as np

from imgvecd.adapters.postgres.connections import Connection, statement
from imgvecd.adapters.postgres.nearest import MOST_EF, nearest
from imgvecd.adapters.postgres.vector_tables import VectorTable
from imgvecd.core.sharing.vector_engine import Recall, Where
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

LEAST = 0.95
"""Recall at 10 that is promised, unfiltered and with one image in ten allowed."""

_K = 10
_MOST_QUERIES = 24  # an exact search of a million takes a second
_OWN_QUERIES = 8  # of images in the table, beside what people ask
_TENTH = "v.key %% 10 = 3"  # as psycopg takes it
_CANDIDATES = (100, 200, 400, 700, MOST_EF, 2000, 4000)
_MARGIN = 0.01  # measured on a few queries
_TIE = 1e-6


def measure(connection: Connection, table: VectorTable, queries: Float32Array) -> Recall:
    """Return the recall of searches as they are now."""
    if table.mean is None:
        return Recall(1.0, 1.0, "exact, one by one", 0)
    asked = _questions(connection, table, queries)
    exact = [_exact(connection, table, asked, among) for among in ("", _TENTH)]
    return _measured(connection, table, asked, exact)


def best_candidates(connection: Connection, table: VectorTable, queries: Float32Array) -> int:
    """Return the least number of candidates with which the recall is what is promised."""
    asked = _questions(connection, table, queries)
    exact = [_exact(connection, table, asked, among) for among in ("", _TENTH)]
    for candidates in _CANDIDATES:
        tried = VectorTable(table.number, table.dim, table.mean, candidates)
        found = _measured(connection, tried, asked, exact)
        logger.info(
            "shared engine: recall %.3f, filtered %.3f, %s",
            found.unfiltered,
            found.filtered,
            found.how,
        )
        if min(found.unfiltered, found.filtered) >= LEAST + _MARGIN:
            return candidates
    logger.warning("the shared engine's index finds less than %.0f %% of the best", 100 * LEAST)
    return _CANDIDATES[-1]


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


def _measured(
    connection: Connection, table: VectorTable, queries: Float32Array, exact: list[list[float]]
) -> Recall:
    shares = []
    for among, worst in zip(("", _TENTH), exact, strict=True):
        found = 0
        for query, least in zip(queries, worst, strict=True):
            with connection.transaction():
                rows = nearest(connection, table, query, _K, Where(), by_index=True, among=among)
            found += sum(row[1] >= least - _TIE for row in rows)
        shares.append(found / (_K * len(queries)))
    return Recall(shares[0], shares[1], f"HNSW, {table.candidates} candidates", len(queries))
