"""Implements `VectorEngine` on PostgreSQL with pgvector."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from imgvecd.adapters.postgres.connections import (
    Connection,
    Connections,
    encryption_warning,
    host_of,
    parameters,
    statement,
)
from imgvecd.adapters.postgres.filters import of_sources
from imgvecd.adapters.postgres.nearest import VectorTable, count_of_facts, image_of, nearest
from imgvecd.adapters.postgres.recall import best_ef, measure
from imgvecd.adapters.postgres.schema import migrate
from imgvecd.api import Filters
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    KEY_BITS,
    FactStep,
    Member,
    Position,
    Recall,
    SharedImage,
    SourceState,
    VectorStep,
    Where,
    key_of_image,
)
from imgvecd.errors import EngineError, PositionError, SourceTakenError
from imgvecd.types import Float16Array, Float32Array, Int64Array, ModelInfo

logger = logging.getLogger(__name__)

INDEX_FROM = 20_000
"""Vectors from which on an index pays: so many are compared one by one in some 25 ms."""

_M, _EF_CONSTRUCTION = 16, 100
_EF_UNMEASURED = 400
_REMEMBERED_S = 10.0  # what is known of a model's index
_SETTLE_S = 60.0
_COUNTED = 100_000
_PAGE = 10_000
# Who publishes looks every 30 s: one that was silent for so long is gone, and its network with it.
_SILENT_S = 60

_FACTS = (
    "content",
    "format",
    "width",
    "height",
    "taken",
    "rating",
    "latitude",
    "longitude",
    "tags",
    "paths",
    "folders",
)
_PUT_FACTS = (
    f"INSERT INTO imgvecd.images AS old (key, {', '.join(_FACTS)})"
    f" VALUES ({', '.join(['%s'] * (len(_FACTS) + 1))}) ON CONFLICT (key) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in _FACTS)}"
    " WHERE (old.*) IS DISTINCT FROM (excluded.*)"
)


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
        self._writing = threading.RLock()
        self._writer: Connection | None = None
        self._source = 0
        self._tables: dict[str, tuple[float, VectorTable]] = {}
        self._settled_at: dict[str, float] = {}

    @property
    def name(self) -> str:
        """What kind of engine it is, for people."""
        return f"PostgreSQL at {self._where}"

    def join(self, member: Member) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time)."""
        with self._writing:
            self._drop_writer()
            connection = self._connections.connect()
            try:
                with self._connections.translated():
                    migrate(connection)
                    register_vector(connection)
                    self._lock_source(connection, member)
                    known = connection.execute(
                        "SELECT number, publishes FROM imgvecd.sources WHERE uuid = %s",
                        (member.uuid,),
                    ).fetchone()
                    self._source = self._put_source(connection, member, known is not None)
            except BaseException:
                self._connections.drop(connection)
                raise
            self._writer = connection
            return self._source, known is None or tuple(known[1]) == member.publishes

    def _lock_source(self, connection: Connection, member: Member) -> None:
        """Keep others from publishing as this source, until the connection ends."""
        taken = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
        if _first(connection, taken, member.uuid):
            return
        holder = connection.execute(
            "SELECT a.pid, a.state = 'idle' AND a.state_change < now() - make_interval(secs => %s)"
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            " AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(%s, 0)",
            (_SILENT_S, member.uuid),
        ).fetchone()
        if holder is not None and holder[1]:
            connection.execute("SELECT pg_terminate_backend(%s, 1000)", (holder[0],))
            if _first(connection, taken, member.uuid):
                return
        writer = _first(
            connection, "SELECT writer FROM imgvecd.sources WHERE uuid = %s", member.uuid
        )
        if writer is not None and writer != member.writer:
            raise SourceTakenError(f"{member.name} is being published by another process")
        raise EngineError(
            f"{member.name} is being published by another process, or was until a moment ago: if"
            " that goes on, stop the other one, or delete the file `source` in this state directory"
        )

    def _put_source(self, connection: Connection, member: Member, known: bool) -> int:
        values = (member.name, member.writer, list(member.publishes), member.uuid)
        if known:
            row = connection.execute(
                "UPDATE imgvecd.sources SET name = %s, writer = %s, publishes = %s,"
                " seen_at = now() WHERE uuid = %s RETURNING number",
                values,
            ).fetchone()
        else:
            row = connection.execute(
                "INSERT INTO imgvecd.sources (name, writer, publishes, uuid)"
                " VALUES (%s, %s, %s, %s) RETURNING number",
                values,
            ).fetchone()
        if row is None:
            raise EngineError(
                "this library was published by another role: publish as that one, or delete the"
                " file `source` in the state directory"
            )
        return int(row[0])

    def use_model(self, model: ModelInfo) -> None:
        """Make room for the vectors of a model, if there is none yet."""
        with self._write() as connection:
            connection.execute(
                "SELECT imgvecd.add_model(%s, %s, %s, %s)",
                (model.fingerprint, model.name, model.pretrained, model.dim),
            )

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        with self._write() as connection:
            row = connection.execute(
                "SELECT clock, mark FROM imgvecd.positions WHERE source = %s AND feed = %s",
                (self._source, feed),
            ).fetchone()
        return None if row is None else Position(*row)

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source and move its position, both or neither."""
        with self._write() as connection, connection.transaction():
            moved = connection.execute(
                "INSERT INTO imgvecd.positions AS p VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (source, feed) DO UPDATE"
                " SET clock = excluded.clock, mark = excluded.mark"
                " WHERE p.clock = %s AND p.mark = %s",
                (self._source, feed, until.clock, until.mark, since.clock, since.mark),
            )
            if not moved.rowcount:
                raise PositionError(
                    "the shared engine is not where this library left it: comparing by keys"
                )
            if isinstance(step, FactStep):
                self._put_facts(connection, step)
            else:
                self._put_vectors(connection, feed, step)

    def _put_facts(self, connection: Connection, step: FactStep) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                _PUT_FACTS,
                [
                    (
                        key_of_image(self._source, facts.content_id),
                        uuid.UUID(bytes=facts.content),
                        facts.format,
                        facts.width,
                        facts.height,
                        facts.taken_at,
                        facts.rating,
                        facts.latitude,
                        facts.longitude,
                        list(facts.tags),
                        list(facts.paths),
                        list(facts.folders),
                    )
                    for facts in step.facts
                ],
            )
        if step.removed:
            keys = [key_of_image(self._source, content_id) for content_id in step.removed]
            connection.execute("DELETE FROM imgvecd.images WHERE key = ANY (%s)", (keys,))
            for (model,) in connection.execute("SELECT number FROM imgvecd.models").fetchall():
                connection.execute(
                    statement(f"DELETE FROM imgvecd.vectors_{model:d} WHERE key = ANY (%s)"),
                    (keys,),
                )

    def _put_vectors(self, connection: Connection, fingerprint: str, step: VectorStep) -> None:
        table = self._table(connection, fingerprint)
        if table is None:
            raise EngineError("the shared engine has lost the table of the model's vectors")
        with connection.cursor() as cursor:
            cursor.executemany(
                statement(
                    f"INSERT INTO {table.name} VALUES (%s, %s, %s, %b)"
                    " ON CONFLICT (key) DO UPDATE SET content = excluded.content,"
                    " pixels = excluded.pixels, vector = excluded.vector"
                ),
                [
                    (
                        key_of_image(self._source, content_id),
                        uuid.UUID(bytes=content),
                        None if pixels is None else uuid.UUID(bytes=pixels),
                        HalfVector(vector),
                    )
                    for content_id, content, pixels, vector in zip(
                        step.ids.tolist(), step.contents, step.pixels, step.vectors, strict=True
                    )
                ],
            )
        if len(step.removed):
            keys = [key_of_image(self._source, int(content_id)) for content_id in step.removed]
            connection.execute(statement(f"DELETE FROM {table.name} WHERE key = ANY (%s)"), (keys,))

    def keys(self, number: int, feed: str) -> Iterator[tuple[Int64Array, list[bytes]]]:
        """Yield (content ids, digests of contents) of a source, by ascending id."""
        first, end = number << KEY_BITS, (number + 1) << KEY_BITS
        last = first - 1
        while True:
            with self._connections.reading() as connection:
                table = self._table(connection, feed) if feed != FACTS else None
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

    def settle(self, fingerprint: str, queries: Float32Array) -> None:
        """Build or tune the index of a model if that is due: takes as long as it takes."""
        if time.monotonic() < self._settled_at.get(fingerprint, 0.0) + _SETTLE_S:
            return
        with self._write() as connection:
            row = connection.execute(
                "SELECT number, mean IS NOT NULL, coalesce(measured_count, 0)"
                " FROM imgvecd.models WHERE fingerprint = %s",
                (fingerprint,),
            ).fetchone()
            if row is None:
                return
            number, is_indexed, measured = row
            count = _rows(connection, f"imgvecd.vectors_{number:d}")
            if count >= INDEX_FROM and (not is_indexed or count > 2 * measured):
                self._index(connection, fingerprint, number, count, queries)
        self._settled_at[fingerprint] = time.monotonic()

    def _index(
        self,
        connection: Connection,
        fingerprint: str,
        number: int,
        count: int,
        queries: Float32Array,
    ) -> None:
        """Build the index if there is none, and find out what to ask of it; nobody else at once."""
        if not _first(connection, "SELECT pg_try_advisory_lock(%s)", number):
            return
        connection.execute("SET statement_timeout = 0")
        try:
            logger.info("the shared engine indexes %d vectors", count)
            connection.execute(
                "SELECT imgvecd.build_index(%s, %s, %s)", (number, _M, _EF_CONSTRUCTION)
            )
            self._tables.pop(fingerprint, None)
            table = self._table(connection, fingerprint)
            assert table is not None  # noqa: S101  # it has just been indexed
            ef = best_ef(connection, table, queries)
            connection.execute("SELECT imgvecd.set_ef_search(%s, %s, %s)", (number, ef, count))
            self._tables.pop(fingerprint, None)
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (number,))
                connection.execute("SET statement_timeout = 120000")

    def search(
        self, fingerprint: str, query: Float32Array, k: int, where: Where
    ) -> list[SharedImage]:
        """Return the k best images, best first, ties by ascending key."""
        with self._connections.reading() as connection, connection.transaction():
            table = self._table(connection, fingerprint)
            if table is None:
                return []
            return [image_of(row) for row in nearest(connection, table, query, k, where)]

    def count(self, fingerprint: str, where: Where) -> int:
        """Return how many images with a vector a search may find, at least about."""
        with self._connections.reading() as connection:
            if where.filters == Filters():
                table = self._table(connection, fingerprint)
                return 0 if table is None else _count(connection, table, where)
            return count_of_facts(connection, where, _COUNTED - 1)

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, Float16Array]:
        """Return the vectors (shape (dim,)) that the model gave these very pixels, by digest."""
        with self._connections.reading() as connection:
            table = self._table(connection, fingerprint)
            if table is None:
                return {}
            rows = connection.execute(
                statement(
                    f"SELECT DISTINCT ON (pixels) pixels, vector FROM {table.name}"
                    " WHERE pixels = ANY (%s) ORDER BY pixels, key"
                ),
                ([uuid.UUID(bytes=digest) for digest in digests],),
                binary=True,
            ).fetchall()
        return {pixels.bytes: vector.to_numpy() for pixels, vector in rows}

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
        connection = self._connections.connect(statement_ms=0)
        try:
            with self._connections.translated():
                register_vector(connection)
                table = self._table(connection, fingerprint)
                if table is None:
                    raise EngineError("the shared engine has no vectors of this model")
                return measure(connection, table, queries)
        finally:
            self._connections.drop(connection)

    def forget(self, number: int) -> int:
        """Delete everything of a source; return how many images. Takes as long as it takes."""
        connection = self._connections.connect(statement_ms=0)
        try:
            with self._connections.translated():
                return int(_first(connection, "SELECT imgvecd.forget(%s)", number))
        finally:
            self._connections.drop(connection)

    def prepare(self) -> None:
        """Make the tables, or bring them up to date."""
        connection = self._connections.connect(statement_ms=0)
        try:
            with self._connections.translated():
                migrate(connection)
        finally:
            self._connections.drop(connection)

    def close(self) -> None:
        """Let go of connections; a call under way ends with an error."""
        self._connections.close()

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        """Yield the connection that publishes: to one thread at a time."""
        with self._writing:
            connection = self._writer
            if connection is None or connection.closed:
                raise EngineError("the connection to the shared engine is lost")
            with self._connections.translated():
                yield connection

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._connections.drop(self._writer)
            self._writer = None

    def _table(self, connection: Connection, fingerprint: str) -> VectorTable | None:
        now = time.monotonic()
        at, table = self._tables.get(fingerprint, (-_REMEMBERED_S, None))
        if table is not None and now < at + _REMEMBERED_S:
            return table
        row = connection.execute(
            "SELECT number, dim, mean, coalesce(ef_search, %s) FROM imgvecd.models"
            " WHERE fingerprint = %s",
            (_EF_UNMEASURED, fingerprint),
        ).fetchone()
        if row is None:
            return None
        table = VectorTable(*row)
        self._tables[fingerprint] = now, table
        return table


def _first(connection: Connection, text: str, value: object) -> Any:  # noqa: ANN401
    row = connection.execute(statement(text), (value,)).fetchone()
    return None if row is None else row[0]


def _rows(connection: Connection, table: str) -> int:
    """Return about how many rows a table has: counted if they may be few."""
    estimate = _first(
        connection, "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", table
    )
    if estimate is not None and estimate > _COUNTED:
        return int(estimate)
    ((count,),) = connection.execute(statement(f"SELECT count(*) FROM {table}")).fetchall()
    return int(count)


def _count(connection: Connection, table: VectorTable, where: Where) -> int:
    if not where.names and where.without is None:
        return _rows(connection, table.name)
    test, values = of_sources(where)
    ((count,),) = connection.execute(
        statement(
            f"SELECT count(*) FROM (SELECT 1 FROM {table.name} v WHERE {test} LIMIT %s) AS passing"
        ),
        [*values, _COUNTED],
    ).fetchall()
    return int(count)


def _by_source(connection: Connection, table: str) -> dict[int, int]:
    return dict(
        connection.execute(
            statement(f"SELECT (key >> {KEY_BITS})::integer, count(*) FROM {table} GROUP BY 1")
        ).fetchall()
    )
