"""Plurals, and texts that are longer than a model reads."""

import numpy as np
import pytest
from fakes import vector_of

from imgvecd.api import SearchRequest, Term
from imgvecd.core.search.wording import (
    UNRELATED,
    all_but_the_end,
    is_same_word,
    singular,
    without_signs,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("dog?", "dog"), ("¿perro?", "perro"), ("(dog)", "dog"), ("#dog", "dog")),
        *(('"a dog" in snow', "a dog in snow"), ("'dog'", "dog"), ("„Hund“", "Hund")),
        *(("a dog . ", "a dog"), ("海滩。", "海滩"), ("dog*", "dog"), ("c++", "c++")),
        *(("T-shirt", "T-shirt"), ("50%", "50%"), ("!!!", "!!!"), ('""', '""'), ("", "")),
        ("dog; cat", "dog; cat"),
    ],
)
def test_signs_around_a_text_are_no_words(text, said):
    assert without_signs(text) == said


async def test_a_question_is_answered_as_its_words_are(shelf):
    shelf.add("/photos/a.jpg", vector_of(b"dog"))
    for text in ("dog", "dog?", "(dog)", '"dog"', "  dog. "):
        answer = await shelf.find(text, all=True)
        assert answer.hits[0].score == pytest.approx(1, abs=1e-3), text


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("dogs", "dog"),
        ("Dogs ", "dog"),
        ("babies", "baby"),
        ("boxes", "box"),
        ("wolves", "wolf"),
        ("dog", None),
        ("bus", None),
        ("grass", None),
        ("two dogs", None),
        ("people", None),
        ("été s", None),
        ("2020s", None),
        ("", None),
    ],
)
def test_one_word_in_the_plural_has_a_singular(text, one):
    assert singular(text) == one


def near(word, other, likeness):
    vector = likeness * other + np.sqrt(1 - likeness**2) * vector_of(word.encode())
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_the_model_says_whether_two_words_are_one():
    unrelated = [vector_of(text.encode()) for text in UNRELATED]
    dog = vector_of(b"dog")
    assert is_same_word(dog, near("dogs", dog, 0.9), unrelated)
    assert not is_same_word(dog, vector_of(b"tenni"), unrelated)
    # where all texts are alike, more is asked
    alike = [near(text, dog, 0.8) for text in UNRELATED]
    assert not is_same_word(dog, near("x", dog, 0.8), alike)
    assert is_same_word(dog, near("x", dog, 0.97), alike)


def encoding(shelf, of):
    """Make the model encode texts by what `of` makes of them."""

    async def encode(texts, _lane):
        return np.stack([of(text) for text in texts])

    shelf.encoder.encode_texts = encode


async def test_dogs_are_found_in_the_order_of_dog(shelf):
    for i in range(5):
        shelf.add(f"/photos/{i}.jpg", vector_of(b"%d" % i))
    dog = vector_of(b"dog")
    encoding(shelf, lambda t: near(t, dog, 0.9) if t == "dogs" else vector_of(t.encode()))
    hits = (await shelf.find("dog")).hits
    assert (await shelf.find("dogs")).hits == hits
    (response,) = await shelf.searcher().search_many([SearchRequest(text="dogs")])
    assert response.hits == hits


async def test_what_only_looks_like_a_plural_is_left_as_it_is(shelf):
    for i in range(5):
        shelf.add(f"/photos/{i}.jpg", vector_of(b"%d" % i))
    hits = (await shelf.find("tennis")).hits
    expected = sorted(float(vector_of(b"%d" % i) @ vector_of(b"tennis")) for i in range(5))
    assert sorted(hit.score for hit in hits) == pytest.approx(expected, abs=2e-3)


READ = 60  # words of this model


@pytest.mark.parametrize("words", [10, 59, 60, 61, 300])
async def test_that_the_end_of_a_text_was_not_looked_at_is_said(shelf, words):
    shelf.add("/photos/1.jpg", vector_of(b"1"))
    encoding(shelf, lambda t: vector_of(" ".join(t.split()[:READ]).encode()))
    text = " ".join(f"word{i}" for i in range(words))
    response = await shelf.find(text)
    assert len(response.notes) == (words > READ)
    assert all("'word0 word1" in note and "not looked at" in note for note in response.notes)
    again = SearchRequest(text="x", terms=(Term(text=text, weight=-0.5),))
    assert (await shelf.searcher().search(again)).notes == response.notes


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("a dog running on grass with a red ball in its mouth", None),
        ("word " * 50, ("word " * 49).strip()),
        ("狗" * 60, "狗" * 59),
    ],
)
def test_only_texts_that_may_be_too_long_are_looked_at(text, shorter):
    assert all_but_the_end(text) == shorter
