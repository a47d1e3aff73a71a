"""Answers of the searcher: relevance, orders, pages, groups, kept texts, standing queries."""

import asyncio
import itertools
import math
import threading
import time

import numpy as np
import pytest
from fakes import DIM, MODEL, vector_of
from running import DEADLINE_S, eventually

from imgvecd.api import ClassifyRequest, Filters, SavedSearch, SearchRequest, Term
from imgvecd.core.live import live_queries
from imgvecd.core.live.live_queries import LiveQueries
from imgvecd.core.search import Labeller, answering, known_texts, query_dates
from imgvecd.core.search import relevance as relevance_module
from imgvecd.core.search import searcher as searcher_module
from imgvecd.core.search.paging import Found, group_bursts
from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.core.search.relevance import SMALLEST_LIBRARY, TEXT, WEAKER_SHARE, Scale
from imgvecd.errors import BadRequestError, CatalogError, NotFoundError, WorkerError
from imgvecd.server.concurrency import slots_by_work
from imgvecd.server.route import Work
from imgvecd.types import ImageInfo, Lane


def towards(text, likeness, seed):
    """Return a unit vector that has this cosine with a text's, and otherwise any direction."""
    query = vector_of(text.encode())
    other = vector_of(b"%d" % seed)
    other -= other @ query * query
    other /= np.linalg.norm(other)
    return likeness * query + math.sqrt(1 - likeness**2) * other


def fill(shelf, count, *, likeness=0.0):
    return [shelf.add(f"/photos/{i:03}.jpg", towards("query", likeness, i)) for i in range(count)]


async def with_references(shelf):
    searcher = shelf.searcher()
    await asyncio.wait_for(searcher.run(), DEADLINE_S)
    return searcher


async def test_a_small_library_shows_everything(shelf):
    fill(shelf, SMALLEST_LIBRARY - 1)
    response = await shelf.find(limit=100)
    assert len(response.hits) == SMALLEST_LIBRARY - 1
    assert response.hits[0].relevance is None


async def test_nothing_matches_is_said_and_the_nearest_named(shelf):
    fill(shelf, 50)
    await with_references(shelf)
    response = await shelf.find()
    assert response.hits == ()
    assert response.nearest.relevance < 0.33
    shown = await shelf.find(all=True, limit=7)
    assert len(shown.hits) == 7
    assert shown.hits[0].id == response.nearest.id


async def test_what_matches_is_relevant_and_the_rest_is_left_out(shelf):
    fill(shelf, 50)
    match = shelf.add("/photos/match.jpg", towards("query", 0.99, 1000))
    await with_references(shelf)
    response = await shelf.find(limit=100)
    assert [hit.id for hit in response.hits if hit.band == "found"] == [match]
    assert response.hits[0].relevance > 0.5
    assert response.nearest is None
    assert (response.found, response.weaker) == (1, len(response.hits) - 1)
    assert len(response.hits) == pytest.approx(WEAKER_SHARE * 51, abs=2)
    assert [hit.id for hit in (await shelf.find(min_band="found")).hits] == [match]
    assert (await shelf.find(min_relevance=1.0)).hits == ()


async def test_a_long_text_has_to_stand_out_more(shelf, monkeypatch):
    """What is nearest to it says it in part, in any library."""
    text = "dogs running over wet grass"
    for i in range(60):
        shelf.add(f"/photos/{i:03}.jpg", vector_of(b"%d" % i))
    shelf.add("/photos/near.jpg", towards(text, 0.6, 1000))

    async def relevance():
        searcher = await with_references(shelf)
        (hit,) = (await searcher.search(SearchRequest(text=text, min_band="nearest", limit=1))).hits
        return hit.relevance

    long = await relevance()
    monkeypatch.setattr("imgvecd.core.search.best_scores._LONG", 9)
    assert long < 0.9 * await relevance()


async def with_bands(shelf, monkeypatch, *, found=0.8, weaker=0.5, dates=False):
    """Return what asks a library of 12 found, 6 weaker and 42 other images, whatever the scale."""
    monkeypatch.setattr(Scale, "found", property(lambda _: found))
    monkeypatch.setattr(Scale, "weaker", property(lambda _: weaker))
    for i in range(60):
        likeness = 0.9 if i % 5 == 0 else 0.6 if i % 10 == 1 else 0.05
        taken = f"2024-01-{1 + i % 28:02}T00:00:00" if dates else None
        shelf.add(f"/photos/{i:03}.jpg", towards("query", likeness, i), taken_at=taken)
    searcher = await with_references(shelf)

    async def find(**fields):
        return await searcher.search(SearchRequest(**{"text": "query", "limit": 100, **fields}))

    return find


