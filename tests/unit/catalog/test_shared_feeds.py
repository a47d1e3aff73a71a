"""What is published of a catalog: in the order of its clock, and nothing that was not asked for."""

import numpy as np
import pytest
from stored_library import MODEL, StoredLibrary

from imgvecd.core.sharing.vector_engine import FACTS


@pytest.fixture
def library(tmp_path):
    library = StoredLibrary(tmp_path / "state")
    yield library
    library.drop()


def changed(feeds, since, publish=()):
    """Return (clock, ids of facts, removed ids) of all that has changed."""
    known, removed = {}, set()
    while True:
        step = feeds.fact_step(since, 2, publish)
        if step.clock <= since:
            return since, known, removed
        known |= {facts.content_id: facts for facts in step.facts}
        removed |= set(step.removed)
        since = step.clock


def test_nothing_is_noted_until_something_is_shared(library):
    library.add(1)
    assert not tables(library) & {"facts_clock", "facts_of_new_file"}
    library.catalog.shared_feeds.track()
    library.catalog.shared_feeds.track()
    assert {"facts_clock", "facts_of_new_file"} <= tables(library)
    library.catalog.shared_feeds.stop_tracking()
    assert not any(name.startswith("facts_") for name in tables(library))


def tables(library):
    with library.catalog.shared_feeds._database.read() as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}


def test_facts_follow_every_change(library):
    feeds = library.catalog.shared_feeds
    library.add(1, 2, 3)
    feeds.track()
    since, known, removed = changed(feeds, 0)
    assert (sorted(known), removed) == ([1, 2, 3], set())
    library.catalog.user_metadata.tag([2], ["Family"])
    since, known, removed = changed(feeds, since, ["metadata"])
    assert (known[2].tags, sorted(known)) == (("family",), [2])
    library.remove(3)
    since, known, removed = changed(feeds, since)
    assert (known, removed) == ({}, {3})
    library.add(4)
    since, known, removed = changed(feeds, since)
    assert (sorted(known), removed) == ([4], set())
    assert changed(feeds, since) == (since, {}, set())


def test_only_what_is_asked_for_leaves_the_library(library):
    feeds = library.catalog.shared_feeds
    library.add(1)
    feeds.track()
    library.catalog.user_metadata.replace({1: {"rating": 4, "tags": ["a"]}})
    (bare,) = feeds.facts_of([1], []).facts
    assert (bare.format, bare.width, bare.height) == ("jpeg", 640, 480)
    assert (bare.taken_at, bare.rating, bare.tags, bare.paths, bare.folders) == (
        None,
        None,
        (),
        (),
        (),
    )
    (full,) = feeds.facts_of([1], ["paths", "metadata"]).facts
    assert (full.taken_at, full.rating, full.tags) == ("2023-05-01T10:00:00", 4, ("a",))
    assert (full.paths, full.folders) == (("/photos/1.jpg",), ("/photos",))


def test_what_no_engine_takes_does_not_leave_the_library(library):
    feeds = library.catalog.shared_feeds
    library.add(1)
    tags = [f"{number}\0" + "b" * 210 for number in range(250)]
    for rating in (1e308, "five", None, True):
        library.catalog.user_metadata.replace({1: {"rating": rating, "tags": tags}})
        (facts,) = feeds.facts_of([1], ["metadata"]).facts
        assert facts.rating in (1e308, None, 1)
        assert all("\0" not in tag and len(tag) <= 200 for tag in facts.tags)
        assert len(facts.tags) <= 200


def test_vectors_are_those_of_the_catalog_in_float16(library):
    feeds = library.catalog.shared_feeds
    library.add(1, 2)
    step = feeds.vector_step(MODEL.fingerprint, 0, 10)
    same = feeds.vectors_of(MODEL.fingerprint, [1, 2, 99])
    assert step.ids.tolist() == same.ids.tolist() == [1, 2]
    assert step.vectors.tobytes() == same.vectors.tobytes()
    kept = library.catalog.embeddings.embeddings(MODEL.fingerprint, [1, 2])
    for row, number in zip(step.vectors, (1, 2), strict=True):
        assert row.dtype == np.float16
        np.testing.assert_allclose(row, kept[number], rtol=1e-3)
    ids, contents = feeds.keys(MODEL.fingerprint)
    assert (ids.tolist(), contents) == (step.ids.tolist(), list(step.contents))
    assert feeds.ids_of(MODEL.fingerprint, [*contents, b"x" * 16]) == dict(
        zip(contents, ids.tolist(), strict=True)
    )
    library.remove(1)
    assert len(feeds.keys(MODEL.fingerprint)[0]) == 1
    assert feeds.vector_step(MODEL.fingerprint, step.clock, 10).removed.tolist() in ([1], [2])


def test_marks_and_what_waits(library):
    feeds = library.catalog.shared_feeds
    feeds.track()
    assert feeds.marks(FACTS) == ()
    feeds.note_marks(FACTS, ["1.a", "2.b"])
    assert feeds.marks(FACTS) == ("1.a", "2.b")
    clock = feeds.clock()
    library.add(1, 2, 3)
    for feed in (FACTS, MODEL.fingerprint):
        assert feeds.waiting(feed, clock, 100) == 3
        assert feeds.waiting(feed, clock, 2) == 2
        assert feeds.waiting(feed, feeds.clock(), 100) == 0


def test_tags_leave_the_library_as_searches_fold_them(library):
    feeds = library.catalog.shared_feeds
    library.add(1)
    feeds.track()
    library.catalog.user_metadata.tag([1], ["İstanbul", "ＩＳＰＡＲＴＡ"])
    (facts,) = feeds.facts_of([1], ["metadata"]).facts
    assert facts.tags == ("isparta", "istanbul")


def test_what_was_published_in_another_form_is_published_anew(library):
    feeds = library.catalog.shared_feeds
    feeds.track()
    feeds.note_marks(FACTS, ["1.a"])
    feeds.track()
    assert feeds.marks(FACTS) == ("1.a",)
    with feeds._database.write_aside() as connection:  # as an earlier version leaves it
        connection.execute("DELETE FROM meta WHERE key = 'shared facts are of form'")
    feeds.track()
    assert feeds.marks(FACTS) == ()


def test_what_was_not_tracked_is_not_trusted(library):
    feeds = library.catalog.shared_feeds
    feeds.track()
    feeds.note_marks(FACTS, ["1.a"])
    feeds.stop_tracking()
    feeds.track()
    assert feeds.marks(FACTS) == ()
