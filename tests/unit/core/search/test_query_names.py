"""Names of the library among the words of a query: whose photos come first, and what is left."""

import asyncio
import time

import numpy as np
import pytest
from fakes import DIM, vector_of
from running import DEADLINE_S

from imgvecd.api import Filters, SearchRequest, Term
from imgvecd.core.search import query_names
from imgvecd.core.search.relevance import Scale
from imgvecd.core.search.words import tokens
from imgvecd.types import KnownName

NAMES = {
    "person": ["Ada Lovelace", "Ada Yonath", "Bob", "Rose Müller", "李明", "Mark"],
    "tag": ["beach", "golden retriever", "Zuckerfest", "dog", "Zebra", "Lily", "Emma"],
    "folder": ["Summer Camp", "holiday"],
    "camera": ["Apple iPhone 13"],
}


def known(names):
    found = {}
    for kind, called in NAMES.items():
        for name in called:
            parts = tokens(name)
            keys = {" ".join(parts)} | (set(parts) if kind == "person" else set())
            keys |= {" ".join(parts[1:])} if kind == "camera" else set()
            for key in keys:
                found.setdefault(key, []).append(KnownName(kind, name, name))
    return {name: found[name] for name in names if name in found}


def taken_out(text):
    left, named = query_names.taken_out(text, known)
    return left, [sorted(each.shown for each in name.known) for name in named]


@pytest.mark.parametrize(
    ("text", "left", "names"),
    [
        ("Ada on the beach", "beach", [["Ada Lovelace", "Ada Yonath"]]),
        ("ada on the beach", "beach", [["Ada Lovelace", "Ada Yonath"]]),
        ("ADA ON THE BEACH", "BEACH", [["Ada Lovelace", "Ada Yonath"]]),
        ("Ada Lovelace riding a horse", "riding a horse", [["Ada Lovelace"]]),
        ("a photo of Ada at the beach", "beach", [["Ada Lovelace", "Ada Yonath"]]),
        ("a dog with Bob on grass", "dog on grass", [["Bob"]]),
        ("Bob's birthday cake", "birthday cake", [["Bob"]]),
        ("birthday cake of Bob", "birthday cake", [["Bob"]]),
        ("Bob and Ada swimming", "swimming", [["Bob"], ["Ada Lovelace", "Ada Yonath"]]),
        ("Rose in a garden", "garden", [["Rose Müller"]]),
        ("Muller in a garden", "garden", [["Rose Müller"]]),
        ("Mark on a bike", "bike", [["Mark"]]),
        ("李明 on the beach", "beach", [["李明"]]),
        ("children at Zuckerfest", "children", [["Zuckerfest"]]),
        ("golden retriever on the sofa", "golden retriever on the sofa", [["golden retriever"]]),
        ("Summer Camp swimming", "Summer Camp swimming", [["Summer Camp"]]),
        ("Emma on grass", "grass", [["Emma"]]),
        ("emma on grass", "emma on grass", [["Emma"]]),
        ("zebra on grass", "zebra on grass", [["Zebra"]]),
        ("Lily on grass", "Lily on grass", [["Lily"]]),
        ("flowers iPhone 13", "flowers", [["Apple iPhone 13"]]),
        ("pictures of Ada and Bob", "", [["Ada Lovelace", "Ada Yonath"], ["Bob"]]),
        ("Ada oder Bob", "", [["Ada Lovelace", "Ada Yonath"], ["Bob"]]),
        ("Ada", "Ada", [["Ada Lovelace", "Ada Yonath"]]),
        ("photos of Ada", "photos of Ada", [["Ada Lovelace", "Ada Yonath"]]),
        ("Ada without Bob", "", [["Ada Lovelace", "Ada Yonath"], ["Bob"]]),
        ("a dog but not Bob", "dog", [["Bob"]]),
        ("ein Hund ohne Bob", "Hund", [["Bob"]]),
    ],
)
def test_names_are_taken_out(text, left, names):
    assert taken_out(text) == (left.strip(), names)