def bands(response):
    return [hit.band for hit in response.hits]


async def test_found_comes_before_weaker_and_both_are_counted(shelf, monkeypatch):
    find = await with_bands(shelf, monkeypatch)
    expected = ["found"] * 12 + ["weaker"] * 6
    usual = await find()
    assert bands(usual) == expected
    assert bands(await find(min_band="found")) == expected[:12]
    assert bands(await find(all=True)) == expected + ["nearest"] * 42
    for fields in ({}, {"limit": 1}, {"min_band": "found"}, {"all": True}, {"group": "folder"}):
        answer = await find(**fields)
        assert (answer.found, answer.weaker) == (12, 6)
    assert all(hit.relevance is not None for hit in usual.hits)
    assert usual.nearest_hits == ()


async def test_the_three_nearest_are_named_where_nothing_is_found(shelf, monkeypatch):
    find = await with_bands(shelf, monkeypatch, found=0.95, weaker=0.8)
    answer = await find()
    assert bands(answer) == ["weaker"] * 12
    assert (answer.found, answer.weaker) == (0, 12)
    assert answer.nearest_hits == answer.hits[:3]
    assert answer.nearest == answer.hits[0]
    assert (await find(min_band="found")).nearest_hits == answer.hits[:3]


@pytest.mark.parametrize("order", ["score", "newest", "oldest", "path"])
@pytest.mark.parametrize("group", [None, "day"])
async def test_pages_go_on_from_band_to_band(shelf, monkeypatch, order, group):
    find = await with_bands(shelf, monkeypatch, dates=True)
    whole = await find(order=order, group=group, all=True)
    assert bands(whole) == sorted(bands(whole), key=["found", "weaker", "nearest"].index)
    paged, cursor = [], None
    while cursor or not paged:
        page = await find(order=order, group=group, all=True, limit=5, cursor=cursor)
        assert (page.found, page.weaker) == (12, 6)
        paged += page.hits
        cursor = page.next_cursor
    assert paged == list(whole.hits)


async def test_a_large_library_is_counted_as_its_sample_is(shelf, monkeypatch):
    find = await with_bands(shelf, monkeypatch)
    monkeypatch.setattr(answering, "_COUNTED_ONE_BY_ONE", 50)
    monkeypatch.setattr(answering, "SPARE", 1)
    asked = [await find(limit=limit) for limit in (1, 5, 14, 30)]
    assert [(answer.found, answer.weaker) for answer in asked] == [(12, 6)] * 4


async def test_least_scores_and_relevances_hold_in_every_band(shelf, monkeypatch):
    find = await with_bands(shelf, monkeypatch)
    high = await find(min_score=0.85)
    assert (len(high.hits), high.found, high.weaker) == (12, 12, 0)
    weak = (await find()).hits[-1].relevance
    for least, every, sure in ((weak - 0.01, 18, 12), (weak + 0.01, 12, 12)):
        assert len((await find(min_relevance=least)).hits) == every
        assert len((await find(min_relevance=least, min_band="found")).hits) == sure


async def test_photos_come_before_reference_texts_until_somebody_searches(shelf, monkeypatch):
    monkeypatch.setattr(searcher_module, "_LULL_S", 3600.0)
    monkeypatch.setattr(searcher_module, "_LONGEST_WAIT_S", 3600.0)
    fill(shelf, 40)
    searcher = shelf.searcher()
    learning = asyncio.create_task(searcher.run())
    for number in range(5):  # photos come in
        shelf.add(f"/photos/new {number}.jpg", towards("query", 0.1, number))
        searcher.wake()
        await asyncio.sleep(0)
    assert not learning.done()
    assert not await searcher.terms.kept_texts(REFERENCE_TEXTS)
    await searcher.search(SearchRequest(text="query"))
    await asyncio.wait_for(learning, 60)
    assert await searcher.scales.ordinary(TEXT) is not None


async def test_times_in_words_are_ready_before_anybody_asks(shelf):
    query_dates._rules.cache_clear()
    fill(shelf, 40)
    await with_references(shelf)
    assert query_dates._rules.cache_info().currsize == 1


