"""What every engine that finds vectors must do: one body over Faiss and the shared engines.

Where there are few vectors, every engine promises exact answers.
"""

import dataclasses
import re
import uuid

import embedding_source
import numpy as np
import pytest
from embedding_source import MemorySource, brute_force
from running import wait_until

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.adapters.postgres import index_keeper, nearest
from imgvecd.adapters.postgres.engine import PostgresEngine
from imgvecd.api import Filters
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex
from imgvecd.core.index.packed_vectors import packed, unpacked
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    FactStep,
    ImageFacts,
    Member,
    Position,
    VectorStep,
    Where,
    key_of_image,
    no_ids,
)
from imgvecd.errors import BadRequestError, EngineError, PositionError, SourceTakenError
from imgvecd.types import ModelInfo, PreprocessSpec

DIM = 32
MODEL = ModelInfo("model", "tiny", "", DIM, PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3))


class FaissSubject:
    """The index of a library."""

    def __init__(self, tmp_path):
        self.source = MemorySource(DIM)
        self.index = LibraryIndex.open(
            str(tmp_path), "model", DIM, self.source, IndexConfig(), FaissSegments()
        )

    def put(self, ids, vectors):
        self.source.put(ids, vectors)
        self.index.catch_up()

    def kept(self, vectors):
        return unpacked(packed(vectors))

    def drop(self, ids):
        self.source.drop(ids)
        self.index.catch_up()

    def search(self, query, k, allowed=None):
        wanted = None if allowed is None else np.array(sorted(allowed), np.int64)
        scores, ids = self.index.search(query[None], k, allowed=wanted)
        return scores[0], ids[0]

    def close(self):
        self.index.close()


class EngineSubject:
    """A shared engine with one source in it; images in `allowed` are told by a tag."""

    def __init__(self, engine):
        self.engine = engine
        self.uuid = str(uuid.uuid4())
        self.number, _ = engine.join(Member(self.uuid, "nas", "writer"))
        engine.use_model(MODEL)
        self.at = {FACTS: Position(), "model": Position()}
        self.tagged = set()
        self.vectors = np.empty((0, DIM), np.float16)

    def kept(self, vectors):
        return vectors

    def write(self, feed, step):
        until = Position(self.at[feed].clock + 1, f"m{self.at[feed].clock}")
        self.engine.write(feed, self.at[feed], until, dataclasses.replace(step, clock=until.clock))
        self.at[feed] = until

    def put(self, ids, vectors, **facts):
        ids = [int(i) for i in ids]
        self.write(FACTS, FactStep(0, [ImageFacts(i, content_of(i), **facts) for i in ids]))
        contents = [content_of(i) for i in ids]
        pixels = [content[::-1] for content in contents]
        step = VectorStep(0, np.array(ids, np.int64), contents, pixels, vectors, no_ids())
        self.write("model", step)

    def drop(self, ids):
        self.write(FACTS, FactStep(0, [], [int(i) for i in ids]))

    def search(self, query, k, allowed=None):
        where = Where()
        if allowed is not None:
            self.write(FACTS, FactStep(0, [ImageFacts(i, content_of(i)) for i in self.tagged]))
            known = self.engine.keys(self.number, FACTS)
            self.tagged = {int(i) for ids, _ in known for i in ids} & set(allowed)
            facts = [ImageFacts(i, content_of(i), tags=("allowed",)) for i in self.tagged]
            self.write(FACTS, FactStep(0, facts))
            where = Where(Filters(tags=("Allowed",)))
        found = self.engine.search("model", query, k, where)
        ids = [image.key - key_of_image(self.number, 0) for image in found]
        return np.array([image.score for image in found]), np.array(ids, np.int64)

    def close(self):
        self.engine.close()


def content_of(number):
    return int(number).to_bytes(16)


MILVUS = pytest.param("milvus", marks=pytest.mark.nightly)


def engines_of(kind, request):
    """Return a function that makes engines of an empty database."""
    if kind == "postgres":
        url = request.getfixturevalue("database")
        return lambda: PostgresEngine(url)
    return request.getfixturevalue("milvus_database").engine


@pytest.fixture(params=["postgres", MILVUS])
def make_engine(request):
    return engines_of(request.param, request)


