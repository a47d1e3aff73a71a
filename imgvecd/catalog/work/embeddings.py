"""Embeddings as the index wants them: implements `EmbeddingSource`.

A row that cannot be an embedding, since a disk has changed it, is never handed out: it is dropped
and its image queued, to be encoded again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence

import numpy as np

from imgvecd.catalog.files.liveness import KEY_BITS, update_liveness
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import get_meta
from imgvecd.catalog.schema.stored_vectors import decoded
from imgvecd.catalog.work.models import model_dim, model_id
from imgvecd.core.index.packed_vectors import packed_type, unpacked
from imgvecd.types import Float32Array, IndexChanges, Int64Array, PackedVectors

logger = logging.getLogger(__name__)

_NAMED = 10  # images that a line of the log names
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
            keys = _bounds(model_id(connection, fingerprint))
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
            model = model_id(connection, fingerprint)
            dim = model_dim(connection, model)
            clock = int(get_meta(connection, "clock"))
            yield _changes(clock, [], np.empty(0, packed_type(dim)), [])
            cursor = connection.execute(
                "SELECT contents.id, embeddings.vector" + _LIVE + " ORDER BY embeddings.key",
                _bounds(model),
            )
            while rows := cursor.fetchmany(batch_size):
                yield _changes(clock, *self._believed(model, dim, rows), [])

    def embedding_changes(
        self, fingerprint: str, since: int, limit: int
    ) -> tuple[int, IndexChanges]:
        """Return (number, changes): what changed after clock `since`, at most about `limit` ids.

        `changes.clock` is how far they reach; call again from there until it stands still.
        """
        with self._database.read() as connection:
            model = model_id(connection, fingerprint)
            dim = model_dim(connection, model)
            keys = {**_bounds(model), "since": since}
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
        stored = [
            (content_id, vector) for content_id, live, vector in rows if live and vector is not None
        ]
        added, vectors = self._believed(model, dim, stored)
        removed = [content_id for content_id, live, _ in rows if not live]
        return len(added) + len(removed), _changes(until, added, vectors, removed)

    def embeddings(self, fingerprint: str, ids: Sequence[int]) -> dict[int, Float32Array]:
        """Return the vectors (shape (dim,), float32, L2-normalised) of those ids that have one."""
        with self._database.read() as connection:
            model = model_id(connection, fingerprint)
            dim = model_dim(connection, model)
            base = model << KEY_BITS
            stored = dict(
                connection.execute(
                    "SELECT key, vector FROM embeddings WHERE key IN"
                    " (SELECT value + ? FROM json_each(?))",
                    (base, json.dumps(list(ids))),
                ).fetchall()
            )
        rows = [(each, stored[base + each]) for each in ids if base + each in stored]
        believed, vectors = self._believed(model, dim, rows)
        return {
            content_id: _normalised(vector)
            for content_id, vector in zip(believed, unpacked(vectors), strict=True)
        }

    def _believed(
        self, model: int, dim: int, rows: Sequence[tuple[int, bytes]]
    ) -> tuple[list[int], PackedVectors]:
        """Return (ids, vectors) of those (content id, stored vector) that can be embeddings."""
        ids = [content_id for content_id, _ in rows]
        vectors, sound = decoded([vector for _, vector in rows], dim)
        if sound.all():
            return ids, vectors
        bad = [row for row, is_sound in zip(rows, sound, strict=True) if not is_sound]
        self._give_up(model, bad)
        return [ids[row] for row in np.flatnonzero(sound)], vectors[sound]

    def _give_up(self, model: int, bad: Sequence[tuple[int, bytes]]) -> None:
        """Drop embeddings that are none, and queue their images."""
        ids = [content_id for content_id, _ in bad]
        found = f"{len(bad)} embeddings in the catalog are damaged (images {ids[:_NAMED]})"
        if self._database.read_only:
            logger.warning("%s and left out: stop whoever writes and run `imgvecd repair`", found)
            return
        with self._database.write() as (connection, clock):
            connection.executemany(  # unless another has come in its place
                "DELETE FROM embeddings WHERE key = ? AND vector = ?",
                [((model << KEY_BITS) + content_id, vector) for content_id, vector in bad],
            )
            update_liveness(connection, clock, ids)
        logger.error("%s: dropped, to be encoded again", found)
        self._database.on_damage()


def _bounds(model: int) -> dict[str, int]:
    return {"base": model << KEY_BITS, "end": (model + 1) << KEY_BITS}


def _changes(
    clock: int, added: Sequence[int], vectors: PackedVectors, removed: Sequence[int]
) -> IndexChanges:
    return IndexChanges(clock, _ids(added), vectors, _ids(removed))


def _ids(values: Sequence[int]) -> Int64Array:
    return np.asarray(values, dtype=np.int64)


def _normalised(vector: Float32Array) -> Float32Array:
    return vector / np.float32(np.linalg.norm(vector))