async def test_reference_texts_are_encoded_once_for_all_time(shelf):
    fill(shelf, 40)
    await with_references(shelf)
    shelf.encoder.encode_texts = None  # a second searcher finds all of them in the catalog
    searcher = shelf.searcher()
    await asyncio.wait_for(searcher.run(), DEADLINE_S)
    assert await searcher.scales.ordinary(TEXT) is not None


async def test_a_search_does_not_wait_while_a_grown_library_is_measured_anew(shelf, monkeypatch):
    fill(shelf, 40)
    searcher = await with_references(shelf)
    first = await searcher.search(SearchRequest(text="query", all=True))
    edition, gate = searcher.scales.edition, threading.Event()
    sample = searcher.scales._relevance._draw
    monkeypatch.setattr(
        searcher.scales._relevance,
        "_draw",
        lambda count: gate.wait(DEADLINE_S) and sample(count),
    )
    for number in range(40, 50):
        shelf.add(f"/photos/{number:03}.jpg", towards("query", 0.0, number))
    async with asyncio.timeout(DEADLINE_S / 2):
        grown = await searcher.search(SearchRequest(text="query", all=True))
    assert grown.hits[0].relevance == first.hits[0].relevance
    assert searcher.scales.edition == edition
    gate.set()
    await eventually(lambda: searcher.scales.edition != edition)


async def test_what_is_found_and_not_in_the_sample_has_weaker_ones_after_it(shelf, monkeypatch):
    monkeypatch.setattr(relevance_module, "_SAMPLE", 60)
    fill(shelf, 300)
    meant = shelf.add("/photos/meant.jpg", towards("query", 0.95, 1000))
    assert meant not in shelf.catalog.searching.sample_ids(MODEL.fingerprint, 60)
    searcher = await with_references(shelf)
    response = await searcher.search(SearchRequest(text="query", limit=50))
    assert response.found == 1
    assert response.weaker > WEAKER_SHARE * 300 * 0.8
    assert [hit.band for hit in response.hits] == ["found", *["weaker"] * 49]
    query = await searcher.prepare(SearchRequest(text="query", min_band="weaker"))
    ids = [hit.id for hit in response.hits]
    told = searcher.answers.hits_among(query, ids)
    assert [told[i].band for i in ids] == [hit.band for hit in response.hits]


async def test_pages_have_the_bands_of_what_is_found_and_not_in_the_sample(shelf, monkeypatch):
    monkeypatch.setattr(relevance_module, "_SAMPLE", 60)
    for i in range(300):
        shelf.add(f"/photos/{i:03}.jpg", towards("query", i % 60 / 300, i))
    meant = shelf.add("/photos/meant.jpg", towards("query", 0.95, 1000))
    person = {"people": ["Ada"]}
    ada = shelf.add("/photos/ada.jpg", towards("query", 0.1, 1001), metadata=person)
    searcher = await with_references(shelf)

    async def page(**fields):
        request = SearchRequest(text="Ada query", spelling=False, all=True, **fields)
        return await searcher.search(request)

    whole = await page(limit=400)
    assert [hit.id for hit in whole.hits][:2] == [ada, meant]
    first = await page(limit=1)
    others = await page(limit=399, cursor=first.next_cursor)
    paged = [(hit.id, hit.band) for hit in (*first.hits, *others.hits)]
    assert paged == [(hit.id, hit.band) for hit in whole.hits]


async def test_a_library_that_cannot_be_measured_anew_is_tried_once(shelf, monkeypatch, caplog):
    fill(shelf, 40)
    searcher = await with_references(shelf)
    await searcher.search(SearchRequest(text="query"))
    tried = []

    def draw(count):
        tried.append(count)
        raise CatalogError("the disk is gone")

    monkeypatch.setattr(searcher.scales._relevance, "_draw", draw)
    for number in range(40, 50):
        shelf.add(f"/photos/{number:03}.jpg", towards("query", 0.0, number))
    for text in ("one", "two", "three"):
        assert (await searcher.search(SearchRequest(text=text, all=True))).hits
        await eventually(lambda: not searcher.scales._is_renewing)
    assert len(tried) == caplog.text.count("the disk is gone") == 1


async def test_a_repeated_text_needs_no_model(shelf):
    fill(shelf, 3)
    first = await shelf.find("a dog")
    shelf.encoder.encode_texts = None
    assert (await shelf.find("a dog")).hits == first.hits