@pytest.fixture
def engine(make_engine):
    engine = make_engine()
    yield engine
    engine.close()


@pytest.fixture(params=["faiss", "postgres", MILVUS])
def subject(request, tmp_path):
    if request.param == "faiss":
        subject = FaissSubject(tmp_path)
    else:
        subject = EngineSubject(engines_of(request.param, request)())
    yield subject
    subject.close()


def unit_vectors(rng, count, dim):
    """Return random unit vectors as they are published."""
    return embedding_source.unit_vectors(rng, count, dim).astype(np.float16)


@pytest.fixture
def stored(subject):
    """300 vectors with ids 0, 3, 6, … in the subject, by id."""
    vectors = unit_vectors(np.random.default_rng(1), 300, DIM)
    subject.put(range(0, 900, 3), vectors)
    return dict(zip(range(0, 900, 3), subject.kept(vectors), strict=True))


def queries(count, seed=5):
    vectors = unit_vectors(np.random.default_rng(seed), count, DIM).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def assert_finds(subject, stored, k, allowed=None, some=None):
    for query in queries(8) if some is None else some:
        scores, ids = subject.search(query, k, allowed)
        expected_scores, expected_ids = brute_force(stored, query, k, allowed)
        assert ids.tolist() == expected_ids.tolist()
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_best_first_with_exact_scores(subject, stored):
    assert_finds(subject, stored, 10)


def test_more_wanted_than_there_are(subject, stored):
    assert_finds(subject, stored, 1000)


@pytest.mark.parametrize("allowed", [[], [3], [1, 2], range(0, 900, 6), range(10_000)])
def test_only_what_is_allowed_is_found(subject, stored, allowed):
    assert_finds(subject, stored, 10, set(allowed))


def test_ties_by_ascending_id(subject, stored):
    twin = unit_vectors(np.random.default_rng(3), 1, DIM)
    twins = [*range(0, 60, 3), *range(601, 660, 3)]
    subject.put(twins, np.repeat(twin, len(twins), axis=0))
    stored |= dict.fromkeys(twins, twin[0])
    query = twin[0].astype(np.float32)
    for k in (1, 5, 39, 45):
        assert_finds(subject, stored, k, some=[query / np.linalg.norm(query)])


def test_an_update_replaces_and_a_removal_hides(subject, stored):
    rng = np.random.default_rng(8)
    fresh = unit_vectors(rng, 30, DIM)
    subject.put(range(0, 90, 3), fresh)
    stored |= dict(zip(range(0, 90, 3), subject.kept(fresh), strict=True))
    subject.drop(range(90, 180, 3))
    for gone in range(90, 180, 3):
        del stored[gone]
    assert_finds(subject, stored, 20)


def test_everything_removed(subject, stored):
    subject.drop(range(0, 900, 3))
    scores, ids = subject.search(queries(1)[0], 10)
    assert len(scores) == len(ids) == 0


def test_a_position_that_has_moved_refuses_the_step_and_its_rows(engine):
    subject = EngineSubject(engine)
    subject.put([1, 2], unit_vectors(np.random.default_rng(1), 2, DIM))
    for stale in (Position(), Position(1, "other"), Position(0, "m0")):
        with pytest.raises(PositionError):
            engine.write(
                FACTS, stale, Position(9, "x"), FactStep(9, [ImageFacts(5, content_of(5))])
            )
    assert engine.position(FACTS) == subject.at[FACTS]
    assert [ids.tolist() for ids, _ in engine.keys(subject.number, FACTS)] == [[1, 2]]


def test_a_step_that_fails_leaves_position_and_rows(engine):
    subject = EngineSubject(engine)
    subject.put([1], unit_vectors(np.random.default_rng(1), 1, DIM))
    wrong = np.ones((2, DIM + 1), np.float16)
    step = VectorStep(2, np.array([7, 8]), [content_of(7)] * 2, [None] * 2, wrong, no_ids())
    with pytest.raises(EngineError):
        engine.write("model", subject.at["model"], Position(2, "y"), step)
    assert engine.position("model") == subject.at["model"]
    assert [ids.tolist() for ids, _ in engine.keys(subject.number, "model")] == [[1]]


