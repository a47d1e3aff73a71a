"""The engine's tables, as named steps that are recorded and run in one transaction each.

A step, once released, never changes. Who owns the tables makes them; who may connect to the
database is a source, and row-level security lets its role write its own rows only. Vectors of one
model are one table, `vectors_N`, made by a function that runs with the owner's rights.
"""

from __future__ import annotations

import logging

import psycopg

from imgvecd.adapters.postgres.connections import Connection, reason_of, statement
from imgvecd.core.sharing.vector_engine import KEY_BITS, MOST_SOURCES
from imgvecd.errors import EngineError

logger = logging.getLogger(__name__)

_LOCK = 0x696D6776  # of two that migrate at once, one waits

_OWN = f"(key >> {KEY_BITS}) IN (SELECT number FROM imgvecd.sources WHERE role = current_user)"
_OWN_POSITION = "source IN (SELECT number FROM imgvecd.sources WHERE role = current_user)"


def _only_own(table: str, own: str) -> str:
    """Return statements that let everybody read a table, and a source write its own rows."""
    return f"""
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON {table} FOR SELECT USING (true);
CREATE POLICY adding ON {table} FOR INSERT WITH CHECK ({own});
CREATE POLICY changing ON {table} FOR UPDATE USING ({own}) WITH CHECK ({own});
CREATE POLICY deleting ON {table} FOR DELETE USING ({own});
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO PUBLIC;
"""