async def test_an_answer_waits_for_no_write_and_its_text_is_kept_at_the_end(shelf):
    fill(shelf, 3)
    searcher = shelf.searcher()
    with shelf.catalog._database.write_aside():  # as while photos are indexed
        async with asyncio.timeout(DEADLINE_S):
            first = await searcher.search(SearchRequest(text="a dog"))
            encode, shelf.encoder.encode_texts = shelf.encoder.encode_texts, None
            again = await searcher.search(SearchRequest(text="a dog", limit=2))
            shelf.encoder.encode_texts = encode
            await searcher.search(SearchRequest(text="a cat"))
        closing = asyncio.create_task(searcher.close())
        await asyncio.sleep(0)
        assert not closing.done()
    await closing
    assert again.hits == first.hits[:2]
    assert shelf.catalog.searching.texts(MODEL.fingerprint, ["a dog", "a cat"]).keys() == {
        "a dog",
        "a cat",
    }


async def test_it_is_told_at_once_whether_anything_has_to_be_encoded(shelf):
    ids = fill(shelf, 3)
    searcher = shelf.searcher()
    known, new = SearchRequest(text="dogs"), SearchRequest(text="a cat")
    assert not searcher.remembers(known)
    await searcher.search(known)
    assert searcher.remembers(known)
    assert not searcher.remembers(new)
    shelf.encoder.encode_texts = None
    stored = Term(id=ids[0])
    mixed = SearchRequest(terms=(Term(text="dogs"), stored))
    assert searcher.remembers(mixed)
    await searcher.search(mixed)
    assert not searcher.remembers(SearchRequest(terms=(stored, Term(url="http://x/y.jpg"))))
    await searcher.close()


async def test_texts_that_wait_for_the_catalog_are_few_and_forgotten_by_none(shelf, monkeypatch):
    monkeypatch.setattr(known_texts, "_MOST_UNWRITTEN", 2)
    monkeypatch.setattr(known_texts, "_REMEMBERED_TEXTS", 1)
    searcher, texts = shelf.searcher(), ["a dog", "a cat", "a car"]
    with shelf.catalog._database.write_aside():
        async with asyncio.timeout(DEADLINE_S):
            for text in texts[:2]:
                await searcher.terms.texts([text], Lane.INTERACTIVE)
            assert (await searcher.terms.kept_texts(texts[:2])).keys() == set(texts[:2])
            third = asyncio.create_task(searcher.terms.texts(texts[2:], Lane.INTERACTIVE))
            while len(await searcher.terms.kept_texts(texts)) < 3:
                await asyncio.sleep(0.01)
        assert not third.done()
    await asyncio.wait_for(third, DEADLINE_S)
    assert shelf.catalog.searching.texts(MODEL.fingerprint, texts).keys() == set(texts)


async def test_many_searches_encode_their_texts_together(shelf):
    fill(shelf, 3)
    asked = []
    encode = shelf.encoder.encode_texts

    async def noting(texts, lane):
        asked.append(list(texts))
        return await encode(texts, lane)

    shelf.encoder.encode_texts = noting
    texts = ("a red car", "a dog", "a red car")
    requests = [SearchRequest(text=text) for text in texts]
    answers = await shelf.searcher().search_many(requests)
    assert asked == [["a red car", "a dog"]]
    assert [a.hits for a in answers] == [(await shelf.find(text)).hits for text in texts]


async def test_pages_neither_shift_nor_repeat_when_images_come(shelf):
    ids = fill(shelf, 20, likeness=0.5)
    first = await shelf.find(limit=8, all=True)
    for i in range(5):
        shelf.add(f"/photos/better{i}.jpg", towards("query", 0.9, 500 + i))
    seen = list(first.hits)
    cursor = first.next_cursor
    while cursor:
        page = await shelf.find(limit=8, all=True, cursor=cursor)
        seen += page.hits
        cursor = page.next_cursor
    assert sorted(hit.id for hit in seen) == ids
    assert [hit.score for hit in seen] == sorted((hit.score for hit in seen), reverse=True)


