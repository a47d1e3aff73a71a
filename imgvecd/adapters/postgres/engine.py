"""Implements `VectorEngine` on PostgreSQL with pgvector."""

from __future__ import annotations

import contextlib
import logging
import math
import uuid
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

from imgvecd.adapters.postgres.connections import (
    WRITE_S,
    Connection,
    Connections,
    encryption_warning,
    first_value,
    host_of,
    parameters,
    statement,
)
from imgvecd.adapters.postgres.index_keeper import IndexKeeper
from imgvecd.adapters.postgres.nearest import count_passing, image_of, nearest
from imgvecd.adapters.postgres.recall import measure
from imgvecd.adapters.postgres.schema import migrate
from imgvecd.adapters.postgres.short_vectors import for_measuring
from imgvecd.adapters.postgres.source_writer import SourceWriter
from imgvecd.adapters.postgres.vector_tables import VectorTables
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    KEY_BITS,
    PROMPT_S,
    FactStep,
    Member,
    Position,
    Recall,
    SharedImage,
    SourceState,
    VectorStep,
    Where,
)
from imgvecd.errors import EngineError
from imgvecd.types import Float16Array, Float32Array, Int64Array, ModelInfo

logger = logging.getLogger(__name__)

_COUNTED = 100_000
_PAGE = 10_000


