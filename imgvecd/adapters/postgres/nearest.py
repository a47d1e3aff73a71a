"""The statements that find the nearest vectors of a model: exactly, or by its index.

The index (HNSW) is over short forms of the vectors; what it finds is ranked anew by exact scores.
What few images pass a filter are compared one by one, which is exact; else the index goes on until
enough that it finds pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgvector import HalfVector, Vector

from imgvecd.adapters.postgres.connections import Connection, statement
from imgvecd.adapters.postgres.filters import of_images
from imgvecd.adapters.postgres.vector_tables import VectorTable
from imgvecd.core.sharing.vector_engine import (
    DIGEST_BYTES,
    KEY_BITS,
    ImageFacts,
    SharedImage,
    Where,
)
from imgvecd.types import Float32Array

FEW = 10_000
"""Images of a filter that are compared one by one, exactly: some 3 µs each for 512 dimensions."""

_RANKED = 500
"""The nearest candidates by short forms, which are ranked anew: they hold 0.98 of the ten best."""

_BEYOND = 1 << 62  # every key
_MOST_AT_ONCE = 1000  # of the index; it goes on for more
_COLUMNS = (
    "i.content, i.format, i.width, i.height, i.taken, i.rating, i.latitude, i.longitude, i.paths"
)
# Few rows of a large table are looked up, whatever the planner believes of how many they are.
_BY_KEY = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;"
    " SET LOCAL enable_mergejoin = off"
)
# An index scan delivers in order; whatever else the planner may think of sorts everything. What it
# may remember of where it was is 128 MB, which is some hundred thousand images.
_BY_INDEX = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off;"
    " SET LOCAL enable_mergejoin = off; SET LOCAL enable_bitmapscan = off;"
    " SET LOCAL work_mem = '16MB'; SET LOCAL hnsw.scan_mem_multiplier = 8;"
    " SET LOCAL hnsw.max_scan_tuples = 1000000;"
    " SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = "
)


def nearest(
    connection: Connection,
    table: VectorTable,
    query: Float32Array,
    k: int,
    where: Where,
    *,
    by_index: bool | None = None,
    among: str = "",
) -> list[tuple[Any, ...]]:
    """Return rows (key, score, source, facts…) of the best k; inside a transaction.

    Args:
        by_index: None chooses.
        among: a further condition on `v.key`, without parameters.
    """
    of_facts, values = of_images(where.filters)
    ranges = key_ranges(connection, where)
    is_narrow = bool(of_facts) or ranges is not None
    if by_index is None:
        by_index = table.short is not None and not (
            is_narrow and count_passing(connection, table, where, FEW) <= FEW
        )
    tests = " AND ".join(filter(None, [_within(ranges, "v"), of_facts, among]))
    exact = f"(v.vector::vector({table.dim}) <#> %b::vector({table.dim}))"
    if by_index:
        assert table.short is not None  # noqa: S101  # there is an index
        enough = table.candidates_filtered if is_narrow or among else table.candidates
        wanted = max(enough, 2 * k)
        connection.execute(statement(f"{_BY_INDEX}{min(_MOST_AT_ONCE, wanted):d}"))
        joined = "JOIN imgvecd.images i ON i.key = v.key" if of_facts else ""
        # `+ 0`: else the order of the index, which is not exact, passes for this one, and the
        # first that it finds for the nearest of all
        found = (
            "SELECT w.key, w.vector FROM (SELECT key FROM"
            f" (SELECT v.key, v.short <-> %b AS distance FROM {table.short_name} v {joined}"
            f" {'WHERE ' + tests if tests else ''} ORDER BY v.short <-> %b LIMIT %s) c"
            f" ORDER BY distance + 0 LIMIT %s) n JOIN {table.name} w ON w.key = n.key"
        )
        short = HalfVector(table.short.of_query(query))
        given = [short, *values, short, wanted, max(_RANKED, 2 * k), k]
    else:
        if table.short is not None and is_narrow:
            connection.execute(statement(_BY_KEY))
        found = (
            f"SELECT v.key, v.vector FROM {table.name} v"
            " JOIN imgvecd.images i ON i.key = v.key"
            f" {'WHERE ' + tests if tests else ''} ORDER BY {exact}, v.key LIMIT %s"
        )
        given = [*values, Vector(query), k, k]
    return connection.execute(
        statement(
            f"SELECT v.key, v.score, s.name, {_COLUMNS} FROM"
            f" (SELECT v.key, -{exact} AS score FROM ({found}) v"
            " ORDER BY score DESC, v.key LIMIT %s) v"
            " JOIN imgvecd.images i ON i.key = v.key"
            f" JOIN imgvecd.sources s ON s.number = v.key >> {KEY_BITS}"
            " ORDER BY score DESC, v.key"
        ),
        [Vector(query), *given],
    ).fetchall()


def count_passing(connection: Connection, table: VectorTable, where: Where, most: int) -> int:
    """Return how many images pass; `most` + 1 stands for more."""
    of_facts, values = of_images(where.filters)
    ranges = key_ranges(connection, where)
    if of_facts:
        tests = " AND ".join(filter(None, [_within(ranges, "i"), of_facts]))
        counted = f"SELECT 1 FROM imgvecd.images i WHERE {tests} LIMIT %s"
        values.append(most + 1)
    else:  # each range by the primary key alone
        some = [
            f"(SELECT 1 FROM {table.name} WHERE key >= {first:d} AND key < {beyond:d} LIMIT %s)"
            for first, beyond in ([(0, _BEYOND)] if ranges is None else ranges)
        ]
        counted = " UNION ALL ".join(some) or "SELECT 1 WHERE false"
        values = [most + 1] * len(some)
    ((count,),) = connection.execute(
        statement(f"SELECT count(*) FROM ({counted}) AS passing"), values
    ).fetchall()
    return min(int(count), most + 1)


def key_ranges(connection: Connection, where: Where) -> list[tuple[int, int]] | None:
    """Return the ranges (first, beyond) of the keys of all sources wanted; None for all keys."""
    if where.names:
        rows = connection.execute(
            "SELECT number FROM imgvecd.sources WHERE name = ANY (%s) ORDER BY number",
            (list(where.names),),
        ).fetchall()
        wanted = [number for (number,) in rows if number != where.without]
        return [(number << KEY_BITS, (number + 1) << KEY_BITS) for number in wanted]
    if where.without is None:
        return None
    return [(0, where.without << KEY_BITS), ((where.without + 1) << KEY_BITS, _BEYOND)]


def _within(ranges: list[tuple[int, int]] | None, table: str) -> str:
    """Return the condition that keys lie in ranges; empty for all."""
    if ranges is None:
        return ""
    tests = [f"{table}.key >= {first:d} AND {table}.key < {beyond:d}" for first, beyond in ranges]
    return f"({' OR '.join(tests) or 'false'})"


def image_of(row: Sequence[Any]) -> SharedImage:
    """Return what a row of `nearest` says."""
    key, score, source, content, kind, width, height, taken, *others = row
    rating, latitude, longitude, paths = others
    facts = ImageFacts(
        content_id=key & ((1 << KEY_BITS) - 1),
        content=content.bytes[:DIGEST_BYTES],
        format=kind,
        width=width,
        height=height,
        taken_at=taken,
        rating=rating,
        latitude=latitude,
        longitude=longitude,
        paths=tuple(paths),
    )
    return SharedImage(key, min(1.0, max(-1.0, float(score))), source, facts)