@pytest.mark.parametrize("order", ["newest", "oldest", "path"])
async def test_orders_sort_what_is_relevant_and_page_through_it(shelf, order):
    dates = ["2020-01-01T00:00:00", None, "2024-05-05T05:05:05", "2022-02-02T02:02:02", None]
    for i, date in enumerate(dates):
        shelf.add(f"/photos/{5 - i}.jpg", vector_of(b"%d" % i), taken_at=date)
    whole = await shelf.find(order=order, all=True)
    expected = {
        "newest": ["3.jpg", "2.jpg", "5.jpg", "4.jpg", "1.jpg"],
        "oldest": ["5.jpg", "2.jpg", "3.jpg", "4.jpg", "1.jpg"],
        "path": ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"],
    }[order]
    assert [hit.path.rsplit("/", 1)[1] for hit in whole.hits] == expected
    paged, cursor = [], None
    while cursor or not paged:
        page = await shelf.find(order=order, all=True, limit=2, cursor=cursor)
        paged += page.hits
        cursor = page.next_cursor
    assert paged == list(whole.hits)


async def test_a_cursor_of_another_search_is_refused(shelf):
    fill(shelf, 5)
    cursor = (await shelf.find(limit=2, all=True)).next_cursor
    for request in ({"text": "another", "cursor": cursor}, {"cursor": "nonsense"}):
        with pytest.raises(BadRequestError, match="cursor"):
            await shelf.find(limit=2, all=True, **request)


async def test_groups_show_each_day_folder_or_burst_once(shelf):
    burst = towards("query", 0.9, 1)
    for i in range(3):
        shelf.add(f"/photos/burst/{i}.jpg", burst + i * 1e-3, taken_at=f"2024-01-01T00:00:0{i}")
    shelf.add("/photos/other/3.jpg", towards("query", 0.5, 2), taken_at="2024-01-01T09:00:00")
    shelf.add("/photos/other/4.jpg", towards("query", 0.4, 3), taken_at="2024-01-02T00:00:00")
    shown = {
        group: [(hit.group_size, hit.path[-5]) for hit in (await shelf.find(group=group)).hits]
        for group in ("day", "folder", "near-duplicates")
    }
    assert [size for size, _ in shown["day"]] == [4, 1]
    assert [size for size, _ in shown["folder"]] == [3, 2]
    assert [size for size, _ in shown["near-duplicates"]] == [3, 1, 1]


async def test_groups_page_without_repeating(shelf):
    for i in range(6):
        for j in range(2):
            shelf.add(f"/photos/{i}/{j}.jpg", towards("query", 0.8 - 0.1 * i, 10 * i + j))
    first = await shelf.find(group="folder", limit=4)
    second = await shelf.find(group="folder", limit=4, cursor=first.next_cursor)
    names = [hit.group for hit in (*first.hits, *second.hits)]
    assert names == [f"/photos/{i}" for i in range(6)]
    assert second.next_cursor is None


async def test_shares_add_up_to_the_score(shelf):
    fill(shelf, 5)
    terms = (Term(text="a"), Term(text="b", weight=2.0), Term(text="c", weight=-0.5))
    response = await shelf.searcher().search(SearchRequest(terms=terms, explain=True))
    for hit in response.hits:
        assert sum(hit.shares) == pytest.approx(hit.score, abs=2e-3)  # vectors are kept as fp16


async def listen(shelf, since=None, count=1, **request):
    searcher = shelf.searcher()

    async def current():
        return searcher

    standing = LiveQueries(current, shelf.catalog.searching, shelf.catalog.embeddings)
    found = []

    async def follow():
        position = standing.position(since)
        wanted = SearchRequest(**{"text": "query", **request})
        async for match in standing.matches(wanted, position):
            if match is not None:
                found.append(match)
            if len(found) == count:
                return

    task = asyncio.create_task(follow())
    return searcher, task, found


async def test_a_listener_is_told_once_of_each_new_match_across_reconnects(shelf):
    fill(shelf, 3)
    clock = f"c:{shelf.catalog.embeddings.instance()}:{shelf.catalog.embeddings.clock()}"
    good = [shelf.add(f"/photos/good{i}.jpg", towards("query", 0.9, 50 + i)) for i in range(3)]
    shelf.add("/photos/bad.jpg", towards("query", 0.1, 60))
    _, task, found = await listen(shelf, clock, 2, min_score=0.5)
    await asyncio.wait_for(task, DEADLINE_S)
    searcher, again, more = await listen(shelf, found[-1].since, 2, min_score=0.5)
    good.append(shelf.add("/photos/good3.jpg", towards("query", 0.9, 53)))
    searcher.wake()
    await asyncio.wait_for(again, DEADLINE_S)
    assert [match.hit.id for match in (*found, *more)] == good