class PostgresEngine:
    """An engine at a URL. Thread-safe; connects when it is needed.

    Args:
        url: as libpq takes it, several hosts included; without a password.
        password_file: empty for none.

    Raises:
        ConfigError: either makes no sense.
    """

    def __init__(self, url: str, password_file: str = "") -> None:
        self._where = host_of(url)
        given = parameters(url, password_file)
        if warning := encryption_warning(given):
            logger.warning("%s", warning)
        self._connections = Connections(given, self._where, register_vector)
        self._tables = VectorTables()
        self._writer = SourceWriter(self._connections, self._tables)
        self._indexes = IndexKeeper(self._tables)

    @property
    def name(self) -> str:
        """What kind of engine it is, for people."""
        return f"PostgreSQL at {self._where}"

    def join(self, member: Member) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time)."""
        return self._writer.join(member)

    def use_model(self, model: ModelInfo) -> None:
        """Make room for the vectors of a model, if there is none yet."""
        self._writer.use_model(model)

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        return self._writer.position(feed)

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source and move its position, both or neither."""
        self._writer.write(feed, since, until, step)

    def settle(self, fingerprint: str, questions: Callable[[], Float32Array]) -> None:
        """Build or tune the index of a model if that is due: takes as long as it takes."""
        with self._writer.connection(within_s=math.inf) as connection:
            self._indexes.settle(connection, fingerprint, questions)

    def keys(self, number: int, feed: str) -> Iterator[tuple[Int64Array, list[bytes]]]:
        """Yield (content ids, digests of contents) of a source, by ascending id."""
        first, end = number << KEY_BITS, (number + 1) << KEY_BITS
        last = first - 1
        while True:
            with self._connections.reading(WRITE_S) as connection:
                table = self._tables.find(connection, feed) if feed != FACTS else None
                if feed != FACTS and table is None:
                    return
                rows = connection.execute(
                    statement(
                        f"SELECT key, content FROM {table.name if table else 'imgvecd.images'}"
                        " WHERE key > %s AND key < %s ORDER BY key LIMIT %s"
                    ),
                    (last, end, _PAGE),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
            yield ids - first, [row[1].bytes for row in rows]

    def search(
        self, fingerprint: str, query: Float32Array, k: int, where: Where
    ) -> list[SharedImage]:
        """Return the k best images, best first, ties by ascending key."""
        with self._connections.reading() as connection:
            try:
                return self._search(connection, fingerprint, query, k, where)
            except psycopg.errors.UndefinedTable:  # an index has taken the place of the one known
                self._tables.forget(fingerprint)
                return self._search(connection, fingerprint, query, k, where)

    def _search(
        self, connection: Connection, fingerprint: str, query: Float32Array, k: int, where: Where
    ) -> list[SharedImage]:
        with connection.transaction():
            table = self._tables.find(connection, fingerprint)
            if table is None:
                return []
            return [image_of(row) for row in nearest(connection, table, query, k, where)]

    def count(self, fingerprint: str, where: Where) -> int:
        """Return how many images with a vector a search may find, at least about."""
        with self._connections.reading() as connection:
            table = self._tables.find(connection, fingerprint)
            if table is None:
                return 0
            return count_passing(connection, table, where, _COUNTED - 1)

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, dict[str, Float16Array]]:
        """Return what sources say that the model gave these very pixels."""
        with self._connections.reading(PROMPT_S) as connection:
            table = self._tables.find(connection, fingerprint)
            if table is None:
                return {}
            rows = connection.execute(
                statement(
                    f"SELECT DISTINCT ON (v.pixels, s.number) v.pixels, s.uuid, v.vector"
                    f" FROM {table.name} v"
                    f" JOIN imgvecd.sources s ON s.number = v.key >> {KEY_BITS}"
                    " WHERE v.pixels = ANY (%s) ORDER BY v.pixels, s.number, v.key"
                ),
                ([uuid.UUID(bytes=digest) for digest in digests],),
                binary=True,
            ).fetchall()
        found: dict[bytes, dict[str, Float16Array]] = {}
        for pixels, source, vector in rows:
            found.setdefault(pixels.bytes, {})[str(source)] = vector.to_numpy()
        return found

    def sources(self) -> list[SourceState]:
        """Return all sources, by number."""
        with self._connections.reading() as connection:
            migrate(connection)
            models = connection.execute(
                "SELECT number, fingerprint FROM imgvecd.models ORDER BY number"
            ).fetchall()
            images = _by_source(connection, "imgvecd.images")
            vectors = {
                fingerprint: _by_source(connection, f"imgvecd.vectors_{number:d}")
                for number, fingerprint in models
            }
            rows = connection.execute(
                "SELECT number, uuid, name, role, publishes,"
                " to_char(seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00')"
                " FROM imgvecd.sources ORDER BY number"
            ).fetchall()
        return [
            SourceState(
                number,
                str(name_for_good),
                name,
                role,
                tuple(publishes),
                seen_at,
                images.get(number, 0),
                {
                    fingerprint: counts[number]
                    for fingerprint, counts in vectors.items()
                    if number in counts
                },
            )
            for number, name_for_good, name, role, publishes, seen_at in rows
        ]

    def measure(self, fingerprint: str, queries: Float32Array) -> Recall:
        """Measure the recall as searches are now; takes as long as it takes."""
        with self._patient() as connection:
            register_vector(connection)
            table = self._tables.find(connection, fingerprint)
            if table is None:
                raise EngineError("the shared engine has no vectors of this model")
            return measure(connection, table, for_measuring(queries))

    def forget(self, number: int) -> int:
        """Delete everything of a source; return how many images. Takes as long as it takes."""
        with self._patient() as connection:
            try:
                return int(first_value(connection, "SELECT imgvecd.forget(%s)", number))
            except psycopg.errors.InsufficientPrivilege as error:
                raise EngineError(
                    "another role has published this source: forget it as that one, or as the"
                    " database's owner (`imgvecd shared forget --url URL`)"
                ) from error

    def prepare(self) -> None:
        """Make the tables, or bring them up to date."""
        with self._patient() as connection:
            migrate(connection)

    def close(self) -> None:
        """Close connections; a call under way ends with an error."""
        self._connections.close()

    @contextlib.contextmanager
    def _patient(self) -> Iterator[Connection]:
        """Yield a connection of its own, for what takes as long as it takes."""
        connection = self._connections.connect(statement_ms=0)
        try:
            with self._connections.translated():
                yield connection
        finally:
            self._connections.drop(connection)


def _by_source(connection: Connection, table: str) -> dict[int, int]:
    return dict(
        connection.execute(
            statement(f"SELECT (key >> {KEY_BITS})::integer, count(*) FROM {table} GROUP BY 1")
        ).fetchall()
    )