_FIRST = f"""
GRANT USAGE ON SCHEMA imgvecd TO PUBLIC;
GRANT SELECT ON imgvecd.migrations TO PUBLIC;

-- role: of who may write as this source. writer: names the state directory that did last.
CREATE TABLE imgvecd.sources (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY
        CHECK (number BETWEEN 1 AND {MOST_SOURCES - 1}),
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL CHECK (length(name) <= 100),
    role name NOT NULL DEFAULT current_user,
    writer text NOT NULL CHECK (length(writer) <= 100),
    publishes text[] NOT NULL CHECK (cardinality(publishes) <= 10),
    seen_at timestamptz NOT NULL DEFAULT now()
);
{_only_own("imgvecd.sources", "role = current_user")}

-- mean: NULL while there is no index. probes: lists that a search looks through, as measured.
CREATE TABLE imgvecd.models (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL UNIQUE,
    name text NOT NULL,
    pretrained text NOT NULL,
    dim integer NOT NULL CHECK (dim BETWEEN 1 AND 4000),
    mean text,
    lists integer,
    indexed_count bigint,
    probes integer,
    probes_filtered integer
);
GRANT SELECT ON imgvecd.models TO PUBLIC;

-- feed: 'facts', or a model's fingerprint. mark: random, of the step that came last.
CREATE TABLE imgvecd.positions (
    source integer NOT NULL REFERENCES imgvecd.sources ON DELETE CASCADE,
    feed text NOT NULL,
    clock bigint NOT NULL,
    mark text NOT NULL,
    PRIMARY KEY (source, feed)
);
{_only_own("imgvecd.positions", _OWN_POSITION)}

-- What is known of images. content: the first 16 bytes of the BLAKE2b-256 of the file.
CREATE TABLE imgvecd.images (
    key bigint PRIMARY KEY,
    content uuid NOT NULL,
    format text CHECK (length(format) <= 100),
    width integer,
    height integer,
    taken text COLLATE "C" CHECK (length(taken) <= 200),
    rating double precision,
    latitude double precision,
    longitude double precision,
    tags text[] NOT NULL
        CHECK (cardinality(tags) <= 200 AND length(array_to_string(tags, '')) <= 40000),
    paths text[] NOT NULL
        CHECK (cardinality(paths) <= 8 AND length(array_to_string(paths, '')) <= 8 * 4096),
    folders text[] NOT NULL
        CHECK (cardinality(folders) <= 256 AND length(array_to_string(folders, '')) <= 256 * 4096)
);
CREATE INDEX images_taken ON imgvecd.images (taken);
CREATE INDEX images_rating ON imgvecd.images (rating) WHERE rating IS NOT NULL;
CREATE INDEX images_format ON imgvecd.images (format);
CREATE INDEX images_position ON imgvecd.images (latitude, longitude) WHERE latitude IS NOT NULL;
CREATE INDEX images_tags ON imgvecd.images USING gin (tags) WHERE tags <> '{{}}';
CREATE INDEX images_folders ON imgvecd.images USING gin (folders) WHERE folders <> '{{}}';
{_only_own("imgvecd.images", _OWN)}

CREATE FUNCTION imgvecd.add_model(fingerprint text, name text, pretrained text, dim integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock({_LOCK});
    SELECT number INTO added FROM imgvecd.models WHERE models.fingerprint = add_model.fingerprint;
    IF FOUND THEN
        RETURN added;
    END IF;
    INSERT INTO imgvecd.models (fingerprint, name, pretrained, dim)
        VALUES (fingerprint, name, pretrained, dim) RETURNING number INTO added;
    -- pixels: the BLAKE2b-128 of what the model saw
    EXECUTE format('CREATE TABLE imgvecd.vectors_%s (key bigint PRIMARY KEY,'
        ' content uuid NOT NULL, pixels uuid, vector halfvec(%s) NOT NULL)', added, dim);
    EXECUTE format('CREATE INDEX ON imgvecd.vectors_%s (pixels) WHERE pixels IS NOT NULL', added);
    EXECUTE replace($statements${_only_own("imgvecd.vectors_N", _OWN)}$statements$,
        'vectors_N', 'vectors_' || added);
    RETURN added;
END $$;

-- Builds the index of a model anew, over x - mean, which ranks as x does. Writers wait meanwhile,
-- searches go on by the old one.
CREATE FUNCTION imgvecd.build_index(model integer, lists integer)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET maintenance_work_mem = '1GB' AS $$
DECLARE
    length integer;
    centre text;
    rows bigint;
BEGIN
    SELECT dim INTO STRICT length FROM imgvecd.models WHERE number = model FOR UPDATE;
    EXECUTE format('LOCK TABLE imgvecd.vectors_%s IN SHARE MODE', model);
    EXECUTE format('SELECT count(*) FROM imgvecd.vectors_%s', model) INTO rows;
    EXECUTE format('SELECT avg(vector::vector)::halfvec::text FROM imgvecd.vectors_%s'
        ' TABLESAMPLE BERNOULLI (%s) REPEATABLE (1)', model,
        least(100, 100 * 20000.0 / greatest(rows, 1))) INTO centre;
    EXECUTE format('CREATE INDEX vectors_%1$s_new ON imgvecd.vectors_%1$s USING ivfflat'
        ' (((vector - %2$L::halfvec(%3$s))::halfvec(%3$s)) halfvec_ip_ops) WITH (lists = %4$s)',
        model, centre, length, lists);
    EXECUTE format('DROP INDEX IF EXISTS imgvecd.vectors_%s_nearest', model);
    EXECUTE format('ALTER INDEX imgvecd.vectors_%1$s_new RENAME TO vectors_%1$s_nearest', model);
    UPDATE imgvecd.models SET mean = centre, lists = build_index.lists, indexed_count = rows,
        probes = NULL, probes_filtered = NULL WHERE number = model;
END $$;

CREATE FUNCTION imgvecd.set_probes(model integer, for_all integer, filtered integer)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    UPDATE imgvecd.models SET probes = for_all, probes_filtered = filtered
        WHERE models.number = model;
$$;

CREATE FUNCTION imgvecd.forget(source integer)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    first bigint := source::bigint << {KEY_BITS};
    beyond bigint := (source::bigint + 1) << {KEY_BITS};
    forgotten bigint;
    model integer;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM imgvecd.sources WHERE number = source AND (role = session_user
        OR pg_has_role(session_user, current_user, 'MEMBER'))) THEN
        RAISE insufficient_privilege USING MESSAGE = 'this source is of another role';
    END IF;
    FOR model IN SELECT number FROM imgvecd.models LOOP
        EXECUTE format('DELETE FROM imgvecd.vectors_%s WHERE key >= $1 AND key < $2', model)
            USING first, beyond;
    END LOOP;
    DELETE FROM imgvecd.images WHERE key >= first AND key < beyond;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    DELETE FROM imgvecd.sources WHERE number = source;
    RETURN forgotten;
END $$;
"""


