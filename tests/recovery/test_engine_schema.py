"""A database of another version of imgvecd: an older one is brought up to date, a newer refused."""

import resource
import uuid

import numpy as np
import psycopg
import pytest
from embedding_source import unit_vectors
from postgres_server import PostgresServer
from stored_library import MODEL

from imgvecd.adapters.postgres import index_keeper, schema
from imgvecd.adapters.postgres.engine import PostgresEngine
from imgvecd.core.sharing.vector_engine import Member, Position, VectorStep, Where, no_ids
from imgvecd.errors import EngineError

pytestmark = pytest.mark.long

COUNT = 3000


def name_of(url):
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture
def former(postgres, database, monkeypatch):
    """A function that publishes vectors with the first steps of the schema, and indexes them."""

    def publish(steps, build_index):
        monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:steps])
        before = PostgresEngine(database)
        before.prepare()
        member = Member(str(uuid.uuid4()), "nas", "here")
        number, _ = before.join(member)
        before.use_model(MODEL)
        before.close()
        vectors = unit_vectors(np.random.default_rng(1), COUNT, MODEL.dim)
        texts = [str(row.tolist()) for row in vectors]
        for row, text in enumerate(texts):
            key = (number << 40) + row
            texts[row] = f"({key}, '{uuid.UUID(int=row)}', NULL, '{text}')"
        postgres.execute(
            f"INSERT INTO imgvecd.vectors_1 VALUES {', '.join(texts)};"  # noqa: S608  # made here
            " INSERT INTO imgvecd.images (key, content, tags, paths, folders)"
            " SELECT key, content, '{}', '{}', '{}' FROM imgvecd.vectors_1;"
            f" SELECT {build_index}",
            name_of(database),
        )
        monkeypatch.undo()
        monkeypatch.setattr(index_keeper, "INDEX_FROM", 1000)
        monkeypatch.setattr(index_keeper, "_LOOK_S", 0.0)
        engine = PostgresEngine(database)
        assert engine.join(member)[0] == number
        return engine, vectors

    return publish


def found_and_expected(engine, vectors):
    query = vectors[7].astype(np.float32)
    query /= np.linalg.norm(query)
    images = engine.search(MODEL.fingerprint, query, 10, Where())
    expected = np.argsort(-(vectors.astype(np.float32) @ query))[:10].tolist()
    return [image.facts.content_id for image in images], expected


def test_an_index_of_whole_vectors_gives_way_to_one_of_short_ones(former, postgres, database):
    engine, vectors = former(1, "imgvecd.build_index(1, 20)")
    found, expected = found_and_expected(engine, vectors)
    assert found == expected
    engine.settle(MODEL.fingerprint, lambda: vectors[:20].astype(np.float32))
    assert engine.measure(MODEL.fingerprint, vectors[:9].astype(np.float32)).how.startswith("HNSW")
    found, expected = found_and_expected(engine, vectors)
    assert found[:3] == expected[:3]
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%ivfflat%'"
    assert postgres.execute(indexes, name_of(database)) == [(0,)]
    engine.close()


def test_an_index_of_before_texts_counted_answers_and_is_built_anew_with_them(
    former, postgres, database
):
    axes = ", ".join(f"'{row.tolist()}'::vector" for row in np.eye(MODEL.dim))
    mean = str([0.0] * MODEL.dim)
    engine, vectors = former(3, f"imgvecd.build_index(1, '{mean}', ARRAY[{axes}], 1.1)")

    def version():
        ((number,),) = postgres.execute("SELECT version FROM imgvecd.models", name_of(database))
        return number

    found, expected = found_and_expected(engine, vectors)
    assert found[:3] == expected[:3]
    engine.settle(MODEL.fingerprint, lambda: np.empty((0, MODEL.dim), np.float32))
    assert version() == 1  # no text is known yet
    engine.settle(MODEL.fingerprint, lambda: vectors[:20].astype(np.float32))
    assert version() == 2
    engine.settle(MODEL.fingerprint, lambda: vectors[:20].astype(np.float32))
    assert version() == 2
    found, expected = found_and_expected(engine, vectors)
    assert found[:3] == expected[:3]
    engine.close()


def test_a_database_of_a_newer_version_is_refused_by_whoever_writes(postgres, database):
    engine = PostgresEngine(database)
    engine.prepare()
    postgres.execute("INSERT INTO imgvecd.migrations VALUES ('9999-later')", name_of(database))
    for attempt in (
        engine.prepare,
        engine.sources,
        lambda: engine.join(Member(str(uuid.uuid4()), "nas", "here")),
    ):
        with pytest.raises(EngineError, match=r"9999-later.*upgrade imgvecd"):
            attempt()
    engine.close()


@pytest.fixture
def in_a_container():
    """A server whose processes may share no more than a container's 64 MB."""
    server = PostgresServer(settings=("fsync=off", "min_parallel_table_scan_size=0"))
    server.stop()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, limits[1]))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    yield server
    server.close()


def test_where_processes_can_share_little_memory_one_builds_the_index(in_a_container, monkeypatch):
    monkeypatch.setattr(index_keeper, "INDEX_FROM", 1000)
    engine = PostgresEngine(in_a_container.make_database("photos"))
    engine.join(Member(str(uuid.uuid4()), "nas", "here"))
    engine.use_model(MODEL)
    vectors = unit_vectors(np.random.default_rng(1), COUNT, MODEL.dim)
    digests = [row.to_bytes(16) for row in range(COUNT)]
    step = VectorStep(1, np.arange(COUNT), digests, digests, vectors, no_ids())
    engine.write(MODEL.fingerprint, Position(), Position(1, "mark"), step)
    with pytest.raises(psycopg.errors.OutOfMemory):  # else there is nothing to get round
        in_a_container.execute(
            "CREATE INDEX ON imgvecd.vectors_1 USING hnsw (vector halfvec_l2_ops)", "photos"
        )
    engine.settle(MODEL.fingerprint, lambda: vectors[:20].astype(np.float32))
    assert engine.measure(MODEL.fingerprint, vectors[:9].astype(np.float32)).how.startswith("HNSW")
    engine.close()
