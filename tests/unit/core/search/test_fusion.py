"""What is found by names beside what is found by pictures."""

import asyncio
import math

import numpy as np
import pytest
from fakes import vector_of
from running import DEADLINE_S

from imgvecd.api import Filters, SearchRequest, Term
from imgvecd.core.search.fusion import fused, ladder
from imgvecd.core.search.paging import Found
from imgvecd.core.search.relevance import Scale


def towards(text, likeness, seed):
    query = vector_of(text.encode())
    other = vector_of(b"%d" % seed)
    other -= other @ query * query
    other /= np.linalg.norm(other)
    return likeness * query + math.sqrt(1 - likeness**2) * other


async def filled(shelf, text="ada", count=60):
    """Return a searcher over photos of which the first come nearest to a text."""
    for i in range(count):
        shelf.add(f"/photos/{i:03}.jpg", towards(text, 0.9 - 0.01 * i, i))
    searcher = shelf.searcher()
    await asyncio.wait_for(searcher.run(), DEADLINE_S)
    return searcher


def paths(response):
    return [hit.path.rpartition("/")[2] for hit in response.hits]


def images(scores, **fields):
    return [Found(i, score, **fields) for i, score in enumerate(scores)]


def test_a_ladder_has_the_scores_at_powers_of_two():
    assert ladder([0.9, 0.8, 0.7, 0.6, 0.5]) == (0.9, 0.8, 0.6)
    assert ladder([]) == ()


def test_the_order_is_that_of_summed_reciprocal_ranks():
    scores = [1 - i / 1000 for i in range(1023)]
    pictures = images(scores)
    named = [Found(i, scores[i], named=True) for i in (3, 40, 1000)]
    order = [image.id for image in fused(pictures, named, ladder(scores))]
    # each beside its own rank by picture: 1/(60+4) + 1/(60+1) and so on
    worth = {i: 1 / (61 + i) for i in range(1023)}
    for rank, i in enumerate((3, 40, 1000), 1):
        worth[i] += 1 / (60 + rank)
    expected = sorted(worth, key=lambda i: -worth[i])
    assert order[:3] == expected[:3] == [3, 40, 1000]
    assert sorted(order) == sorted(expected)


def test_without_names_the_order_is_that_of_the_scores():
    pictures = images([0.9, 0.5])
    assert fused(pictures, [], ()) == pictures


async def test_a_name_finds_what_no_picture_shows(shelf):
    searcher = await filled(shelf)
    shelf.add("/photos/Ada at school.jpg", towards("ada", -0.5, 900))
    response = await searcher.search(SearchRequest(text="Ada"))
    assert response.hits[0].path == "/photos/Ada at school.jpg"
    assert (response.hits[0].matched, response.hits[0].band) == ("name", "found")
    assert response.hits[1].matched is None
    assert (await searcher.search(SearchRequest(text="ada", names=False))).hits[0].matched is None


async def test_metadata_is_told_from_names(shelf):
    searcher = await filled(shelf)
    content = shelf.add("/photos/x.jpg", towards("ada", 0, 900), metadata={"people": ["Ada"]})
    hit = (await searcher.search(SearchRequest(text="ada"))).hits[0]
    assert (hit.id, hit.matched) == (content, "metadata")


@pytest.mark.parametrize("order", ["score", "newest", "path"])
async def test_pages_hold_each_image_once_while_others_come(shelf, order):
    searcher = await filled(shelf)
    for i in range(7):
        shelf.add(f"/photos/ada/{i}.jpg", towards("ada", 0.8 - 0.2 * i, 500 + i))
    request = SearchRequest(text="ada", all=True, limit=1000, order=order)
    whole = paths(await searcher.search(request))
    assert len(whole) == len(set(whole)) == 67
    seen, cursor = [], None
    while cursor or not seen:
        fields = {"text": "ada", "all": True, "limit": 4, "order": order, "cursor": cursor}
        page = await searcher.search(SearchRequest(**fields))
        assert page.found >= 7
        seen += paths(page)
        cursor = page.next_cursor
        if len(seen) == 8:
            shelf.add("/photos/late.jpg", towards("ada", 1.0, 999))
    assert [path for path in seen if path != "late.jpg"] == whole


async def test_filters_hold_for_names(shelf):
    searcher = await filled(shelf)
    shelf.add("/photos/a/ada.jpg", towards("ada", 0, 900))
    kept = shelf.add("/photos/b/ada.jpg", towards("ada", 0, 901))
    response = await searcher.search(SearchRequest(text="ada", filters=Filters(folder="b")))
    assert [hit.id for hit in response.hits] == [kept]


async def test_no_name_goes_below_a_score_that_was_asked_for(shelf):
    searcher = await filled(shelf)
    shelf.add("/photos/ada.jpg", towards("ada", 0, 900))
    response = await searcher.search(SearchRequest(text="ada", min_score=0.3))
    assert all(hit.matched is None for hit in response.hits)


async def test_only_one_text_alone_is_taken_for_a_name(shelf):
    searcher = await filled(shelf)
    shelf.add("/photos/ada.jpg", towards("ada", 0, 900))
    for terms in ((Term(text="ada", weight=-1),), (Term(text="ada"), Term(text="beach"))):
        response = await searcher.search(SearchRequest(terms=terms, all=True))
        assert all(hit.matched is None for hit in response.hits)


async def test_a_standing_query_tells_of_names(shelf, monkeypatch):
    monkeypatch.setattr(Scale, "found", property(lambda _: 0.8))
    searcher = await filled(shelf)
    content = shelf.add("/photos/ada.jpg", towards("ada", -0.5, 900))
    other = shelf.add("/photos/bob.jpg", towards("ada", -0.5, 901))
    query = await searcher.prepare(SearchRequest(text="ada", min_band="found"))
    assert list(searcher.answers.hits_among(query, [content, other])) == [content]