@pytest.mark.parametrize(
    "text",
    [
        '"Ada" on the beach', "„Ada“ am Strand", '"Ada on the beach"',  # quoted
        "lily on grass", "Zebra", "golden retriever",
        "a rose in a garden", "a mark on the wall",  # words like any other
        "dog on the beach", "holiday on the beach", "beach",
        "a red car", "", "   ", "adagio on a piano", "x" * 600 + " Ada",
    ],
)  # fmt: skip
def test_other_words_stay(text):
    assert taken_out(text) == (text, [])


def test_what_asks_for_more_than_a_text_stays():
    for request in (
        SearchRequest(text="Ada on the beach", names=False),
        SearchRequest(text="Ada on the beach", terms=(Term(id=1),)),
        SearchRequest(terms=(Term(text="Ada on the beach"),)),
    ):
        assert query_names.taken_apart(request, None, known) == (request, None, ())


@pytest.mark.parametrize("word", ["Ada ", "Bob's ", "Ada, ", '"', "李明", "of the ", "golden "])
def test_no_text_is_slow(word):
    started = time.process_time()
    taken_out(word * (500 // len(word)))
    assert time.process_time() - started < 1


def towards(text, likeness, seed):
    query = vector_of(text.encode())
    other = vector_of(b"%d" % seed)
    other -= other @ query * query
    other /= np.linalg.norm(other)
    return (likeness * query + np.sqrt(1 - likeness**2) * other).astype(np.float32)


@pytest.fixture
async def library(shelf, monkeypatch):
    """Ada's and others' photos of beaches, and of other things; found from 0.6 on, weaker 0.4."""
    monkeypatch.setattr(Scale, "found", property(lambda _: 0.6))
    monkeypatch.setattr(Scale, "weaker", property(lambda _: 0.4))
    ids = {}
    for i, (name, likeness, people) in enumerate(
        [
            ("ada-beach", 0.8, ["Ada"]),
            ("ada-perhaps", 0.5, ["Ada"]),
            ("ada-home", 0.1, ["Ada", "Bob"]),
            ("bob-beach", 0.9, ["Bob"]),
            ("beach", 0.95, []),
            ("perhaps", 0.55, []),
        ]
    ):
        vector = towards("beach", likeness, i)
        ids[shelf.add(f"/photos/{i}.jpg", vector, metadata={"people": people})] = name
    for i in range(40):
        shelf.add(f"/photos/other {i}.jpg", towards("beach", 0.0, 100 + i))
    await asyncio.wait_for(shelf.searcher().run(), DEADLINE_S)
    return ids


def told(library, answer):
    return [(library[hit.id], hit.band) for hit in answer.hits if hit.id in library]


async def test_photos_of_her_on_the_beach_come_first(shelf, library):
    answer = await shelf.find("Ada on the beach")
    assert told(library, answer) == [
        ("ada-beach", "found"), ("ada-perhaps", "weaker"), ("beach", "weaker"),
        ("bob-beach", "weaker"),
    ]  # fmt: skip
    said = answer.understood
    assert (said.text, said.name_words, said.names) == ("beach", "Ada", ("Ada",))
    assert (answer.found, answer.weaker) == (1, 3)
    everything = await shelf.find("Ada on the beach", all=True, limit=100)
    assert told(library, everything)[4:] == [("ada-home", "nearest"), ("perhaps", "nearest")]
    only = await shelf.find("Ada on the beach", min_band="found")
    assert told(library, only) == [("ada-beach", "found")]


async def test_names_alone_find_all_who_bear_them(shelf, library):
    both = await shelf.find("Ada and Bob")
    assert [(name, band) for name, band in told(library, both) if band == "found"] == [
        ("ada-home", "found")
    ]
    either = await shelf.find("photos of Ada or Bob")
    found = {name for name, band in told(library, either) if band == "found"}
    assert found == {"ada-beach", "ada-perhaps", "ada-home", "bob-beach"}
    assert {hit.matched for hit in either.hits if hit.band == "found"} == {"metadata"}
    assert either.understood.text == ""


async def test_one_name_alone_finds_who_bears_it_and_nobody_else(shelf, library):
    shelf.add("/photos/alike.jpg", towards("Ada", 0.99, 90))
    answer = await shelf.find("Ada", all=True, limit=100)
    bands = {library.get(hit.id, "other"): hit.band for hit in answer.hits}
    assert {name for name, band in bands.items() if band == "found"} == {
        "ada-beach", "ada-perhaps", "ada-home",
    }  # fmt: skip
    assert answer.understood.names == ("Ada",)
    assert answer.understood.text == "Ada"


async def test_who_is_not_meant_is_left_out(shelf, library):
    answer = await shelf.find("Ada without Bob")
    assert {name for name, band in told(library, answer) if band == "found"} == {
        "ada-beach", "ada-perhaps",
    }  # fmt: skip
    assert (answer.understood.names, answer.understood.without) == (("Ada",), ("Bob",))
    answer = await shelf.find("beach, but not Bob", all=True, limit=100)
    assert answer.understood.text == "beach"
    assert {"bob-beach", "ada-home"}.isdisjoint(name for name, _ in told(library, answer))
    assert len(answer.hits) == 44
    answer = await shelf.find("everything except Bob", limit=100)
    assert (answer.found, answer.understood.text) == (44, "")


async def test_hits_that_bear_the_name_say_so(shelf, library):
    answer = await shelf.find("Ada on the beach", all=True, limit=100)
    matched = {library[hit.id]: hit.matched for hit in answer.hits if hit.id in library}
    assert {name for name, why in matched.items() if why == "metadata"} == {
        "ada-beach", "ada-perhaps", "ada-home",
    }  # fmt: skip
    assert matched["beach"] is None


async def test_it_can_be_turned_off_and_quoted(shelf, library):
    for answer in (
        await shelf.find("Ada on the beach", names=False),
        await shelf.find('"Ada" on the beach'),
    ):
        assert answer.understood is None


async def test_pages_hold_each_image_once(shelf, library):
    whole = [hit.id for hit in (await shelf.find("Ada at the beach", all=True, limit=100)).hits]
    assert len(whole) == len(set(whole)) == 46
    seen, cursor = [], None
    while True:
        page = await shelf.find("Ada at the beach", all=True, limit=3, cursor=cursor)
        seen += [hit.id for hit in page.hits]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == whole


async def test_filters_hold_for_bearers_too(shelf, library):
    tagged = Filters(tags=("Bob",))
    answer = await shelf.find("Ada at the beach", all=True, filters=tagged)
    assert [name for name, _ in told(library, answer)] == ["bob-beach", "ada-home"]


async def test_all_who_are_named_come_before_one_of_them(shelf, library):
    answer = await shelf.find("Ada and Bob at the beach", all=True, limit=100)
    names = [name for name, _ in told(library, answer)]
    assert names.index("ada-home") < names.index("perhaps")
    assert answer.understood.names == ("Ada", "Bob")


async def test_a_text_that_says_it_all_comes_first(shelf, library):
    said = shelf.add(
        "/photos/x.jpg", np.eye(DIM, dtype=np.float32)[0], metadata={"title": "Ada on the beach"}
    )
    answer = await shelf.find("Ada on the beach")
    assert said in [hit.id for hit in answer.hits]
    assert {hit.id: hit.matched for hit in answer.hits}[said] == "metadata"
    assert {hit.id: hit.band for hit in answer.hits}[said] == "found"


async def test_names_learnt_later_count_soon(shelf, library):
    assert (await shelf.find("Cleo at the beach")).understood is None
    shelf.add("/photos/c.jpg", towards("beach", 0.7, 77), metadata={"people": ["Cleo"]})
    until = time.monotonic() + DEADLINE_S
    # names are read again at the earliest after twenty times what reading them took
    while (answer := await shelf.find("Cleo at the beach")).understood is None:
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    assert answer.understood.names == ("Cleo",)
    assert answer.hits[0].path == "/photos/c.jpg"


async def test_a_user_tag_and_a_folder_are_names_too(shelf, library):
    tagged = shelf.add("/photos/t.jpg", towards("beach", 0.7, 78), user={"tags": ["Zuckerfest"]})
    lying = shelf.add("/photos/2019/Summer Camp/a/s.jpg", towards("Summer Camp swimming", 0.7, 79))
    assert (await shelf.find("beach at Zuckerfest")).hits[0].id == tagged
    answer = await shelf.find("Summer Camp swimming")
    assert answer.hits[0].id == lying
    assert answer.understood.names == ("Summer Camp",)
