"""What a client makes up is a bad request at the worst: cursors, folders, saved searches."""

from __future__ import annotations

import asyncio
import base64
import math
import threading

import msgspec
import numpy as np
import pytest
from fakes import DIM
from running import DEADLINE_S

from imgvecd.api import Filters, SavedSearch, SearchRequest
from imgvecd.core.search.paging import BandCuts, Cursor, digest
from imgvecd.core.search.relevance import SMALLEST_LIBRARY, Relevance
from imgvecd.errors import BadRequestError

CUTS = BandCuts(-1.0, -1.0, -1.0)
ORDERS = ("score", "newest", "oldest", "path")


def unit(number):
    vector = np.random.default_rng(number).normal(size=DIM)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def filled(shelf):
    for number in range(5):
        shelf.add(f"/photos/{number}.jpg", unit(number))
    return shelf


KEYS = [
    (),
    (0,),
    ("a", "b", "c"),
    ("0", "a", 3),
    (0, 0.5, "x"),
    (0, 0.5, 3, 4, 5),
    (0, math.nan, 3),
    (None, 0.5, 3),
    (0, [0.5], 3),
    (0, {}, 3),
    (2**63, 2**63, 2**63),
    ("", 0, 0, 0),
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
async def test_a_cursor_with_a_key_of_another_type_is_a_bad_request(filled, order, key):
    request = SearchRequest(text="query", order=order, all=True)
    made = msgspec.msgpack.encode([digest(request), 3, CUTS, key])
    cursor = base64.urlsafe_b64encode(made).decode().rstrip("=")
    with pytest.raises(BadRequestError, match="cursor"):
        await filled.find(order=order, all=True, cursor=cursor)


@pytest.mark.parametrize(
    ("shown", "cuts"),
    [
        (-1, CUTS),
        (2**62, CUTS),
        (1, BandCuts(math.nan, 0.0, 0.0)),
        (1, BandCuts(0.0, 0.0, math.nan)),
    ],
)
async def test_a_cursor_with_numbers_that_cannot_be_is_a_bad_request(filled, shown, cuts):
    request = SearchRequest(text="query", all=True)
    cursor = Cursor(digest(request), shown, cuts, (0, -0.5, 3)).encode()
    with pytest.raises(BadRequestError, match="cursor"):
        await filled.find(all=True, cursor=cursor)


async def test_a_cursor_that_skips_all_finds_nothing(filled):
    request = SearchRequest(text="query", all=True)
    cursor = Cursor(digest(request), 2**40, CUTS, (2, 2.0, 3)).encode()
    assert (await filled.find(all=True, cursor=cursor)).hits == ()


async def test_a_tilde_is_nobodys_home_but_that_of_who_asks(filled, monkeypatch):
    monkeypatch.setenv("HOME", "/photos")
    for folder in ("~", "~/x", "~root/x"):
        with pytest.raises(BadRequestError, match="`folder`"):
            await filled.find(filters=Filters(folder=folder))


def test_a_saved_search_of_another_version_hides_no_other(filled):
    store = filled.catalog.saved_searches
    store.save(SavedSearch(name="dogs", search=SearchRequest(text="a dog")))
    with filled.catalog.saved_searches._database.write_aside() as connection:
        connection.execute(
            'INSERT INTO saved_searches VALUES (\'later\', \'{"text": "x", "mood": 3}\')'
        )
    assert [saved.name for saved in store.saved()] == ["dogs"]
    assert not filled.catalog.damaged
    store.forget("later")


async def test_who_leaves_while_a_scale_is_measured_leaves_no_thread_beside_the_next(
    filled, monkeypatch
):
    gate, inside, most = threading.Event(), [], []

    def slow(_relevance, shape, _images):
        inside.append(shape)
        most.append(len(inside))
        gate.wait(DEADLINE_S)
        inside.pop()

    monkeypatch.setattr(Relevance, "ordinary", slow)
    searcher = filled.searcher()
    leaving = asyncio.create_task(searcher.scales.ordinary(((True, 1.0),)))
    async with asyncio.timeout(DEADLINE_S):
        while not inside:
            await asyncio.sleep(0.005)
    leaving.cancel()
    await asyncio.wait([leaving])
    following = asyncio.create_task(searcher.scales.ordinary(((True, 0.5),)))
    await asyncio.sleep(0.05)  # long enough for a thread that nothing keeps back
    gate.set()
    await following
    assert most == [1, 1]


@pytest.mark.parametrize("found", [0, 1])
def test_a_library_whose_embeddings_cannot_be_read_has_no_scale(found):
    relevance = Relevance(lambda _count: np.zeros((found, DIM), np.float32))
    assert relevance.ordinary(((False, 1.0),), SMALLEST_LIBRARY) is None
    assert relevance.scale(np.zeros(DIM), ((False, 1.0),), SMALLEST_LIBRARY) is None