def test_vectors_of_pixels_come_back_bit_by_bit(engine):
    subject = EngineSubject(engine)
    vectors = unit_vectors(np.random.default_rng(1), 3, DIM)
    subject.put([1, 2, 3], vectors)
    digest = content_of(2)[::-1]
    found = engine.vectors_of_pixels("model", [digest, content_of(9)[::-1]])
    assert list(found) == [digest]
    assert list(found[digest]) == [subject.uuid]
    assert found[digest][subject.uuid].tobytes() == vectors[1].tobytes()
    assert engine.vectors_of_pixels("unknown model", [content_of(2)]) == {}
    step = VectorStep(0, np.array([4]), [content_of(4)], [None], vectors[:1], no_ids())
    subject.write("model", step)  # as those that were encoded before pixels were noted
    subject.write(
        "model",
        dataclasses.replace(step, ids=no_ids(), contents=[], pixels=[], vectors=vectors[:0]),
    )
    pages = engine.keys(subject.number, "model")  # as many as the engine likes
    assert [i for ids, _ in pages for i in ids.tolist()] == [1, 2, 3, 4]


def test_facts_as_odd_as_they_come(engine):
    subject = EngineSubject(engine)
    vector = unit_vectors(np.random.default_rng(1), 1, DIM)
    odd = ("\n\t\"\\'{}[],:%s%b$$", "\u202e\ufffd", "é" * 200, "NULL", "")
    subject.put([1], vector, tags=odd, paths=odd, folders=odd, taken_at="%", rating=1e308)
    (image,) = engine.search("model", queries(1)[0], 1, Where(Filters(tags=("É" * 200,))))
    assert image.facts.paths == odd
    assert engine.search("model", queries(1)[0], 1, Where(Filters(folder="'; DROP"))) == []


def test_sources_are_told_apart_and_forgotten_alone(engine, make_engine):
    first = EngineSubject(engine)
    second = EngineSubject(make_engine())
    vectors = unit_vectors(np.random.default_rng(1), 4, DIM)
    first.put([1, 2], vectors[:2])
    second.put([1, 2], vectors[2:])
    query = queries(1)[0]
    assert len(engine.search("model", query, 10, Where())) == 4
    others = engine.search("model", query, 10, Where(without=first.number))
    assert {image.key >> 40 for image in others} == {second.number}
    assert engine.count("model", Where(without=first.number)) == 2
    assert engine.search("model", query, 10, Where(names=("nobody",))) == []
    digest = content_of(1)[::-1]
    found = engine.vectors_of_pixels("model", [digest])[digest]  # neither hides the other's
    assert {source: v.tobytes() for source, v in found.items()} == {
        first.uuid: vectors[0].tobytes(),
        second.uuid: vectors[2].tobytes(),
    }
    assert engine.forget(second.number) == 2
    assert [source.number for source in engine.sources()] == [first.number]
    assert len(engine.search("model", query, 10, Where())) == 2
    second.close()


def test_models_are_told_apart(engine, make_engine):
    nas, desktop = EngineSubject(engine), EngineSubject(make_engine())
    rng = np.random.default_rng(1)
    nas.put([1, 2], unit_vectors(rng, 2, DIM))
    desktop.engine.use_model(dataclasses.replace(MODEL, fingerprint="wide", dim=2 * DIM))
    desktop.at["wide"] = Position()
    wide = unit_vectors(rng, 1, 2 * DIM)
    step = VectorStep(0, np.array([1]), [content_of(1)], [content_of(1)[::-1]], wide, no_ids())
    desktop.write(FACTS, FactStep(0, [ImageFacts(1, content_of(1))]))
    desktop.write("wide", step)
    assert [engine.count(model, Where()) for model in ("model", "wide", "none")] == [2, 1, 0]
    found = engine.search("wide", wide[0].astype(np.float32), 10, Where())
    assert [image.key for image in found] == [key_of_image(desktop.number, 1)]
    assert {i.key for i in engine.search("model", queries(1)[0], 10, Where())} == {
        key_of_image(nas.number, 1),
        key_of_image(nas.number, 2),
    }
    digest = content_of(1)[::-1]
    assert list(engine.vectors_of_pixels("wide", [digest])[digest]) == [desktop.uuid]
    counts = {source.number: source.vectors for source in engine.sources()}
    assert counts == {nas.number: {"model": 2}, desktop.number: {"wide": 1}}
    desktop.close()


