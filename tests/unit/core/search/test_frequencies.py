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


@pytest.mark.parametrize(("plural", "singular"), [("Dogs", "dog"), ("trees", "tree")])
def test_plurals_are_as_rare_as_singulars(plural, singular):
    assert rarity(plural) == rarity(singular)


def test_english_words_that_captions_lack_are_rarest_and_of_others_nothing_is_known():
    assert rarity("receipt") == rarity("galaxies") == 9
    assert rarity("zzzqqq") is None
    assert rarity("Hund am Strand") is None
    assert rarity("") is None
