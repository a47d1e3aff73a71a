"""How much of what an exact search finds the index finds, and what makes it enough."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from pgvector import HalfVector

from imgvecd.adapters.postgres.connections import Connection, statement
from imgvecd.adapters.postgres.nearest import nearest
from imgvecd.adapters.postgres.vector_tables import VectorTable
from imgvecd.core.sharing.recall_questions import DRAWN, ENOUGH, TIE, K, questions
from imgvecd.core.sharing.vector_engine import Recall, Where
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

_TENTH = "v.key %% 10 = 3"  # as psycopg takes it
_TRIED = (50, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 4000)  # candidates
_DRAWN = 100_000  # percent of rows, so that enough are drawn however few are known of


def measure(connection: Connection, table: VectorTable, queries: Float32Array) -> Recall:
    """Return the recall of searches as they are now."""
    if table.short is None:
        return Recall(1.0, 1.0, "exact, one by one", 0)
    asked = np.concatenate(_kinds(connection, table, queries))
    unfiltered, filtered = (
        _found(connection, table, asked, _exact(connection, table, asked, among), among)
        for among in ("", _TENTH)
    )
    how = (
        f"HNSW of {len(table.short.axes)} of {table.dim} dimensions,"
        f" {table.candidates} and {table.candidates_filtered} candidates"
    )
    return Recall(unfiltered, filtered, how, len(asked))


def enough_candidates(
    connection: Connection, table: VectorTable, queries: Float32Array
) -> tuple[int, int, bool]:
    """Return the least candidates, without and with a filter, that find what is promised.

    They do so for what people ask and for pictures alike.

    Returns: also whether they do; if not, they are as many as were tried.
    """
    kinds = _kinds(connection, table, queries)
    best = []
    enough = True
    for among in ("", _TENTH):
        exact = [_exact(connection, table, some, among) for some in kinds]
        for candidates in _TRIED:
            tried = dataclasses.replace(
                table, candidates=candidates, candidates_filtered=candidates
            )
            found = min(
                _found(connection, tried, some, best_there, among)
                for some, best_there in zip(kinds, exact, strict=True)
            )
            what = "with one in ten allowed " if among else ""
            logger.info("shared engine: recall %s%.3f, %d candidates", what, found, candidates)
            if found >= ENOUGH:
                break
        else:
            enough = False
        best.append(candidates)
    return best[0], best[1], enough


def sampled(connection: Connection, table: VectorTable, most: int) -> list[HalfVector]:
    """Return some vectors of a table, by chance."""
    rows = connection.execute(
        statement(
            f"SELECT vector FROM {table.name} TABLESAMPLE BERNOULLI ((SELECT least(100,"
            " %s::float8 / greatest(reltuples, 1)) FROM pg_class"
            f" WHERE oid = '{table.name}'::regclass)) ORDER BY random() LIMIT %s"
        ),
        (max(_DRAWN, 200 * most), most),
        binary=True,
    ).fetchall()
    return [vector for (vector,) in rows]


def _kinds(connection: Connection, table: VectorTable, queries: Float32Array) -> list[Float32Array]:
    drawn = [vector.to_numpy() for vector in sampled(connection, table, DRAWN)]
    return questions(queries, np.stack(drawn).astype(np.float32))


def _exact(
    connection: Connection, table: VectorTable, queries: Float32Array, among: str
) -> list[float]:
    """Return the score of the tenth best for each query."""
    worst = []
    for query in queries:
        with connection.transaction():
            rows = nearest(connection, table, query, K, Where(), by_index=False, among=among)
        worst.append(float(rows[-1][1]) if len(rows) == K else -1.0)
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
            rows = nearest(connection, table, query, K, Where(), by_index=True, among=among)
        found += sum(row[1] >= least - TIE for row in rows)
    return found / (K * len(queries))