def test_one_process_at_a_time_publishes_as_a_source(database):
    name = str(uuid.uuid4())
    engine, other = PostgresEngine(database), PostgresEngine(database)
    number, _ = engine.join(Member(name, "nas", "here"))
    with pytest.raises(SourceTakenError):
        other.join(Member(name, "nas", "a copy elsewhere"))
    with pytest.raises(EngineError, match="published by another process"):
        other.join(Member(name, "nas", "here"))
    engine.close()
    assert other.join(Member(name, "renamed", "a copy elsewhere"))[0] == number
    other.close()


def test_what_a_source_publishes_is_compared_with_last_time(engine, make_engine):
    member = Member(str(uuid.uuid4()), "nas", "here", ("paths",))
    assert engine.join(member)[1]
    engine.close()
    again = make_engine()
    assert again.join(member)[1]
    assert not again.join(dataclasses.replace(member, publishes=()))[1]
    again.close()


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(taken_from="2023-05-01", taken_to="2023-06-01"), [1, 2]),
        (Filters(taken_from="2023-01-01", taken_to="2024-01-01"), [1, 2, 3]),
        (Filters(min_rating=4), [2]),
        (Filters(format=("JPG",)), [1, 2]),
        (Filters(orientation="portrait"), [2]),
        (Filters(min_width=1000), [1]),
        (Filters(has_gps=True), [3, 4]),
        (Filters(has_gps=False), [1, 2]),
        (Filters(box=(0, 170, 20, -170)), [4]),
        (Filters(box=(40, 0, 60, 20)), [3]),
        (Filters(near=(48.1, 11.5, 20)), [3]),
        (Filters(tags=("Beach",)), [1, 3]),
        (Filters(tags=("beach", "FAMILY")), [3]),
        (Filters(tags=("İSTANBUL",)), [4]),
        (Filters(folder="/photos/2023"), [1, 2]),
        (Filters(folder="2023"), [1, 2]),
        (Filters(folder="/photos/20"), []),
        (Filters(any_of=(Filters(min_rating=4), Filters(has_gps=True))), [2, 3, 4]),
        (Filters(none_of=(Filters(min_rating=2),)), [3, 4]),
        (Filters(online=True), [1, 2, 3, 4]),
    ],
)
def test_filters(engine, filters, ids):
    subject = EngineSubject(engine)
    facts = {
        1: {
            "format": "jpeg",
            "width": 1600,
            "height": 900,
            "taken_at": "2023-05-17T18:30:11",
            "rating": 3,
            "tags": ("beach",),
            "folders": ("/photos/2023", "/photos", "2023"),
        },
        2: {
            "format": "jpeg",
            "width": 600,
            "height": 900,
            "taken_at": "2023-05",
            "rating": 4.5,
            "folders": ("/photos/2023/may", "/photos/2023", "/photos", "2023/may", "2023"),
        },
        3: {
            "taken_at": "2023",
            "latitude": 48.14,
            "longitude": 11.58,
            "tags": ("beach", "family"),
            "format": "heif",
        },
        4: {"latitude": 10.0, "longitude": 179.5, "tags": ("istanbul",)},
    }
    for number, known in facts.items():
        vector = unit_vectors(np.random.default_rng(number), 1, DIM)
        subject.put([number], vector, **known)
    assert sorted(find(subject, filters)) == ids
    assert engine.count("model", Where(filters)) == len(ids)


def find(subject, filters):
    found = subject.engine.search("model", queries(1)[0], 10, Where(filters))
    return [image.facts.content_id for image in found]


@pytest.mark.parametrize("name", ["glob", "place", "camera", "root"])
def test_a_filter_that_no_engine_knows_is_named(engine, name):
    subject = EngineSubject(engine)
    with pytest.raises(BadRequestError, match=f"`{name}`: other sources cannot be searched by it"):
        find(subject, Filters(**{name: "x"}))


