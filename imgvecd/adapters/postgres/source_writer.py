"""Writes as one source: a step and its position in one transaction, from one process at a time."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator

from pgvector import HalfVector
from pgvector.psycopg import register_vector

from imgvecd.adapters.postgres.connections import (
    WRITE_S,
    Connection,
    Connections,
    first_value,
    statement,
)
from imgvecd.adapters.postgres.schema import migrate
from imgvecd.adapters.postgres.vector_tables import VectorTables
from imgvecd.core.sharing.vector_engine import (
    FactStep,
    Member,
    Position,
    VectorStep,
    key_of_image,
)
from imgvecd.errors import EngineError, PositionError, SourceTakenError
from imgvecd.types import ModelInfo

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
# one statement for a step takes a third of the processor time of one for each row
_PUT_FACTS = (
    "INSERT INTO imgvecd.images AS old"
    " SELECT * FROM jsonb_populate_recordset(NULL::imgvecd.images, %s::jsonb)"
    " ON CONFLICT (key) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in _FACTS)}"
    " WHERE (old.*) IS DISTINCT FROM (excluded.*)"
)


class SourceWriter:
    """The connection that publishes, once it has joined. Thread-safe; see `VectorEngine`."""

    def __init__(self, connections: Connections, tables: VectorTables) -> None:
        self._connections = connections
        self._tables = tables
        self._writing = threading.RLock()
        self._writer: Connection | None = None
        self._source = 0

    def join(self, member: Member) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time)."""
        with self._writing:
            self._drop_writer()
            connection = self._connections.connect()
            try:
                with self._connections.used(connection, WRITE_S):
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
        if first_value(connection, taken, member.uuid):
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
            if first_value(connection, taken, member.uuid):
                return
        writer = first_value(
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
        with self.connection() as connection:
            connection.execute(
                "SELECT imgvecd.add_model(%s, %s, %s, %s)",
                (model.fingerprint, model.name, model.pretrained, model.dim),
            )

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        with self.connection() as connection:
            row = connection.execute(
                "SELECT clock, mark FROM imgvecd.positions WHERE source = %s AND feed = %s",
                (self._source, feed),
            ).fetchone()
        return None if row is None else Position(*row)

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source and move its position, both or neither."""
        with self.connection() as connection, connection.transaction():
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
            connection.execute(
                "UPDATE imgvecd.sources SET seen_at = now() WHERE number = %s", (self._source,)
            )
            if isinstance(step, FactStep):
                self._put_facts(connection, step)
            else:
                self._put_vectors(connection, feed, step)

    def _put_facts(self, connection: Connection, step: FactStep) -> None:
        rows = [
            {
                "key": key_of_image(self._source, facts.content_id),
                "content": facts.content.hex(),
                "format": facts.format,
                "width": facts.width,
                "height": facts.height,
                "taken": facts.taken_at,
                "rating": facts.rating,
                "latitude": facts.latitude,
                "longitude": facts.longitude,
                "tags": facts.tags,
                "paths": facts.paths,
                "folders": facts.folders,
            }
            for facts in step.facts
        ]
        connection.execute(statement(_PUT_FACTS), (json.dumps(rows),))
        if step.removed:
            keys = [key_of_image(self._source, content_id) for content_id in step.removed]
            connection.execute("DELETE FROM imgvecd.images WHERE key = ANY (%s)", (keys,))
            for (model,) in connection.execute("SELECT number FROM imgvecd.models").fetchall():
                connection.execute(
                    statement(f"DELETE FROM imgvecd.vectors_{model:d} WHERE key = ANY (%s)"),
                    (keys,),
                )

    def _put_vectors(self, connection: Connection, fingerprint: str, step: VectorStep) -> None:
        table = self._tables.find(connection, fingerprint)
        if table is None:
            raise EngineError("the shared engine has lost the table of the model's vectors")
        pixels = [None if some is None else uuid.UUID(bytes=some) for some in step.pixels]
        connection.execute(
            statement(
                f"INSERT INTO {table.name}"
                " SELECT * FROM unnest(%b::bigint[], %s::uuid[], %s::uuid[], %b::halfvec[])"
                " ON CONFLICT (key) DO UPDATE SET content = excluded.content,"
                " pixels = excluded.pixels, vector = excluded.vector"
            ),
            (
                [key_of_image(self._source, content_id) for content_id in step.ids.tolist()],
                [uuid.UUID(bytes=content) for content in step.contents],
                pixels,
                [HalfVector(vector) for vector in step.vectors],
            ),
        )
        if len(step.removed):
            keys = [key_of_image(self._source, int(content_id)) for content_id in step.removed]
            connection.execute(statement(f"DELETE FROM {table.name} WHERE key = ANY (%s)"), (keys,))

    @contextlib.contextmanager
    def connection(self, within_s: float = WRITE_S) -> Iterator[Connection]:
        """Yield the connection that publishes: to one thread at a time."""
        with self._writing:
            connection = self._writer
            if connection is None or connection.closed:
                raise EngineError("the connection to the shared engine is lost")
            with self._connections.used(connection, within_s):
                yield connection

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._connections.drop(self._writer)
            self._writer = None
