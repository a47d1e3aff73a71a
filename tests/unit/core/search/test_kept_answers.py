"""Answers that are given again are those that a search anew would give."""

import asyncio
import functools
import os
import threading

import msgspec
import pytest
from fakes import MODEL

from imgvecd.api import Hit, SearchRequest, SearchResponse, Term
from imgvecd.catalog import Catalog
from imgvecd.catalog.queries import known_names
from imgvecd.catalog.schema.connection import Database
from imgvecd.core.search import kept_answers, searcher
from imgvecd.core.search.kept_answers import KeptAnswers
from imgvecd.core.threads import ThreadPool
from imgvecd.errors import ModelError
from tests.unit.core.search.conftest import PlainIndex
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


async def test_many_hits_take_no_more_statements_than_few(shelf, looks):
    fill(shelf, 40)
    asking = await with_references(shelf)
    counts = []
    for limit in (1, 1, 30):
        shelf.catalog.user_metadata.tag([1], [f"{len(counts)}"])  # nothing is remembered
        looks.clear()
        await asking.search(
            msgspec.structs.replace(ASKED, limit=limit, min_score=-0.9 - limit / 999)
        )
        counts.append(len(looks))
    assert counts[2] <= counts[1] + 5  # of what is beside the files, some at a time


async def test_a_known_text_looks_nothing_up_while_nothing_changes(shelf, looks):
    fill(shelf, 40)
    asking = await with_references(shelf)
    asking._index = asking.answers._index = asking.scales._index = Still(asking._index)
    await asking.search(ASKED)
    looks.clear()
    await asking.search(msgspec.structs.replace(ASKED, min_score=-0.9))
    assert not looks
    shelf.catalog.user_metadata.tag([1], ["x"])
    await asking.search(msgspec.structs.replace(ASKED, min_score=-0.8))
    assert looks.count("BEGIN") == 1
    assert looks.count("ROLLBACK") == 1


async def test_a_new_text_is_looked_for_once(shelf, hops, looks):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(ASKED)
    hops.clear()
    looks.clear()
    await asking.search(msgspec.structs.replace(ASKED, text="another one"))
    assert [call for pool, call in hops if pool == "interactive"] == ["_found", "_found"]
    assert len([look for look in looks if " FROM texts " in look]) == 1


@pytest.fixture
def looks(shelf, monkeypatch):
    """What is said to SQLite."""
    said, connect = [], Database._connect

    def traced(database):
        connection = connect(database)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(Database, "_connect", traced)
    shelf.catalog.searching._database._readers.queue.clear()
    return said


class Still:
    """An index as it was."""

    def __init__(self, index):
        self.clock, self._found = index._all()
        self.search = functools.partial(PlainIndex.search, self)

    def _all(self):
        return self.clock, self._found

    def __len__(self):
        return len(self._found)


async def by_another_process(shelf, asking):
    """Return what is answered by who remembers nothing."""
    ours, shelf.catalog = (
        shelf.catalog,
        Catalog(os.path.dirname(shelf.catalog.path), read_only=True),
    )
    try:
        other = shelf.searcher()
        other.scales = asking.scales  # the sample is drawn anew only once there are many more
        return await other.search(ASKED)
    finally:
        shelf.catalog.close()
        shelf.catalog = ours


async def test_who_reads_beside_another_process_tells_what_that_has_written(shelf):
    fill(shelf, 40)
    ours = await with_references(shelf)
    before = await ours.search(ASKED)
    beside = Catalog(os.path.dirname(shelf.catalog.path), read_only=True)
    writing, shelf.catalog = shelf.catalog, beside
    try:
        reading = await with_references(shelf)
        assert same(before, await reading.search(ASKED))
        shelf.catalog = writing
        shelf.catalog.user_metadata.tag([1], ["query"])
        now = await ours.search(ASKED)
        assert not same(before, now)
        assert same(now, await reading.search(ASKED))
    finally:
        shelf.catalog = writing
        beside.close()


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
    assert not same(before, now)
    assert same(now, await by_another_process(shelf, asking))


async def test_what_many_ask_at_once_is_found_once(shelf, hops):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(msgspec.structs.replace(ASKED, limit=3))
    hops.clear()
    answers = await asyncio.gather(*(asking.search(ASKED) for _ in range(8)))
    assert hops == [("interactive", "_found")]
    assert same(*answers)
    assert not asking._finding


async def test_many_who_wait_for_a_library_to_be_measured_anew_wait_for_it_once(shelf, hops):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(ASKED)
    for number in range(30):
        shelf.add(f"/photos/new{number}.jpg", towards("query", 0.5, 100 + number))
    hops.clear()
    found = await asyncio.gather(
        *(asking.search(msgspec.structs.replace(ASKED, limit=limit)) for limit in range(1, 9))
    )
    assert [call for _, call in hops].count("ordinary") == 1
    assert {call for _, call in hops} == {"_found", "ordinary"}
    assert all(answer.hits[0].relevance is not None for answer in found)


async def test_who_goes_away_takes_the_answer_from_nobody(shelf, hops):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(msgspec.structs.replace(ASKED, limit=3))
    hops.clear()
    first, second = (asyncio.create_task(asking.search(ASKED)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert len((await second).hits) == 40
    assert hops == [("interactive", "_found")]
    alone = asyncio.create_task(asking.search(msgspec.structs.replace(ASKED, limit=4)))
    await asyncio.sleep(0)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    assert not asking._finding


async def test_what_fails_for_one_fails_for_all_who_wait_and_is_asked_anew(shelf, monkeypatch):
    fill(shelf, 40)
    asking = await with_references(shelf)
    await asking.search(msgspec.structs.replace(ASKED, limit=3))
    asked = []

    def failing(query):
        asked.append(query)
        raise ModelError("no model")

    with monkeypatch.context() as patched:
        patched.setattr(asking, "_answer", failing)
        found = await asyncio.gather(
            *(asking.search(ASKED) for _ in range(5)), return_exceptions=True
        )
    assert [type(each) for each in found] == [ModelError] * 5
    assert len(asked) == 1
    assert len((await asking.search(ASKED)).hits) == 40


async def test_whose_time_is_up_takes_the_answer_from_nobody(shelf):
    fill(shelf, 40)
    asking = await with_references(shelf)
    other = asyncio.create_task(asking.search(ASKED))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asking.search(ASKED)
    assert len((await other).hits) == 40
    gone = asyncio.create_task(asking.search(msgspec.structs.replace(ASKED, limit=5)))
    await asyncio.sleep(0)
    gone.cancel()  # and the same is asked at once
    assert len((await asking.search(msgspec.structs.replace(ASKED, limit=5))).hits) == 5
    assert not asking._finding


async def test_who_asks_after_a_change_gets_no_answer_from_before(shelf, monkeypatch):
    fill(shelf, 40)
    asking = await with_references(shelf)
    begun, go_on, answer = threading.Event(), threading.Event(), asking._answer
    answered = []

    def slow(query):
        answered.append(query)
        begun.set()
        assert go_on.wait(30)
        return answer(query)

    monkeypatch.setattr(asking, "_answer", slow)
    before = asyncio.create_task(asking.search(ASKED))
    await asyncio.to_thread(begun.wait)
    shelf.add("/photos/new.jpg", towards("query", 0.99, 77))
    after = asyncio.create_task(asking.search(ASKED))
    await asyncio.sleep(0)
    go_on.set()
    await before
    assert len((await after).hits) == 41
    assert len(answered) == 2


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
    assert store.state == states[-1]  # and what was told of the names before is not told again


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