def test_a_role_cannot_change_the_rows_of_another(postgres, database):
    for role in ("nas", "desktop"):
        postgres.execute(
            f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
        )
    owner = PostgresEngine(database)
    owner.prepare()
    nas, desktop = (
        EngineSubject(PostgresEngine(database.replace("postgres@", f"{role}@")))
        for role in ("nas", "desktop")
    )
    nas.put([1], unit_vectors(np.random.default_rng(1), 1, DIM))
    desktop.put([1], unit_vectors(np.random.default_rng(2), 1, DIM))
    name = database.partition("@/")[2].partition("?")[0]
    key = key_of_image(nas.number, 1)

    def attempt(statement):
        counted = f"WITH done AS ({statement} RETURNING 1) SELECT * FROM done"
        return postgres.execute(counted, name, "desktop")

    for table in ("images", "vectors_1"):
        assert attempt(f"DELETE FROM imgvecd.{table} WHERE key = {key}") == []
        assert attempt(f"UPDATE imgvecd.{table} SET content = content WHERE key = {key}") == []
    assert attempt("UPDATE imgvecd.positions SET clock = 0 WHERE source = 1") == []
    assert attempt("DELETE FROM imgvecd.sources WHERE number = 1") == []
    new = f"({key + 1}, '{uuid.UUID(int=1)}', '{{}}', '{{}}', '{{}}')"
    import psycopg  # noqa: PLC0415  # an extra

    for statement in (
        f"INSERT INTO imgvecd.images (key, content, tags, paths, folders) VALUES {new}",
        "SELECT imgvecd.forget(1)",
        "ALTER TABLE imgvecd.images DISABLE ROW LEVEL SECURITY",
        "DROP TABLE imgvecd.vectors_1",
        "UPDATE imgvecd.models SET candidates = 1",
    ):
        with pytest.raises(psycopg.Error):
            postgres.execute(statement, name, "desktop")
    assert len(nas.engine.search("model", queries(1)[0], 10, Where())) == 2
    assert desktop.engine.forget(desktop.number) == 1
    for subject in (nas, desktop):
        subject.close()
    owner.close()


@pytest.fixture
def indexed(make_engine, monkeypatch):
    """A source with 4,000 vectors around a common direction, indexed; one in 40 has a tag."""
    monkeypatch.setattr(index_keeper, "INDEX_FROM", 2000)
    monkeypatch.setattr(nearest, "FEW", 50)
    subject = EngineSubject(make_engine())
    if "Milvus" in subject.engine.name:
        from imgvecd.adapters.milvus import recall  # noqa: PLC0415  # an extra

        monkeypatch.setattr(recall, "MEASURE_FROM", 2000)
        monkeypatch.setattr(recall, "_LOOK_S", 0.0)
    vectors = unit_vectors(np.random.default_rng(4), 4000, DIM).astype(np.float32)
    vectors += 1.2 / DIM**0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subject.vectors = vectors.astype(np.float16)
    for number in range(40):
        ids = range(number, 4000, 40)
        tags = ("rare",) if number == 3 else ()
        subject.put(ids, subject.vectors[list(ids)], tags=tags, rating=float(number % 5))

    def is_measured():
        subject.engine.settle(MODEL.fingerprint, lambda: queries(20))
        return subject.engine.measure(MODEL.fingerprint, queries(20)).queries > 0

    wait_until(is_measured)  # of Milvus, once it has put its segments together
    yield subject
    subject.close()


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), lambda i: True),
        pytest.param(Filters(min_rating=4), lambda i: i % 40 % 5 == 4, marks=pytest.mark.nightly),
        (Filters(tags=("rare",)), lambda i: i % 40 == 3),
    ],
    ids=["all", "20 %", "2.5 %"],
)
def test_an_index_finds_what_is_promised_with_exact_scores(indexed, filters, passes):
    stored = {i: vector for i, vector in enumerate(indexed.vectors) if passes(i)}
    found = 0
    for query in queries(20, seed=77):
        images = indexed.engine.search("model", query, 10, Where(filters))
        _, ids = brute_force(stored, query, 10)
        assert len(images) == 10
        for image in images:
            exact = float(stored[image.facts.content_id].astype(np.float32) @ query)
            assert image.score == pytest.approx(exact, abs=1e-6)
        assert [i.score for i in images] == sorted((i.score for i in images), reverse=True)
        found += len({image.facts.content_id for image in images} & set(ids.tolist()))
    assert found >= 0.95 * 200


