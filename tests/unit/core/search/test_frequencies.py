"""How rare what words say is in photos."""

import pytest

from imgvecd.core.search.frequencies import rarity


def test_what_photos_are_full_of_is_less_rare_than_what_few_show():
    rarities = [rarity(text) or 0 for text in ("people", "dog", "hat", "skateboard", "wrestling")]
    assert rarities == sorted(rarities)
    assert rarities[0] < 3
    assert rarities[-1] > 7


def test_a_text_is_as_rare_as_its_rarest_word_and_more():
    texts = ("people", "people eating", "wrestling people")
    rarities = [rarity(text) or 0 for text in texts]
    assert rarities == sorted(set(rarities))
    assert rarity("a dog") == pytest.approx(rarity("dog"), abs=0.3)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("Dogs", "dog"), ("trees", "tree"), ("glasses", "glass"), ("buses", "bus"),
        ("skies", "sky"), ("knives", "knife"), ("dresses", "dress"),
    ],
)  # fmt: skip
def test_plurals_are_as_rare_as_singulars(plural, singular):
    assert rarity(plural) == rarity(singular)


@pytest.mark.parametrize(
    ("word", "other"), [("toss", "to"), ("princess", "prince"), ("news", "new"), ("mess", "me")]
)
def test_not_every_word_with_an_s_is_a_plural(word, other):
    assert rarity(word) != rarity(other)


@pytest.mark.parametrize(
    ("text", "same"),
    [("my dog", "dog"), ("a photo of our cat", "cat"), ("T-shirt", "shirt"), ("the dog's", "dog")],
)
def test_small_words_say_nothing_of_what_is_seen(text, same):
    assert rarity(text) == rarity(same)


def test_english_words_that_captions_lack_are_rarest_and_of_others_nothing_is_known():
    assert rarity("receipt") == rarity("galaxies") == 9
    assert rarity("zzzqqq") is None
    assert rarity("Hund am Strand") is None
    assert rarity("") is None