async def test_what_is_listened_for_is_encoded_once(shelf):
    """However often there is news; filters are those of the library as it is then."""
    vector = vector_of(b"query")
    wanted = {"text": None, "image": Term(data=b"query"), "filters": Filters(format=("jpeg",))}
    searcher, task, found = await listen(shelf, count=4, **wanted)
    await asyncio.sleep(0)  # it listens from now on
    for n in range(4):
        new = shelf.add(f"/photos/{n}.jpg", vector)
        searcher.wake()
        async with asyncio.timeout(DEADLINE_S):
            while len(found) <= n:
                await asyncio.sleep(0.01)
        assert found[-1].hit.id == new
    await asyncio.wait_for(task, DEADLINE_S)
    assert sum(shelf.encoder.batches) == 1


async def test_a_listener_is_told_of_what_is_found(shelf, monkeypatch):
    await with_bands(shelf, monkeypatch)
    clock = f"c:{shelf.catalog.embeddings.instance()}:{shelf.catalog.embeddings.clock()}"
    for i, likeness in enumerate((0.9, 0.6, 0.1, 0.9)):
        shelf.add(f"/photos/new{i}.jpg", towards("query", likeness, 100 + i))
    for fields, count in (({}, 2), ({"min_band": "weaker"}, 3), ({"all": True}, 4)):
        _, task, found = await listen(shelf, clock, count, **fields)
        await asyncio.wait_for(task, DEADLINE_S)
        assert [match.hit.band for match in found if match.hit.score > 0.8] == ["found"] * 2


async def test_a_change_of_models_makes_nothing_new(shelf):
    (old,) = fill(shelf, 1)
    clock = shelf.catalog.embeddings.clock()
    other = type(MODEL)("fake-2", "other", "", DIM, MODEL.preprocess)
    shelf.catalog.models.activate([MODEL, other])
    image = shelf.catalog.images.images([old])[old]
    assert image is not None

    rows = np.stack([vector_of(b"x")])
    shelf.catalog.work.commit_embeddings("fake-2", [(old, ImageInfo("jpeg", 4, 4))], rows, [])
    new = shelf.catalog.searching.new_embeddings("fake-2", (clock, 2**62), 10)
    assert new == []


async def test_an_edit_of_the_metadata_in_a_file_makes_nothing_new(shelf):
    vector = vector_of(b"x")
    shelf.add("/photos/a.jpg", vector, pixels=b"p" * 16)
    clock = shelf.catalog.embeddings.clock()
    shelf.add("/photos/a, rated.jpg", vector, pixels=b"p" * 16)
    other = shelf.add("/photos/b.jpg", vector, pixels=b"q" * 16)
    new = shelf.catalog.searching.new_embeddings(MODEL.fingerprint, (clock, 2**62), 10)
    assert [identity for _, identity in new] == [other]


async def test_standing_queries_look_one_after_the_other_and_rest_in_proportion(shelf, monkeypatch):
    """Whatever number a new image wakes: searches have the rest of the interpreter."""
    searcher = shelf.searcher()
    looks, looking = [], []

    async def current():
        return searcher

    hits_among = searcher.answers.hits_among

    def slow(query, ids):
        assert not looking
        looking.append(query)
        began = time.monotonic()
        time.sleep(0.02)
        try:
            return hits_among(query, ids)
        finally:
            looking.clear()
            looks.append((began, time.monotonic()))

    monkeypatch.setattr(searcher.answers, "hits_among", slow)
    standing = LiveQueries(current, shelf.catalog.searching, shelf.catalog.embeddings)

    async def follow(number):
        wanted = SearchRequest(text="query", min_score=number / 10)
        async for _ in standing.matches(wanted, standing.position(None)):
            return

    following = [asyncio.create_task(follow(number)) for number in range(4)]
    await asyncio.sleep(0)  # they listen from now on
    shelf.add("/photos/new.jpg", towards("query", 1.0, 1))
    searcher.wake()
    await asyncio.wait_for(asyncio.gather(*following), DEADLINE_S)
    for (began, ended), (following_began, _) in itertools.pairwise(looks):
        assert following_began - ended >= live_queries._RESTS * (ended - began) * 0.9
    assert len(looks) == len(following)


