"""What a text says that photos should not show."""

import time

import numpy as np
import pytest
from fakes import vector_of

from imgvecd.api import SearchRequest, Term
from imgvecd.core.search.negations import taken_apart


def read(text, *, english_only=True, **request):
    asked, said = taken_apart(SearchRequest(text=text, **request), None, english_only=english_only)
    return None if said is None else (asked.text, asked.terms[-1].text, said.without)


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("a dog without people", "a dog", "people"),
        ("dog without any people", "dog", "people"),
        ("beach, but no people", "beach", "people"),
        ("a house with no windows", "a house", "windows"),
        ("cats and not dogs", "cats", "dogs"),
        ("a forest without snow and ice", "a forest", "snow and ice"),
    ],
)
def test_it_becomes_a_term_of_its_own(text, left, right):
    assert read(text) == (left, right, (right,))


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("Strand ohne Menschen", "Strand", "Menschen"),
        ("plage sans personne", "plage", "personne"),
        ("playa sin gente", "playa", "gente"),
        ("bãi biển không có người", "bãi biển", "người"),
        ("没有人的海滩", "海滩", "人"),
        ("a dog without people", "a dog", "people"),
    ],
)
def test_a_model_of_many_languages_is_asked_so_in_them(text, left, right):
    assert read(text, english_only=False) == (left, right, (right,))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a dog",
            "without people",
            "no people",
            "not a dog",
            "no smoking sign",
            "dog without",
        ),
        *('"a dog without people"', "a dog without the", "the without people", "sin city at night"),
        *("forget me not", "x" * 500 + " without people", "a man withoutahat"),
    ],
)
def test_other_words_are_left_as_they_are(text):
    assert read(text) is None


def test_what_asks_for_more_than_a_text_stays():
    assert read("a dog without people", spelling=False) is None
    assert read("a dog without people", terms=(Term(text="snow"),)) is None


def test_no_text_is_slow():
    started = time.process_time()
    for word in ("without ", "a without b ", ", ", "but no "):
        read(word * (500 // len(word)))
    assert time.process_time() - started < 1


async def test_what_has_both_comes_after_what_has_one(shelf):
    dog, people = vector_of(b"dog"), vector_of(b"people")
    both = shelf.add("/photos/a.jpg", (dog + people) / np.linalg.norm(dog + people))
    alone = shelf.add("/photos/b.jpg", dog)
    answer = await shelf.find("dog without people", all=True, explain=True)
    assert [hit.id for hit in answer.hits] == [alone, both]
    assert (answer.understood.text, answer.understood.without) == ("dog", ("people",))
    assert all(sum(hit.shares) == pytest.approx(hit.score, abs=1e-4) for hit in answer.hits)
    assert len(answer.hits[0].shares) == 2