def _shortened(source: str) -> str:
    """Return a query for (key, short) of the rows of a table; $1, $2, $3 are mean, axes, reach.

    See `short_vectors`. A function would take seven times as long: it would not be inlined.
    """
    return f"""
        SELECT key, (short || ARRAY[sqrt(greatest(0, $3 + (short <#> short)))]::vector)::halfvec
        FROM (
            SELECT key, (
                SELECT array_agg(-(centred <#> axis))::vector
                FROM (SELECT centred, unnest($2) AS axis OFFSET 0) AS turning
            ) AS short
            FROM (SELECT key, vector::vector - $1 AS centred FROM {source} OFFSET 0) AS centring
            OFFSET 0
        ) AS turned"""


def _build_index(*, query_axes: bool) -> str:
    """Return the statement that makes the function that builds an index.

    Args:
        query_axes: whether queries have axes of their own.
    """
    of_queries = "query_axes vector[], " if query_axes else ""
    kept = "query_axes = build_index.query_axes, " if query_axes else ""
    return f"""
-- Builds the index of a model anew. Writers wait meanwhile, searches go on by the old one.
CREATE OR REPLACE FUNCTION imgvecd.build_index(model integer, mean vector, axes vector[],
    {of_queries}reach double precision)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    made text;
    rows bigint;
    before integer;
    now_made integer;
    links integer;
    indexing text;
BEGIN
    SELECT coalesce(version, 0) INTO STRICT before FROM imgvecd.models
        WHERE number = model FOR UPDATE;
    now_made := before + 1;
    made := format('imgvecd.short_%s_%s', model, now_made);
    EXECUTE format('LOCK TABLE imgvecd.vectors_%s IN SHARE ROW EXCLUSIVE MODE', model);
    EXECUTE format('CREATE TABLE %s (key bigint NOT NULL, short halfvec(%s) NOT NULL)', made,
        cardinality(axes) + 1);
    EXECUTE format($put$INSERT INTO %s {_shortened("imgvecd.vectors_%s")}$put$, made, model)
        USING mean, axes, reach;
    GET DIAGNOSTICS rows = ROW_COUNT;
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (key)', made);
    -- With 16 links a text finds 0.89 of its ten best among a million, with 24 0.93. 64 candidates
    -- for links, the default, take twice as long to build and to write into as 40.
    links := CASE WHEN rows > 100000 THEN 24 ELSE 16 END;
    -- where a graph has room in memory, it is built several times as fast
    PERFORM set_config('maintenance_work_mem', greatest(
        pg_size_bytes(current_setting('maintenance_work_mem')) / 1024,
        least(2097152, rows * (cardinality(axes) * 2 + 44 * links) / 1024))::text || 'kB', true);
    indexing := format('CREATE INDEX ON %s USING hnsw (short halfvec_l2_ops)'
        ' WITH (m = %s, ef_construction = %s)', made, links, greatest(40, 2 * links));
    BEGIN
        EXECUTE indexing;
    EXCEPTION WHEN out_of_memory OR disk_full THEN
        -- several processes share the graph, and in a container they may share little memory
        PERFORM set_config('max_parallel_maintenance_workers', '0', true);
        EXECUTE indexing;
    END;
    EXECUTE format('GRANT SELECT ON %s TO PUBLIC', made);
    EXECUTE format('DROP TABLE IF EXISTS imgvecd.short_%s_%s', model, before);
    EXECUTE format($statements$
        CREATE OR REPLACE TRIGGER added AFTER INSERT ON imgvecd.vectors_%1$s
            REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION imgvecd.keep_short(%1$L);
        CREATE OR REPLACE TRIGGER changed AFTER UPDATE ON imgvecd.vectors_%1$s
            REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION imgvecd.keep_short(%1$L);
        CREATE OR REPLACE TRIGGER deleted AFTER DELETE ON imgvecd.vectors_%1$s
            REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION imgvecd.keep_short(%1$L);
        $statements$, model);
    UPDATE imgvecd.models AS m SET version = now_made, mean = build_index.mean,
        axes = build_index.axes, {kept}reach = build_index.reach, indexed_count = rows,
        candidates = NULL, candidates_filtered = NULL, measured_count = NULL WHERE number = model;
END $$;
"""


