"""Queries in a language that the model does not know."""

import dataclasses

import numpy as np
import pytest
from fakes import DIM, MODEL

from imgvecd.core.search import searcher
from imgvecd.core.search.languages import knows_english_only, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hund am Strand", "German"), ("sonnenuntergang", "German"), ("katze", "German"),
        ("un chien sur la plage", "French"), ("coucher de soleil", "French"),
        ("un perro en la playa", "Spanish"), ("bicicleta roja", "Spanish"),
        ("il cane sulla spiaggia", "Italian"), ("een hond op het strand", "Dutch"),
        ("um cachorro na praia", "Portuguese"),
        ("con chó trên bãi biển", "Vietnamese"), ("phở", "Vietnamese"),
        ("gato", "Spanish"), ("meer", "German"), ("chó", "Vietnamese"),
        ("oiseau", "French"), ("海滩", "Chinese"), ("犬と海", "Japanese"), ("바다", "Korean"),
        ("собака", "Russian or another language in Cyrillic letters"),
    ],
)  # fmt: skip
def test_languages_are_told(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "a dog on the beach", "colourful aeroplane", "sunset", "red car", "zzzqqq", "selfie",
        "Ada", "ada", "Lukas", "Giulia", "Müller", "Pierre at the beach", "Ana y Luis",
        "IMG_2041", "IMG_2041.jpg", "2019", "DSC00012", "strand.jpg",
        "Đà Nẵng", "Hà Nội", "Paris", "Mont Saint-Michel", "München 2019", "Hallstatt",
        "centre", "gelato", "piazza", "paella", "villa", "cane", "boot", "main road",
        "croissant", "kindergarten", "café", "sushi", "schnitzel", "tapir", "okapi", "fiesta",
        '"Hund am Strand"', "", "…",
    ],
)  # fmt: skip
def test_english_and_names_are_no_other_language(text):
    assert language_of(text) is None


@pytest.mark.parametrize(
    ("name", "is_so"),
    [
        ("ViT-B-32-256", True), ("imgvecd-mini", True), ("roberta-ViT-B-32", True),
        ("xlm-roberta-base-ViT-B-32", False), ("ViT-B-16-SigLIP2", False),
        ("ViT-B-16-SigLIP-i18n-256", False), ("nllb-clip-base", False),
        ("mt5-base-ViT-B-32", False),
    ],
)  # fmt: skip
def test_which_models_know_english_only(name, is_so):
    assert knows_english_only(dataclasses.replace(MODEL, name=name)) == is_so


async def test_an_answer_says_once_which_model_to_take(shelf, monkeypatch):
    shelf.add("/photos/a.jpg", np.eye(DIM, dtype=np.float32)[0])
    (note,) = (await shelf.find("Hund am Strand")).notes
    assert "German" in note
    assert "model: multilingual" in note
    assert (await shelf.find("a dog on the beach")).notes == ()
    (note,) = (await shelf.find("playa en agosto")).notes
    assert "Spanish" in note
    shelf.add("/photos/hund am strand.jpg", np.eye(DIM, dtype=np.float32)[1])
    assert (await shelf.find("Hund am Strand")).notes == ()
    monkeypatch.setattr(searcher, "knows_english_only", lambda _: False)
    assert (await shelf.find("un perro en la playa")).notes == ()