async def test_a_standing_query_that_is_never_prepared_holds_up_no_other(shelf, monkeypatch):
    searcher = shelf.searcher()
    prepare, waiting = searcher.prepare, asyncio.Event()

    async def current():
        return searcher

    async def hanging(request):
        if request.text == "a picture that hangs":
            waiting.set()
            await asyncio.Event().wait()
        return await prepare(request)

    monkeypatch.setattr(searcher, "prepare", hanging)
    standing = LiveQueries(current, shelf.catalog.searching, shelf.catalog.embeddings)

    async def follow(text):
        wanted = SearchRequest(text=text, min_score=0.1)
        async for _ in standing.matches(wanted, standing.position(None)):
            return

    hung = asyncio.create_task(follow("a picture that hangs"))
    following = asyncio.create_task(follow("query"))
    await asyncio.sleep(0)  # they listen from now on
    shelf.add("/photos/new.jpg", towards("query", 1.0, 1))
    searcher.wake()
    await asyncio.wait_for(waiting.wait(), DEADLINE_S)
    await asyncio.wait_for(following, DEADLINE_S)
    assert not hung.done()
    hung.cancel()


async def test_a_clock_of_another_library_is_refused(shelf):
    standing = LiveQueries(None, shelf.catalog.searching, shelf.catalog.embeddings)
    for since in ("c:other:5", "yesterday"):
        with pytest.raises(BadRequestError, match="since"):
            standing.position(since)


async def test_labels_come_best_first_and_become_tags(shelf):
    image = shelf.add("/photos/dog.jpg", towards("a photo of dog", 1.0, 0), user={"tags": ["old"]})
    labeller = Labeller(shelf.catalog.images, shelf.catalog.embeddings, shelf.catalog.user_metadata)
    request = ClassifyRequest(labels=("cat", "dog"), write_tags=True)
    answer = await labeller.classify(shelf.searcher(), request)
    (labelled,) = answer.images
    assert [label.label for label in labelled.labels] == ["dog"]
    assert labelled.labels[0].share > 0.9
    assert shelf.catalog.images.images([image])[image].user_metadata["tags"] == ["old", "dog"]


async def test_saved_searches_are_kept_replaced_and_dropped(shelf):
    store = shelf.catalog.saved_searches
    store.save(SavedSearch(name="dogs", search=SearchRequest(text="dog")))
    store.save(SavedSearch(name="dogs", search=SearchRequest(text="a dog", limit=3)))
    (saved,) = store.saved()
    assert saved.search == SearchRequest(text="a dog", limit=3)
    store.forget("dogs")
    with pytest.raises(NotFoundError):
        store.forget("dogs")


async def test_texts_of_different_people_are_encoded_together(shelf):
    fill(shelf, 3)
    searcher, asked, gate = shelf.searcher(), [], asyncio.Event()
    encode = shelf.encoder.encode_texts

    async def waiting(texts, lane):
        asked.append(len(texts))
        await gate.wait()
        return await encode(texts, lane)

    shelf.encoder.encode_texts = waiting
    people = [
        asyncio.create_task(searcher.search(SearchRequest(text=f"a thing of kind {i}")))
        for i in range(50)
    ]
    async with asyncio.timeout(DEADLINE_S):
        while not asked or len(searcher.terms._waiting) < 50 - asked[0]:
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*people)
    assert sum(asked) == 50
    assert len(asked) <= 3


@pytest.fixture
def held_up(shelf):
    """The encoder of texts waits; return (what it is asked for, what ends its wait)."""
    batches, gate, encode = [], asyncio.Event(), shelf.encoder.encode_texts

    async def waiting(texts, lane):
        batches.append(list(texts))
        await gate.wait()
        return await encode(texts, lane)

    shelf.encoder.encode_texts = waiting
    return batches, gate


async def test_who_asks_for_one_text_waits_for_one_batch_of_those_who_ask_for_many(shelf, held_up):
    terms, (batches, gate) = shelf.searcher().terms, held_up
    labels = [f"label {n}" for n in range(1000)]
    many = asyncio.create_task(terms.texts(labels, Lane.INTERACTIVE))
    await eventually(lambda: batches)
    one = asyncio.create_task(terms.texts(["a dog"], Lane.INTERACTIVE))
    await eventually(lambda: "a dog" in terms._waiting)
    gate.set()
    assert {*await many, *await one} == {*labels, "a dog"}
    assert "a dog" in batches[1]