# An index of short vectors takes the place of the one of whole ones. It lies in a table of its own,
# `short_N_V`, where V grows with each index: who searches by an old one notices. Triggers keep it
# equal to `vectors_N`, so that no source can write what another's image is found by.
_SECOND = f"""
DO $$
DECLARE
    model integer;
BEGIN
    FOR model IN SELECT number FROM imgvecd.models LOOP
        EXECUTE format('DROP INDEX IF EXISTS imgvecd.vectors_%s_nearest', model);
    END LOOP;
END $$;
DROP FUNCTION imgvecd.build_index(integer, integer);
DROP FUNCTION imgvecd.set_probes(integer, integer, integer);
ALTER TABLE imgvecd.models DROP COLUMN mean, DROP COLUMN lists, DROP COLUMN probes,
    DROP COLUMN probes_filtered;
-- version: of the index, NULL while there is none. mean, axes, reach: what makes a vector short.
-- candidates: that are ranked by whole vectors, as measured when there were measured_count vectors.
ALTER TABLE imgvecd.models ADD COLUMN version integer, ADD COLUMN mean vector,
    ADD COLUMN axes vector[], ADD COLUMN reach double precision, ADD COLUMN candidates integer,
    ADD COLUMN candidates_filtered integer, ADD COLUMN measured_count bigint;
UPDATE imgvecd.models SET indexed_count = NULL;

-- The argument is the number of the model.
CREATE FUNCTION imgvecd.keep_short()
RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    used imgvecd.models;
BEGIN
    SELECT * INTO STRICT used FROM imgvecd.models WHERE number = TG_ARGV[0]::integer;
    IF TG_OP = 'DELETE' THEN
        EXECUTE format('DELETE FROM imgvecd.short_%s_%s AS s USING gone WHERE s.key = gone.key',
            used.number, used.version);
    ELSE
        EXECUTE format($put$INSERT INTO imgvecd.short_%s_%s AS old {_shortened("fresh")}
            ON CONFLICT (key) DO UPDATE SET short = excluded.short
            WHERE old.short <> excluded.short$put$, used.number, used.version)
            USING used.mean, used.axes, used.reach;
    END IF;
    RETURN NULL;
END $$;

{_build_index(query_axes=False)}
CREATE FUNCTION imgvecd.set_candidates(model integer, for_all integer, filtered integer,
    among bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    UPDATE imgvecd.models SET candidates = for_all, candidates_filtered = filtered,
        measured_count = among WHERE models.number = model;
$$;
"""

# Queries get axes of their own, so that images that texts score alike are neighbours. Whoever has
# questions builds an index without them anew: see `IndexKeeper`.
_FOURTH = f"""
ALTER TABLE imgvecd.models ADD COLUMN query_axes vector[];
DROP FUNCTION imgvecd.build_index(integer, vector, vector[], double precision);
{_build_index(query_axes=True)}"""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("0001-first", _FIRST),
    ("0002-short-vectors", _SECOND),
    ("0003-more-links", _build_index(query_axes=False)),
    ("0004-query-axes", _FOURTH),
)
"""(name, SQL) in the order in which they run."""


def migrate(connection: Connection) -> None:
    """Bring the engine to this program's schema.

    Raises:
        EngineError: a newer program has made it, or this role may not.
    """
    applied = _applied(connection)
    unknown = applied - {name for name, _ in MIGRATIONS}
    if unknown:
        raise EngineError(
            f"the shared engine was made by a newer imgvecd (step {max(unknown)}): upgrade imgvecd"
        )
    if all(name in applied for name, _ in MIGRATIONS):
        return
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("CREATE SCHEMA IF NOT EXISTS imgvecd")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS imgvecd.migrations"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            applied = _applied(connection)
            for name, script in MIGRATIONS:
                if name not in applied:
                    connection.execute(statement(script))
                    connection.execute("INSERT INTO imgvecd.migrations VALUES (%s)", (name,))
                    logger.info("the shared engine has taken the step %s", name)
    except psycopg.errors.InsufficientPrivilege as error:
        raise EngineError(
            "the database has no tables of this imgvecd, and this role may not make them: run"
            " `imgvecd shared init --url URL` once as the database's owner"
            f" ({reason_of(error)})"
        ) from error


def _applied(connection: Connection) -> set[str]:
    found = connection.execute("SELECT to_regclass('imgvecd.migrations')").fetchone()
    if found is None or found[0] is None:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM imgvecd.migrations")}
