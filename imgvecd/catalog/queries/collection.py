"""What a person adds to the library: images by name or by vector, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row
from imgvecd.catalog.schema.stored_vectors import encoded
from imgvecd.catalog.work.models import model_id
from imgvecd.types import FileRow, Float32Array, ImageInfo


class Collection:
    """Adds to what watching knows. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def files_of(self, content_ids: Sequence[int]) -> list[FileRow]:
        """Return every file that bears one of the contents."""
        with self._database.read() as connection:
            return [
                file_row(row)
                for content_id in content_ids
                for row in connection.execute(
                    f"SELECT {FILE_COLUMNS} FROM files WHERE content_id = ? ORDER BY id",
                    (content_id,),
                )
            ]

    def add_contents(
        self,
        fingerprint: str,
        contents: Sequence[tuple[bytes, int, ImageInfo]],
        vectors: Float32Array,
    ) -> list[int]:
        """Record contents with embeddings that were computed elsewhere; return their ids in order.

        They stay unseen until files are linked to them. What is known of a content stays.

        Args:
            contents: (hash, size in bytes or 0 if the file was never seen, what is known of it).
            vectors: shape (n, dim), rows L2-normalised.
        """
        rows = encoded(vectors)
        ids = []
        with self._database.write() as (connection, clock):
            model = model_id(connection, fingerprint)
            for (digest, size_bytes, info), vector in zip(contents, rows, strict=True):
                ((content_id,),) = connection.execute(
                    "INSERT INTO contents (hash, size_bytes, live, clock, format, width, height,"
                    " taken_at) VALUES (?, ?, 0, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (hash) DO UPDATE SET hash = hash RETURNING id",
                    (
                        digest,
                        size_bytes,
                        clock,
                        info.format,
                        info.width,
                        info.height,
                        info.taken_at,
                    ),
                ).fetchall()
                connection.execute(
                    "INSERT OR IGNORE INTO embeddings (key, vector, clock) VALUES (?, ?, ?)",
                    ((model << KEY_BITS) + content_id, vector, clock),
                )
                ids.append(int(content_id))
        return ids

    def contents_lacking(
        self, fingerprint: str, contents: Sequence[tuple[bytes, int]]
    ) -> dict[bytes, int]:
        """Return the ids by hash of those of (hash, size in bytes) that lack the model's embedding.

        What is not known is recorded, and stays unseen until files are linked to it.
        """
        found: dict[bytes, int] = {}
        with self._database.write() as (connection, clock):
            model = model_id(connection, fingerprint)
            for digest, size_bytes in contents:
                ((content_id,),) = connection.execute(
                    "INSERT INTO contents (hash, size_bytes, live, clock) VALUES (?, ?, 0, ?)"
                    " ON CONFLICT (hash) DO UPDATE SET hash = hash RETURNING id",
                    (digest, size_bytes, clock),
                ).fetchall()
                key = (model << KEY_BITS) + content_id
                there = connection.execute("SELECT 1 FROM embeddings WHERE key = ?", (key,))
                if there.fetchone() is None:
                    found[digest] = int(content_id)
        return found

    def identify(self, content_id: int, digest: bytes, size_bytes: int) -> bool:
        """Give a content whose file was never seen its hash; False if another content has it."""
        with self._database.write() as (connection, _):
            changed = connection.execute(
                "UPDATE contents SET hash = ?1, size_bytes = ?2 WHERE id = ?3 AND size_bytes = 0"
                " AND NOT EXISTS (SELECT 1 FROM contents WHERE hash = ?1)",
                (digest, size_bytes, content_id),
            )
            return changed.rowcount > 0

    def set_origins(self, origins: Mapping[int, str]) -> None:
        """Record the URL that contents were fetched from, by id."""
        with self._database.write() as (connection, _):
            connection.executemany("INSERT OR REPLACE INTO origins VALUES (?, ?)", origins.items())

    def origins(self, content_ids: Sequence[int]) -> dict[int, str]:
        """Return the URLs of those contents that were fetched from one."""
        with self._database.read() as connection:
            rows = (
                connection.execute(
                    "SELECT content_id, url FROM origins WHERE content_id = ?", (content_id,)
                ).fetchone()
                for content_id in content_ids
            )
            return dict(row for row in rows if row is not None)

    def changed_since(self, clock: int) -> Iterator[int]:
        """Yield, ascending, the ids of live contents that gained or lost a file after `clock`."""
        with self._database.read() as connection:
            cursor = connection.execute(
                "SELECT id FROM contents WHERE live AND (clock > ?1 OR id IN"
                " (SELECT content_id FROM changes WHERE clock > ?1)) ORDER BY id",
                (clock,),
            )
            for (content_id,) in cursor:
                yield int(content_id)