@pytest.mark.parametrize("texts", [1, 4, 8])
async def test_who_asks_for_many_texts_has_half_of_each_batch(shelf, held_up, texts):
    """However many others are answered beside it, and whatever of these goes first."""
    terms, (batches, gate) = shelf.searcher().terms, held_up
    others = slots_by_work()[Work.ENCODING]._free - 1
    labels = [f"label {n}" for n in range(1000)]
    asked = [[f"text {n} of {other}" for n in range(texts)] for other in range(others)]
    answers = [asyncio.create_task(terms.texts(labels, Lane.INTERACTIVE))]
    await eventually(lambda: batches)
    answers += [asyncio.create_task(terms.texts(each, Lane.INTERACTIVE)) for each in asked]
    await eventually(lambda: terms._waiting.keys() >= {*itertools.chain(*asked)})
    gate.set()
    await asyncio.gather(*answers)
    assert len(set(labels).intersection(batches[1])) >= len(batches[1]) / 2


async def test_a_failing_encoder_fails_those_who_wait_and_nobody_after(shelf):
    fill(shelf, 3)
    searcher, encode = shelf.searcher(), shelf.encoder.encode_texts

    async def failing(texts, lane):
        raise WorkerError("gone")

    shelf.encoder.encode_texts = failing
    with pytest.raises(WorkerError):
        await searcher.search(SearchRequest(text="a dog"))
    shelf.encoder.encode_texts = encode
    assert (await searcher.search(SearchRequest(text="a dog"))).hits


async def test_a_url_is_fetched_only_where_that_is_wanted(shelf):
    (image,) = fill(shelf, 1)
    dog = shelf.add("/photos/dog.jpg", vector_of(b"bytes of a dog"))
    term = Term(url="https://example.org/dog.jpg")
    with pytest.raises(BadRequestError, match=r"server\.fetch_urls"):
        await shelf.searcher().search(SearchRequest(image=term))
    asked = []
    shelf.fetch = lambda url: asked.append(url) or b"bytes of a dog"
    response = await shelf.searcher().search(SearchRequest(image=term))
    assert [hit.id for hit in response.hits] == [dog, image]
    assert asked == ["https://example.org/dog.jpg"]


@pytest.mark.parametrize("weight", [0.0, math.nan])
async def test_weights_that_leave_no_direction_are_refused(shelf, weight):
    fill(shelf, 3)
    request = SearchRequest(terms=(Term(text="a dog", weight=weight),))
    with pytest.raises(BadRequestError, match="cancel"):
        await shelf.searcher().search(request)


async def test_terms_that_cancel_each_other_out_are_refused(shelf):
    fill(shelf, 3)
    terms = (Term(text="a dog"), Term(text="a dog", weight=-1))
    with pytest.raises(BadRequestError, match="cancel"):
        await shelf.searcher().search(SearchRequest(terms=terms))


async def test_an_empty_library_answers_nothing(shelf):
    for request in ({}, {"all": True}, {"order": "newest"}, {"group": "near-duplicates"}):
        response = await shelf.find(limit=1000, **request)
        assert (response.hits, response.nearest, response.next_cursor) == ((), None, None)


async def test_of_a_book_what_a_model_can_read_is_searched(shelf):
    fill(shelf, 3)
    book = "call me Ishmael " * 100_000
    searcher = shelf.searcher()
    (answer,) = await searcher.search_many([SearchRequest(text=book)])
    assert len(answer.hits) == 3
    assert 1990 < max(map(len, searcher.terms._known_texts._remembered)) <= 2000


def test_bursts_in_many_images_are_those_found_one_after_the_other():
    rng = np.random.default_rng(0)
    alone = rng.normal(size=(300, 32)).astype(np.float32)
    again = alone[rng.integers(0, 300, 200)] + 0.02 * rng.normal(size=(200, 32))
    rows = rng.permutation(np.concatenate([alone, again])).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    leaders, sizes = [], []
    for i, row in enumerate(rows):
        likeness = [float(rows[leader] @ row) for leader in leaders]
        if likeness and max(likeness) >= 0.9:
            sizes[int(np.argmax(likeness))] += 1
        else:
            leaders.append(i)
            sizes.append(1)
    groups = group_bursts([Found(i, 0.0) for i in range(500)], rows)
    assert [(group.leader.id, group.size) for group in groups] == list(
        zip(leaders, sizes, strict=True)
    )
    assert len(leaders) == 300
