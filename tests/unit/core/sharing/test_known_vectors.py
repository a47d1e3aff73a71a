"""Vectors from the engine are a favour: none is waited for, and none is believed unseen."""

import numpy as np
import pytest

from imgvecd.core.sharing import known_vectors
from imgvecd.core.sharing.known_vectors import KnownVectors
from imgvecd.core.sharing.refused_sources import RefusedSources
from imgvecd.errors import EngineError


def vector(number):
    """The one that the model gives."""
    row = np.random.default_rng(number).standard_normal(64).astype(np.float32)
    return row / np.linalg.norm(row)


def digest(number):
    return number.to_bytes(16)


class Catalog:
    def __init__(self):
        self.again = []

    def vectors_of_pixels(self, fingerprint, digests):
        return {d: np.ones(64, np.float32) / 8 for d in digests if d == b"here"}

    def encode_again(self, fingerprint, digests):
        self.again += digests
        return len(digests)


class Engine:
    """Has vectors of every number from each of its sources, as they say they are."""

    def __init__(self, **sources):
        self.sources = sources
        self.asked = []
        self.broken = False

    def vectors_of_pixels(self, fingerprint, digests):
        self.asked.append(digests)
        if self.broken:
            raise EngineError("away")
        return {
            d: {
                source: of(int.from_bytes(d)).astype(np.float16)
                for source, of in self.sources.items()
            }
            for d in digests
            if len(d) == 16
        }


@pytest.fixture
def refusals(tmp_path):
    return RefusedSources(str(tmp_path))


def batch(known, numbers):
    """Do as the embedder does; return (what was taken, what was taken and then doubted)."""
    digests = [digest(number) for number in numbers]
    taken = known.of_pixels("model", digests)
    made = {d: vector(int.from_bytes(d)) for d in digests if d not in taken}
    return taken, known.refuted("model", list(taken), made)


def test_the_engine_is_asked_for_what_the_catalog_lacks(refusals):
    engine = Engine(s1=vector)
    known = KnownVectors(Catalog(), engine, refusals)
    assert list(known.of_pixels("model", [b"here", b"nowhere"])) == [b"here"]
    assert engine.asked == [[b"nowhere"]]
    known.of_pixels("model", [b"here"])
    assert len(engine.asked) == 1


def test_a_source_is_believed_once_some_of_it_was_compared(refusals):
    known = KnownVectors(Catalog(), Engine(s1=vector), refusals)
    taken, doubted = batch(known, range(20))
    assert sorted(taken) == [digest(number) for number in range(3, 20)]
    assert taken[digest(5)].dtype == np.float32
    assert doubted == set()
    assert known.taken == 17
    taken, _ = batch(known, range(20, 52))
    assert len(taken) == 32
    taken, _ = batch(known, range(52, 152))
    assert len(taken) == 98  # one in fifty goes on to be compared
    assert known.refused == ()


def test_a_source_of_another_model_is_caught_in_its_first_batch(refusals):
    catalog = Catalog()
    known = KnownVectors(catalog, Engine(s4=lambda number: vector(number + 1000)), refusals)
    taken, doubted = batch(known, range(20))
    assert len(taken) == 17
    assert doubted == set(taken)
    assert known.refused == ("s4",)
    taken, _ = batch(known, range(20, 40))
    assert taken == {}


def test_a_source_that_turns_bad_is_caught_and_what_it_gave_is_encoded_again(refusals):
    catalog = Catalog()
    known = KnownVectors(
        catalog,
        Engine(s4=lambda number: vector(number if number < 20 else number + 1000)),
        refusals,
    )
    batch(known, range(20))
    batch(known, range(20, 45))
    assert known.refused == ()
    batch(known, range(45, 70))
    assert known.refused == ("s4",)
    assert set(catalog.again) >= {digest(number) for number in range(20, 45)}


def test_of_a_source_that_has_long_been_right_only_the_last_is_encoded_again(monkeypatch, refusals):
    monkeypatch.setattr(known_vectors, "_MOST_TAKEN", 10)
    catalog = Catalog()
    known = KnownVectors(
        catalog,
        Engine(s4=lambda number: vector(number if number < 100 else number + 1000)),
        refusals,
    )
    batch(known, range(60))
    batch(known, range(60, 100))
    batch(known, range(100, 150))
    assert known.refused == ("s4",)
    assert len(catalog.again) == 10


def test_where_sources_differ_neither_is_believed_and_the_wrong_one_is_caught(refusals):
    wrong = 25
    known = KnownVectors(
        Catalog(),
        Engine(s1=vector, s2=lambda number: vector(number + 1000 * (number == wrong))),
        refusals,
    )
    taken, doubted = batch(known, range(30))
    assert digest(wrong) not in taken
    assert known.refused == ("s2",)
    assert doubted == set()  # what was taken is the first one's
    taken, _ = batch(known, range(30, 40))
    assert len(taken) == 10


def test_what_cannot_be_an_embedding_is_not_even_compared(refusals):
    known = KnownVectors(Catalog(), Engine(s1=lambda number: 5 * vector(number)), refusals)
    taken, _ = batch(known, range(20))
    assert taken == {}
    assert known.refused == ()


def test_an_engine_that_is_away_is_left_alone(refusals):
    engine = Engine(s1=vector)
    engine.broken = True
    known = KnownVectors(Catalog(), engine, refusals)
    for _ in range(5):
        assert list(known.of_pixels("model", [b"here", digest(1)])) == [b"here"]
    assert len(engine.asked) == 1


def test_a_refused_source_stays_so_until_a_person_believes_it_again(tmp_path, refusals):
    engine = Engine(s4=lambda number: vector(number + 1000))
    batch(KnownVectors(Catalog(), engine, refusals), range(20))
    after_a_start = KnownVectors(Catalog(), engine, RefusedSources(str(tmp_path)))
    assert after_a_start.refused == ("s4",)
    taken, doubted = batch(after_a_start, range(20, 40))
    assert (taken, doubted) == ({}, set())

    engine.sources["s4"] = vector  # its encoder was mended
    RefusedSources(str(tmp_path)).discard("s4")  # as another process does
    assert after_a_start.refused == ()
    taken, _ = batch(after_a_start, range(40, 60))
    assert sorted(taken) == [digest(number) for number in range(43, 60)]


def test_a_source_that_is_believed_again_too_early_is_caught_again(refusals):
    catalog = Catalog()
    wrong = {"from": 20}
    engine = Engine(s4=lambda number: vector(number + 1000 * (number >= wrong["from"])))
    known = KnownVectors(catalog, engine, refusals)
    batch(known, range(20))
    batch(known, range(20, 70))
    assert known.refused == ("s4",)
    refusals.discard("s4")
    taken, doubted = batch(known, range(70, 90))
    assert doubted == set(taken)
    assert known.refused == ("s4",)


def test_a_refusal_that_cannot_be_written_holds_until_the_next_start(tmp_path):
    (tmp_path / "state").write_text("not a folder")
    refusals = RefusedSources(str(tmp_path / "state"))
    known = KnownVectors(Catalog(), Engine(s4=lambda number: vector(number + 1000)), refusals)
    batch(known, range(20))
    assert known.refused == ("s4",)
    taken, _ = batch(known, range(20, 40))
    assert taken == {}