def test_a_small_source_beside_a_large_one_is_searched_exactly(indexed, make_engine):
    small = EngineSubject(make_engine())
    vectors = unit_vectors(np.random.default_rng(6), 30, DIM)
    small.put(range(30), vectors)
    stored = dict(enumerate(vectors))
    for query in queries(5):
        found = small.engine.search("model", query, 10, Where(without=indexed.number))
        _, ids = brute_force(stored, query, 10)
        assert [image.facts.content_id for image in found] == ids.tolist()
    small.close()


def test_the_recall_is_measured(indexed):
    recall = indexed.engine.measure("model", queries(20))
    assert min(recall.unfiltered, recall.filtered) >= 0.95
    assert re.fullmatch(
        r"HNSW of 32 of 32 dimensions, \d+ and \d+ candidates|IVF_SQ8, \d+ and \d+ of 1024 lists",
        recall.how,
    )
    assert recall.queries >= 18


@pytest.mark.parametrize("make_engine", [MILVUS], indirect=True)
def test_all_lists_are_looked_through_until_as_many_are_needed_twice(indexed, monkeypatch):
    from imgvecd.adapters.milvus import recall  # noqa: PLC0415  # an extra

    def settled(*measured):
        found = iter(measured)
        monkeypatch.setattr(recall, "_enough", lambda *_: next(found))
        indexed.engine.settle(MODEL.fingerprint, lambda: queries(20))
        return indexed.engine.measure(MODEL.fingerprint, queries(20)).how

    monkeypatch.setattr(recall, "_GROWN", 0)
    before = settled(None, 16)  # searches read no index yet
    assert settled(16, 16) == before  # nor all of it
    assert settled(512, 256) == before
    assert settled(256, 256) == "IVF_SQ8, 512 and 256 of 1024 lists"


