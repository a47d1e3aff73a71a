"""Embeddings as the index wants them: implements `EmbeddingSource`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from imgvecd.adapters.sqlite.connection import Database
from imgvecd.adapters.sqlite.liveness import KEY_BITS
from imgvecd.adapters.sqlite.models import model_id
from imgvecd.adapters.sqlite.rows import get_meta
from imgvecd.types import Float32Array, IndexChanges, Int64Array

_LIVE = (
    " FROM embeddings JOIN contents ON contents.id = embeddings.key - :base"
    " WHERE embeddings.key > :base AND embeddings.key < :end AND contents.live"
)
_CHANGED = (
    "SELECT clock, id FROM contents WHERE clock > :since"
    " UNION ALL SELECT clock, key - :base FROM embeddings"
    " WHERE clock > :since AND +key > :base AND +key < :end"  # +: by clock, not by key
)


class Embeddings:
    """Read access to vectors by content id. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clock(self) -> int:
        """Return the catalog's change counter."""
        with self._database.read() as connection:
            return int(get_meta(connection, "clock"))

    def instance(self) -> str:
        """Return the catalog's own name, made with it; a clock means nothing under another."""
        with self._database.read() as connection:
            return str(get_meta(connection, "instance"))

    def live_count(self, fingerprint: str) -> int:
        """Return how many contents borne by at least one file have an embedding."""
        with self._database.read() as connection:
            keys = _keys(connection, fingerprint)
            ((count,),) = connection.execute("SELECT count(*)" + _LIVE, keys).fetchall()
        return int(count)

    def stream_embeddings(
        self, fingerprint: str, batch_size: int
    ) -> tuple[int, Iterator[IndexChanges]]:
        """Return (clock, batches): all live embeddings at that clock, by ascending id.

        The batches come from one read snapshot, carry that clock and remove nothing.
        """
        batches = self._stream(fingerprint, batch_size)
        first = next(batches)  # opens the snapshot and reads its clock
        return first.clock, batches

    def _stream(self, fingerprint: str, batch_size: int) -> Iterator[IndexChanges]:
        with self._database.read() as connection:
            clock = int(get_meta(connection, "clock"))
            yield _changes(clock, [], [])
            cursor = connection.execute(
                "SELECT contents.id, embeddings.vector" + _LIVE + " ORDER BY embeddings.key",
                _keys(connection, fingerprint),
            )
            while rows := cursor.fetchmany(batch_size):
                yield _changes(clock, rows, [])

    def embedding_changes(
        self, fingerprint: str, since: int, limit: int
    ) -> tuple[int, IndexChanges]:
        """Return (number, changes): what changed after clock `since`, at most about `limit` ids.

        `changes.clock` is how far they reach; call again from there until it stands still.
        """
        with self._database.read() as connection:
            keys = {**_keys(connection, fingerprint), "since": since}
            boundary = connection.execute(
                f"SELECT clock FROM ({_CHANGED}) ORDER BY clock LIMIT 1 OFFSET :limit",
                {**keys, "limit": max(limit - 1, 0)},
            ).fetchone()
            until = boundary[0] if boundary else int(get_meta(connection, "clock"))
            rows = connection.execute(
                "SELECT contents.id, contents.live, embeddings.vector FROM contents"
                " LEFT JOIN embeddings ON embeddings.key = contents.id + :base WHERE contents.id IN"
                f" (SELECT id FROM ({_CHANGED}) WHERE clock <= :until) ORDER BY contents.id",
                {**keys, "until": until},
            ).fetchall()
        added = [(content_id, vector) for content_id, live, vector in rows if live and vector]
        removed = [content_id for content_id, live, _ in rows if not live]
        return len(added) + len(removed), _changes(until, added, removed)

    def embeddings(self, fingerprint: str, ids: Sequence[int]) -> dict[int, Float32Array]:
        """Return the vectors (shape (dim,), float32, L2-normalised) of those ids that have one."""
        with self._database.read() as connection:
            base = model_id(connection, fingerprint) << KEY_BITS
            found = {
                content_id: connection.execute(
                    "SELECT vector FROM embeddings WHERE key = ?", (base + content_id,)
                ).fetchone()
                for content_id in ids
            }
        return {
            content_id: _normalised(np.frombuffer(row[0], np.float16).astype(np.float32))
            for content_id, row in found.items()
            if row is not None
        }


def _keys(connection: sqlite3.Connection, fingerprint: str) -> dict[str, int]:
    model = model_id(connection, fingerprint)
    return {"base": model << KEY_BITS, "end": (model + 1) << KEY_BITS}


def _changes(
    clock: int, added: Sequence[tuple[int, bytes]], removed: Sequence[int]
) -> IndexChanges:
    vectors = np.frombuffer(b"".join(vector for _, vector in added), np.float16)
    shape = (len(added), -1) if added else (0, 0)
    return IndexChanges(
        clock,
        _ids([content_id for content_id, _ in added]),
        vectors.reshape(shape),
        _ids(removed),
    )


def _ids(values: Sequence[int]) -> Int64Array:
    return np.asarray(values, dtype=np.int64)


def _normalised(vector: Float32Array) -> Float32Array:
    return vector / np.float32(np.linalg.norm(vector))
