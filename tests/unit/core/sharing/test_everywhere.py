"""What other sources say is shown, folded, and never believed to be of this machine."""

import asyncio
import threading

import numpy as np
import pytest

from imgvecd.api import Filters, SearchRequest
from imgvecd.core.sharing import everywhere as module
from imgvecd.core.sharing.everywhere import Everywhere
from imgvecd.core.sharing.vector_engine import ImageFacts, SharedImage, key_of_image
from imgvecd.errors import BadRequestError, EngineError

QUERY = np.array([1, 0], np.float32)


def image(source, number, score, content=None, path=None, name=None):
    facts = ImageFacts(
        number, (content or number).to_bytes(16), "jpeg", 4, 3, paths=(path,) if path else ()
    )
    return SharedImage(key_of_image(source, number), score, name or f"s{source}", facts)


class Engine:
    def __init__(self, images=()):
        self.images = list(images)
        self.asked = []
        self.error = None

    def search(self, fingerprint, query, k, where):
        self.asked.append((k, where))
        if self.error is not None:
            raise self.error
        return self.images[:k]

    def count(self, fingerprint, where):
        return len(self.images)


class Feeds:
    def __init__(self, here=None):
        self.here = here or {}

    def ids_of(self, fingerprint, contents):
        return {c: self.here[c] for c in contents if c in self.here}


def find(engine, feeds=None, k=3, allowed=None, number=1, by_default=False, **request):
    there = Everywhere(engine, feeds or Feeds(), lambda: number, "me", by_default=by_default)
    asked = SearchRequest(text="x", **request)
    return asyncio.run(there.find("model", asked, QUERY, k, allowed))


def test_each_content_is_shown_once_with_all_who_have_it():
    engine = Engine([image(2, 1, 0.9, 77), image(3, 5, 0.9, 77), image(2, 2, 0.8)])
    others = find(engine)
    assert [(hit.path, hit.source, hit.also_in) for hit in others.hits.values()] == [
        ("s2:#1", "s2", ("s3",)),
        ("s2:#2", "s2", ()),
    ]
    assert list(others.hits) == [hit.id for hit in others.hits.values()]
    assert others.searched == 3
    assert engine.asked[0][1].without == 1


def test_what_is_here_is_found_here_unless_the_filters_leave_it_out():
    engine = Engine([image(2, 1, 0.9, 77), image(2, 2, 0.8)])
    feeds = Feeds({(77).to_bytes(16): 4})
    others = find(engine, feeds)
    assert [hit.path for hit in others.hits.values()] == ["s2:#2"]
    assert others.also_in == {4: ("s2",)}
    assert find(engine, feeds, allowed=np.array([4, 9])).also_in == {4: ("s2",)}
    others = find(engine, feeds, allowed=np.array([3, 9]))
    assert len(others.hits) == 2
    assert others.also_in == {}


def test_many_copies_do_not_hide_others():
    copies = [image(2 + n, 1, 0.9, 77) for n in range(50)]
    engine = Engine([*copies, image(2, 2, 0.8), image(2, 3, 0.7)])
    assert len(find(engine).hits) == 3
    assert len(engine.asked) > 1


@pytest.mark.parametrize(
    ("name", "path"),
    [("nas", "/a\n/home/me/b.jpg"), ("/home/me", "x"), ("n\x1b[2J", "y\r"), ("a\u202eb", "z")],
)
def test_nothing_that_others_write_looks_like_a_path_of_this_machine(name, path):
    (hit,) = find(Engine([image(2, 1, 0.9, path=path, name=name)])).hits.values()
    assert hit.path.isprintable()
    assert hit.source.isprintable()
    assert not hit.path.startswith("/")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EngineError("the shared engine at db: no route"), "no route"),
        (BadRequestError("`glob`: other sources cannot be searched by it"), "`glob`"),
    ],
)
def test_an_engine_that_fails_is_a_note(error, said):
    engine = Engine()
    engine.error = error
    (note,) = find(engine).notes
    assert note.startswith("Only this library was searched: ")
    assert said in note


def test_before_the_engine_was_reached_nobody_is_asked():
    engine = Engine()
    (note,) = find(engine, number=None).notes
    assert "not reached yet" in note
    assert engine.asked == []


def test_an_engine_that_takes_too_long_is_a_note_and_left_alone(monkeypatch):
    ended, asked = threading.Event(), []
    monkeypatch.setattr(module, "_WITHIN_S", 0.05)
    engine = Engine()
    engine.search = lambda *_: asked.append(1) or (ended.wait(20) and [])
    there = Everywhere(engine, Feeds(), lambda: 1, "me", by_default=True)

    async def find_twice():
        request = SearchRequest(text="x")
        return [await there.find("model", request, QUERY, 3, None) for _ in range(2)]

    try:
        notes = [others.notes for others in asyncio.run(find_twice())]
    finally:
        ended.set()
    assert all("did not answer within" in note for (note,) in notes)
    assert asked == [1]


def test_others_with_another_model_are_told_of():
    (note,) = find(Engine()).notes
    assert "model of this library" in note


def test_sources_that_have_nothing_are_named_and_this_one_is_not():
    assert find(Engine(), sources=["me"]).notes == ()
    notes = find(Engine(), sources=["me", "nas\n"]).notes
    assert len(notes) == 1
    assert notes[0].startswith("No source called nas")
    assert notes[0].isprintable()
    assert find(Engine([image(2, 1, 0.9)]), sources=["nas"]).notes == ()


def test_when_others_are_wanted():
    for by_default, request, wanted in [
        (False, {}, False),
        (True, {}, True),
        (True, {"everywhere": False}, False),
        (False, {"everywhere": True}, True),
        (False, {"sources": ["nas"]}, True),
    ]:
        there = Everywhere(Engine(), Feeds(), lambda: 1, "me", by_default=by_default)
        assert there.is_wanted(SearchRequest(text="x", **request)) is wanted


def test_dates_go_down_resolved():
    engine = Engine([image(2, 1, 0.9)])
    find(engine, filters=Filters(taken="2023"))
    filters = engine.asked[0][1].filters
    assert (filters.taken, filters.taken_from[:4], filters.taken_to[:4]) == (None, "2023", "2024")
