"""Misspelt words of a query."""

import time

import numpy as np
import pytest
from fakes import DIM

from imgvecd.core.search.corrections import corrected


def nobody(_):
    return False


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("elefant", "elephant"),
        ("kichen", "kitchen"),  # sounds like "chicken", too
        ("two beachs", "two beach"),  # as a plural is read anyhow
        ("a red bycicle", "a red bicycle"),
        ("moutain", "mountain"),
        ("girafe", "giraffe"),
        ("restaraunt", "restaurant"),
        ("umbrela", "umbrella"),
        ("beatiful sunsett", "beautiful sunset"),
        ("birthdya party", "birthday party"),
        ("flwoers", "flowers"),
        ("choclate cake", "chocolate cake"),
        ("pengiun", "penguin"),
        ("skateboad", "skateboard"),
        ("Elefant", "elephant"),
        ("a moter cycle", "a motorcycle"),
        ("moutain bike", "mountain bike"),
    ],
)
def test_misspelt_words_are_corrected(typed, meant):
    text, words = corrected(typed, nobody, english_only=True)
    assert text == meant
    assert words


@pytest.mark.parametrize(
    "text",
    [
        "a dog on the beach",
        "iphone", "selfie", "quokka", "axolotl", "labradoodle", "kayaking", "colour", "aeroplane",
        "Lukas", "Annelise Meier", "anneliese", "lovelace",
        "katze", "strand", "hunde", "plage", "perro",
        "IMG_2041", "moutain.jpg", "info@moutain", "/photos/moutain",
        '"moutain"', "zzzqqq", "asdfgh qwerty", "tuktuk", "pho", "海滩", "Đà Nẵng", "",
        "MOUTAIN",
        "moutain " * 13,
    ],
)  # fmt: skip
def test_other_words_are_left_as_they_are(text):
    assert corrected(text, nobody, english_only=True) == (text, {})


def test_words_of_the_library_are_known():
    assert corrected("moutain", lambda word: word == "moutain", english_only=True)[1] == {}


def test_a_model_of_many_languages_is_asked_in_them():
    assert corrected("elefant", nobody, english_only=False) == ("elefant", {})
    assert corrected("moutain", nobody, english_only=False)[0] == "mountain"


def test_no_text_is_slow():
    corrected("warmd upp", nobody, english_only=True)
    started = time.process_time()
    for i in range(12):
        corrected("abcdefghijklmnopqrstuvwxyz"[i:][:14] + "x", nobody, english_only=True)
    corrected("a" * 100_000, nobody, english_only=True)
    assert time.process_time() - started < 1


async def test_it_is_said_what_was_looked_for(shelf):
    shelf.add("/photos/a.jpg", np.eye(DIM, dtype=np.float32)[0])
    answer = await shelf.find("moutain lake")
    assert answer.understood.corrected == {"moutain": "mountain"}
    assert answer.understood.text == "mountain lake"
    assert (await shelf.find("moutain lake", spelling=False)).understood is None
    named = shelf.add("/photos/moutain/b.jpg", np.eye(DIM, dtype=np.float32)[1])
    answer = await shelf.find("moutain")
    assert answer.understood is None
    assert {hit.id: hit.matched for hit in answer.hits}[named] == "name"
