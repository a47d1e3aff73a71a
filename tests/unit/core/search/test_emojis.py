"""Emojis in a query."""

import numpy as np
import pytest
from fakes import DIM, vector_of

from imgvecd.api import SearchRequest, Term
from imgvecd.core.search.emojis import in_words, spelled_out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("🐕", "dog"),
        ("🏖️ 2019", "beach with umbrella 2019"),
        ("❤️", "red heart"),
        ("👩🏽‍🍳 in a kitchen", "woman cook in a kitchen"),
        ("👨‍👩‍👧", "family"),
        ("🐶🐱", "dog cat"),
        ("a cake🎂", "a cake birthday cake"),
        ("🇻🇳 2022", "Vietnam 2022"),
    ],
)
def test_emojis_are_called_by_their_names(typed, meant):
    text, words = in_words(typed)
    assert text == meant
    assert words


@pytest.mark.parametrize(
    "text", ["", "a dog", "© Ada", "Hanoi → Huế", "日本語、", '"🐕"', "1️⃣", "\U0010ffff"]
)
def test_other_signs_are_left_as_they_are(text):
    assert in_words(text) == (text, {})


def test_emojis_of_other_terms_are_called_so_too():
    asked, _ = spelled_out(SearchRequest(text="🐕", terms=(Term(text="🐈", weight=-1), Term(id=1))))
    assert [term.text for term in asked.all_terms()] == ["dog", "cat", None]


def test_a_request_that_says_so_is_left_alone():
    request = SearchRequest(text="🐕", spelling=False)
    assert spelled_out(request) == (request, {})


async def test_it_is_said_what_was_looked_for(shelf):
    dog = shelf.add("/photos/a.jpg", vector_of(b"dog"))
    shelf.add("/photos/2019.jpg", np.eye(DIM, dtype=np.float32)[0], taken_at="2020-07-01T10:00:00")
    answer = await shelf.find("🐕", min_score=0.99)
    assert [hit.id for hit in answer.hits] == [dog]
    assert answer.understood.corrected == {"🐕": "dog"}
    assert answer.understood.text == "dog"
    dated = await shelf.find("🏖️ 2019", all=True)
    assert dated.understood.text == "beach with umbrella"
    assert not dated.hits  # a name with the year alone has not all words


async def test_a_flag_is_its_country(shelf):
    here = shelf.add(
        "/photos/a.jpg", vector_of(b"a"), metadata={"gps_latitude": 21.03, "gps_longitude": 105.85}
    )
    shelf.add("/photos/b.jpg", vector_of(b"b"))
    answer = await shelf.find("🇻🇳", all=True)
    assert [hit.id for hit in answer.hits] == [here]
    assert answer.understood.place == "Vietnam"
