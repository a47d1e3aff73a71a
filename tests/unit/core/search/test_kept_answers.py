"""Answers that are given again are those that a search anew would give."""

import msgspec
import pytest
from fakes import MODEL

from imgvecd.api import Hit, SearchRequest, SearchResponse, Term
from imgvecd.catalog.queries import known_names
from imgvecd.catalog.schema.connection import Database
from imgvecd.core.search import kept_answers, searcher
from imgvecd.core.search.kept_answers import KeptAnswers
from imgvecd.core.threads import ThreadPool
from tests.unit.core.search.test_searcher import fill, towards, with_references

ASKED = SearchRequest(text="query", all=True, limit=50)
NOTHING = SearchResponse(hits=(), searched=0, clock="c:x:1", took_ms=0.0, model="m")


def same(*answers):
    """Whether answers say the same, but for how long they took."""
    said = [msgspec.json.encode(msgspec.structs.replace(each, took_ms=0.0)) for each in answers]
    return len(set(said)) == 1


@pytest.fixture
def hops(monkeypatch):
    """What was run in threads."""
    calls, run = [], ThreadPool.run

    def counted(pool, call, *args, **kwargs):
        calls.append((pool.name, call.__name__))
        return run(pool, call, *args, **kwargs)

    monkeypatch.setattr(ThreadPool, "run", counted)
    return calls


async def test_a_known_text_takes_one_turn_in_one_thread_and_again_none(shelf, hops):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(ASKED)
    hops.clear()
    first = await asking.search(msgspec.structs.replace(ASKED, min_score=-0.9))
    assert hops == [("interactive", "_found")]
    hops.clear()
    again = await asking.search(msgspec.structs.replace(ASKED, min_score=-0.9))
    assert not hops
    assert same(first, again)


async def test_many_hits_take_no_more_statements_than_few(shelf, monkeypatch):
    fill(shelf, 40)
    asking = await with_references(shelf)
    said, connect = [], Database._connect

    def traced(database):
        connection = connect(database)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(Database, "_connect", traced)
    shelf.catalog.searching._database._readers.queue.clear()
    counts = []
    for limit in (1, 1, 30):
        said.clear()
        await asking.search(
            msgspec.structs.replace(ASKED, limit=limit, min_score=-0.9 - limit / 999)
        )
        counts.append(len(said))
    assert counts[2] <= counts[1] + 5  # of what is beside the files, some at a time


CHANGES = {
    "a photo comes": lambda shelf, _: shelf.add("/photos/new.jpg", towards("query", 0.99, 77)),
    "a photo goes": lambda shelf, _: shelf.remove("/photos/000.jpg"),
    "another file beside": lambda shelf, _: shelf.add("/photos/000.cr2", towards("query", 0.1, 5)),
    "a name of a text": lambda shelf, _: shelf.add("/photos/query.jpg", towards("query", -0.5, 6)),
    "a tag": lambda shelf, ids: shelf.catalog.user_metadata.tag(ids[:1], ["query"]),
    "what a person says": lambda shelf, ids: shelf.catalog.user_metadata.replace(
        {ids[1]: {"title": "query"}}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_is_kept_is_told_no_more_after(shelf, change):
    ids = fill(shelf, 40)
    asking = await with_references(shelf)
    before = await asking.search(ASKED)
    assert same(before, await asking.search(ASKED))
    CHANGES[change](shelf, ids)
    now = await asking.search(ASKED)
    asking._kept = KeptAnswers()
    assert not same(before, now)
    assert same(now, await asking.search(ASKED))


async def test_another_day_is_another_answer(shelf, monkeypatch, hops):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(ASKED)
    await asking.search(ASKED)
    hops.clear()
    monkeypatch.setattr(searcher, "_today", lambda: searcher.datetime.date(2031, 5, 6))
    await asking.search(ASKED)
    assert hops == [("interactive", "_found")]


async def test_scales_that_are_learnt_later_are_told(shelf):
    fill(shelf, 40)
    asking = shelf.searcher()
    assert (await asking.search(ASKED)).hits[0].relevance is None
    await asking.scales.learn_texts()
    assert (await asking.search(ASKED)).hits[0].relevance is not None


def test_names_that_may_be_read_again_are_another_state(shelf, monkeypatch):
    store = shelf.catalog.searching
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(known_names.time, "monotonic", lambda: next(clock))
    store.called(["ada"])  # takes ten seconds: kept for some hundred
    shelf.add("/photos/ada/1.jpg", towards("query", 0.1, 1))
    assert not store.called(["ada"])
    states = [store.state for _ in range(60)]
    assert states[0] != states[-1]
    assert store.called(["ada"])
    assert store.state == states[0]


def test_encoded_texts_change_no_answer(shelf):
    before = shelf.catalog.searching.state
    shelf.catalog.searching.keep_texts(MODEL.fingerprint, {"a dog": towards("query", 0.5, 1)})
    assert shelf.catalog.searching.state == before


def test_no_more_is_kept_than_may_be():
    kept = KeptAnswers()
    for number in range(kept_answers._MOST + 1):
        kept.keep(SearchRequest(text=f"{number}"), 1, NOTHING)
    assert kept.find(SearchRequest(text="0"), 1) is None
    assert kept.find(SearchRequest(text="1"), 1) is NOTHING
    assert kept.find(SearchRequest(text="1"), 2) is None
    hit = Hit(id=1, score=1.0, path="/a", format=None, width=None, height=None, size_bytes=1)
    large = msgspec.structs.replace(NOTHING, hits=(hit,) * (kept_answers._MOST_FILES + 1))
    outside = SearchRequest(image=Term(data=b"x"))
    for request, answer in (
        (SearchRequest(text="many"), large),
        (SearchRequest(text="x" * kept_answers._LONGEST), NOTHING),
        (outside, NOTHING),
    ):
        kept.keep(request, 1, answer)
        assert kept.find(request, 1) is None