@pytest.mark.parametrize("make_engine", ["postgres"], indirect=True)
def test_the_recall_is_not_that_of_bursts_which_find_themselves(
    make_engine, monkeypatch, postgres, database
):
    monkeypatch.setattr(index_keeper, "INDEX_FROM", 2000)
    nobody_asks = np.empty((0, DIM), np.float32)
    subject = EngineSubject(make_engine())
    rng = np.random.default_rng(8)
    moments = np.repeat(unit_vectors(rng, 400, DIM).astype(np.float32), 10, axis=0)
    vectors = moments + 0.02 * rng.standard_normal(moments.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subject.put(range(4000), vectors.astype(np.float16))
    subject.engine.settle(MODEL.fingerprint, lambda: nobody_asks)
    measured = index_of(subject.engine)["candidates"]
    postgres.execute(
        "UPDATE imgvecd.models SET candidates = 10, candidates_filtered = 10",
        database.partition("@/")[2].partition("?")[0],
    )
    subject.engine._tables.forget("model")
    assert measured > 20
    assert subject.engine.measure("model", nobody_asks).unfiltered < 0.95
    subject.close()


@pytest.mark.parametrize("make_engine", ["postgres"], indirect=True)
def test_all_candidates_are_looked_at_before_the_nearest_are_ranked(
    indexed, monkeypatch, postgres, database
):
    monkeypatch.setattr(nearest, "_MOST_AT_ONCE", 10)  # which the index finds little with
    monkeypatch.setattr(nearest, "_RANKED", 20)
    postgres.execute(
        "UPDATE imgvecd.models SET candidates = 3000",
        database.partition("@/")[2].partition("?")[0],
    )
    indexed.engine._tables.forget("model")
    stored, found = dict(enumerate(indexed.vectors)), 0
    for query in queries(20, seed=77):
        images = indexed.engine.search("model", query, 10, Where())
        _, ids = brute_force(stored, query, 10)
        found += len({image.facts.content_id for image in images} & set(ids.tolist()))
    assert found >= 0.99 * 200


def test_few_vectors_need_no_index(engine):
    subject = EngineSubject(engine)
    subject.put([1], unit_vectors(np.random.default_rng(1), 1, DIM))
    engine.settle("model", lambda: queries(3))
    assert engine.measure("model", queries(3)).how in {"exact, one by one", "IVF_SQ8, every list"}


@pytest.mark.parametrize("make_engine", ["postgres"], indirect=True)
def test_an_index_is_measured_anew_when_the_table_has_doubled(indexed, monkeypatch):
    monkeypatch.setattr(index_keeper, "_LOOK_S", 0.0)
    assert index_of(indexed.engine)["version"] == 1
    indexed.put(range(10_000, 14_000), indexed.vectors)
    indexed.put(range(14_000, 14_100), indexed.vectors[:100])
    indexed.engine.settle(MODEL.fingerprint, lambda: queries(20))
    after = index_of(indexed.engine)
    assert (after["version"], after["measured_count"]) == (1, 8100)
    assert len(indexed.engine.search("model", queries(1)[0], 10, Where())) == 10


@pytest.mark.parametrize("make_engine", ["postgres"], indirect=True)
def test_an_index_that_finds_too_little_is_built_anew_under_searches(
    indexed, make_engine, monkeypatch
):
    searching = make_engine()

    def found():
        asked = enumerate(queries(10))
        return {
            (number, image.key, image.score)
            for number, query in asked
            for image in searching.search("model", query, 10, Where())
        }

    before = found()  # which remembers the index
    monkeypatch.setattr(index_keeper, "_LOOK_S", 0.0)
    monkeypatch.setattr(index_keeper, "_GROWN", 0)
    measured = iter([(4000, 4000, False), (800, 900, True)])
    monkeypatch.setattr(index_keeper, "enough_candidates", lambda *_: next(measured))
    indexed.engine.settle(MODEL.fingerprint, lambda: queries(20))
    after = index_of(indexed.engine)
    assert (after["version"], after["candidates"], after["candidates_filtered"]) == (2, 800, 900)
    again = found()
    assert len(before) == len(again) == 100
    assert len(before & again) >= 90  # each index misses a few, not the same ones
    searching.close()


@pytest.mark.parametrize("make_engine", ["postgres"], indirect=True)
def test_short_vectors_follow_whole_ones_and_nobody_writes_them(indexed, postgres):
    name = indexed.engine._connections._given["dbname"]
    both = (
        "SELECT v.vector::vector::real[], s.short::vector::real[]"
        " FROM imgvecd.vectors_1 v FULL JOIN imgvecd.short_1_1 s USING (key)"
    )
    indexed.put(range(40), indexed.vectors[100:140])  # others instead
    indexed.put([9000], indexed.vectors[:1])
    indexed.drop(range(100, 200))
    with indexed.engine._connections.reading() as connection:
        form = indexed.engine._tables.find(connection, "model").short
    whole, short = (
        np.array(row, np.float32) for row in zip(*postgres.execute(both, name), strict=True)
    )
    assert len(whole) == 3901
    np.testing.assert_allclose(short[:, :-1], (whole - form.mean) @ form.axes.T, atol=1e-3)
    np.testing.assert_allclose(np.square(short).sum(axis=1), form.reach, atol=1e-2)
    postgres.execute(
        "DO $$ BEGIN CREATE ROLE nas LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
    )
    import psycopg  # noqa: PLC0415  # an extra

    for statement in ("DELETE FROM imgvecd.short_1_1", "UPDATE imgvecd.short_1_1 SET key = 0"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres.execute(statement, name, "nas")
    indexed.engine.forget(indexed.number)
    assert postgres.execute(both, name) == []


def index_of(engine):
    names = ("version", "candidates", "candidates_filtered", "measured_count")
    with engine._connections.reading() as connection:
        (row,) = connection.execute(f"SELECT {', '.join(names)} FROM imgvecd.models").fetchall()
    assert None not in row
    return dict(zip(names, row, strict=True))


def test_an_index_is_built_once_and_writes_go_on_into_it(indexed):
    fresh = indexed.vectors[:1] * 1
    query = fresh[0].astype(np.float32)
    indexed.engine.settle(MODEL.fingerprint, lambda: queries(20))
    indexed.put([9000], fresh)
    found = indexed.engine.search("model", query / np.linalg.norm(query), 3, Where())
    assert {image.facts.content_id for image in found} >= {0, 9000}
    indexed.drop([9000])

    def is_gone():
        images = indexed.engine.search("model", query / np.linalg.norm(query), 3, Where())
        return 9000 not in {image.facts.content_id for image in images}

    wait_until(is_gone)  # of Milvus, a while later
