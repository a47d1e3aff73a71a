"""What waits to be read and encoded, and the results: implements `WorkQueue`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from imgvecd.catalog.files import companions, dating, liveness
from imgvecd.catalog.files.inheritance import inherit
from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.schema import stored_vectors
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row, stamp_values
from imgvecd.catalog.work.models import model_dim, model_id
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.types import Facts, FileRow, Float32Array, ImageInfo

_AT_THE_STAMP = " WHERE id = ? AND size_bytes = ? AND mtime_ns = ? AND inode = ? AND ctime_ns = ?"
_STILL_THE_SAME = _AT_THE_STAMP + " AND pending"


class WorkTable:
    """Queues that survive a restart, since they are rows. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending_files(self, limit: int) -> list[FileRow]:
        """Return files that wait to be read, on online roots, the latest change first."""
        with self._database.read() as connection:
            rows = connection.execute(
                # CROSS JOIN keeps SQLite from starting with the roots, which would sort all files
                f"SELECT {FILE_COLUMNS} FROM files INDEXED BY files_pending"
                " CROSS JOIN roots ON roots.id = files.root_id"
                f" WHERE files.pending AND NOT {offline()}"
                " ORDER BY files.clock DESC, files.id LIMIT ?",
                (limit,),
            ).fetchall()
        return [file_row(row) for row in rows]

    def link_contents(self, read: Sequence[tuple[FileRow, bytes]]) -> int:
        """Record (file, BLAKE2b-256 of its bytes) in one transaction; return the clock.

        A file whose row has changed since it was handed out stays pending.
        """
        with self._database.write() as (connection, clock):
            touched: list[int | None] = []
            for file, digest in read:
                touched += _link(connection, clock, file, digest)
            liveness.update_liveness(connection, clock, touched)
            companions.refresh(connection, [_place(file) for file, _ in read])
        return clock

    def keep_companions(self, read: Sequence[tuple[FileRow, Facts | None]]) -> int:
        """Record files beside images, and what sidecars among them say; return the clock.

        A file whose row has changed since it was handed out stays pending.
        """
        with self._database.write() as (connection, clock):
            for file, facts in read:
                changed = connection.execute(
                    "UPDATE files SET pending = 0, failure = NULL, failure_message = NULL,"
                    " content_id = NULL,"
                    f" clock = {clock:d}" + _STILL_THE_SAME,
                    (file.id, *stamp_values(file.stamp)),
                )
                if changed.rowcount:
                    companions.keep_facts(connection, file.id, facts)
            liveness.update_liveness(connection, clock, [file.content_id for file, _ in read])
            companions.refresh(connection, [_place(file) for file, _ in read])
        return clock

    def fail_files(self, failures: Sequence[tuple[FileRow, str, str]]) -> int:
        """Record (file, reason, message) of files that could not be read; return the clock.

        A file whose stamp has changed since it was handed out stays as it is.
        """
        with self._database.write() as (connection, clock):
            connection.executemany(
                "UPDATE files SET pending = 0, content_id = NULL, failure = ?,"
                f" failure_message = ?, clock = {clock:d}" + _AT_THE_STAMP,
                [
                    (reason, message, file.id, *stamp_values(file.stamp))
                    for file, reason, message in failures
                ],
            )
            liveness.update_liveness(
                connection, clock, [file.content_id for file, _, _ in failures]
            )
            for file, _, _ in failures:
                companions.keep_facts(connection, file.id, None)
            companions.refresh(connection, [_place(file) for file, _, _ in failures])
        return clock

    def contents_to_encode(
        self, fingerprint: str, limit: int, skip: set[int]
    ) -> list[tuple[int, FileRow]]:
        """Return (content id, a file that bears it) lacking an embedding, on online roots.

        The newest contents come first.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT queue.content_id, {FILE_COLUMNS} FROM encode_queue AS queue"
                " JOIN files ON files.id = (SELECT min(f.id) FROM files AS f JOIN roots"
                " ON roots.id = f.root_id WHERE f.content_id = queue.content_id"
                f" AND NOT f.pending AND NOT {offline('f')})"
                " WHERE queue.model_id = ? ORDER BY queue.content_id DESC LIMIT ?",
                (model_id(connection, fingerprint), limit + len(skip)),
            ).fetchall()
        found = [(row[0], file_row(row[1:])) for row in rows if row[0] not in skip]
        return found[:limit]

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, Float32Array]:
        """Return the vectors (shape (dim,)) that the model gave these very pixels, by digest."""
        with self._database.read() as connection:
            model = model_id(connection, fingerprint)
            dim, base = model_dim(connection, model), model << liveness.KEY_BITS
            found = {
                digest: connection.execute(
                    "SELECT vector FROM embeddings WHERE pixels = ? AND key > ? AND key < ?",
                    (digest, base, base + (1 << liveness.KEY_BITS)),
                ).fetchone()
                for digest in digests
            }
        stored = {digest: row[0] for digest, row in found.items() if row is not None}
        vectors, sound = stored_vectors.decoded(list(stored.values()), dim)
        return {
            digest: vector
            for digest, vector, is_sound in zip(stored, unpacked(vectors), sound, strict=True)
            if is_sound
        }

    def encode_again(self, fingerprint: str, digests: Sequence[bytes]) -> int:
        """Drop the vectors that the model gave these pixels; return how many images are queued."""
        with self._database.write() as (connection, clock):
            model = model_id(connection, fingerprint)
            base = model << liveness.KEY_BITS
            ids = [
                key - base
                for digest in digests
                for (key,) in connection.execute(
                    "DELETE FROM embeddings WHERE pixels = ? AND key > ? AND key < ? RETURNING key",
                    (digest, base, base + (1 << liveness.KEY_BITS)),
                ).fetchall()
            ]
            liveness.update_liveness(connection, clock, ids)
        return len(ids)

    def commit_embeddings(
        self,
        fingerprint: str,
        encoded: Sequence[tuple[int, ImageInfo]],
        vectors: Float32Array,
        failures: Sequence[tuple[int, str, str]],
        pixels: Mapping[int, bytes] = MappingProxyType({}),
    ) -> int:
        """Commit a batch in one transaction; return the clock.

        Args:
            encoded: content ids, in the order of the rows of `vectors` (n, dim).
            failures: (content id, reason, message) of contents that cannot be decoded.
            pixels: digests of what was encoded, by content id, for `vectors_of_pixels`.
        """
        rows = stored_vectors.encoded(vectors)
        with self._database.write() as (connection, clock):
            model = model_id(connection, fingerprint)
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings (key, vector, clock, pixels)"
                " VALUES (?, ?, ?, ?)",
                [
                    (
                        (model << liveness.KEY_BITS) + content_id,
                        vector,
                        clock,
                        pixels.get(content_id),
                    )
                    for (content_id, _), vector in zip(encoded, rows, strict=True)
                ],
            )
            connection.executemany(
                "DELETE FROM metadata_queue WHERE content_id = ?",
                [(content_id,) for content_id, _ in encoded],
            )
            companions.restore(connection, [content_id for content_id, _ in encoded])
            connection.executemany(
                "UPDATE contents SET format = ?, width = ?, height = ?,"
                " taken_at = coalesce(?, taken_at), truncated = ?, metadata = ?, failure = NULL,"
                " failure_message = NULL WHERE id = ?",
                [(*_info_values(info), content_id) for content_id, info in encoded],
            )
            undated = [content_id for content_id, info in encoded if not info.taken_at]
            dating.mark_inherited(connection, undated)
            companions.overlay(connection, [content_id for content_id, _ in encoded])
            connection.executemany(
                "UPDATE contents SET failure = ?, failure_message = ? WHERE id = ?",
                [(reason, message, content_id) for content_id, reason, message in failures],
            )
            connection.executemany(
                "DELETE FROM encode_queue WHERE model_id = ? AND content_id = ?",
                [(model, content_id) for content_id, _ in encoded],
            )
            connection.executemany(  # what no model can see, no model is asked to
                "DELETE FROM encode_queue WHERE content_id = ?",
                [(content_id,) for content_id, _, _ in failures],
            )
        return clock


def _link(
    connection: sqlite3.Connection, clock: int, file: FileRow, digest: bytes
) -> list[int | None]:
    known = connection.execute("SELECT id FROM contents WHERE hash = ?", (digest,)).fetchone()
    (content_id,) = (
        known
        or connection.execute(
            "INSERT INTO contents (hash, size_bytes, live, clock) VALUES (?, ?, 0, ?) RETURNING id",
            (digest, file.stamp.size_bytes, clock),
        ).fetchone()
    )
    if known is None and file.content_id is not None:
        inherit(connection, file.content_id, content_id)
    changed = connection.execute(
        "UPDATE files SET pending = 0, content_id = ?, failure = NULL, failure_message = NULL,"
        " clock = ?" + _STILL_THE_SAME,
        (content_id, clock, file.id, *stamp_values(file.stamp)),
    )
    if not changed.rowcount:
        return []
    if file.content_id != content_id:
        connection.execute(
            "INSERT INTO changes (clock, kind, file_id, root_id, dir, name, content_id)"
            " SELECT ?, ?, id, root_id, dir, name, content_id FROM files WHERE id = ?",
            (clock, "added" if file.content_id is None else "changed", file.id),
        )
    return [file.content_id, content_id]


def _place(file: FileRow) -> companions.Place:
    return file.root_id, file.dir, file.name


def _info_values(info: ImageInfo) -> tuple[object, ...]:
    metadata = json.dumps(info.metadata, ensure_ascii=False, sort_keys=True)
    return info.format, info.width, info.height, info.taken_at, info.truncated, metadata
