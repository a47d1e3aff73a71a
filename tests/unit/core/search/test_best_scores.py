"""Whether anything fits a text: by its best scores beside those of ordinary texts."""

import numpy as np
import pytest

from imgvecd.core.search.best_scores import ORDINARY, BestScores, is_long, prior_of

IMAGES = 500
LONG = prior_of(["a screenshot of a spreadsheet"], english_only=True).even
UNKNOWN = prior_of(["zzzqqq"], english_only=True).even


def library(seed=0):
    """Return scores, shape (ordinary texts, images): a third of the texts have some matches."""
    scores = np.random.default_rng(seed).normal(size=(256, IMAGES))
    scores[::3, :20] += 3
    return scores.astype(np.float32)


def text(matches=0, distance=0.0, seed=1):
    scores = np.random.default_rng(seed).normal(size=IMAGES)
    scores[:matches] += distance
    return np.sort(scores).astype(np.float32)


def fits(sample, ordinary=None, score=-10.0, images=IMAGES, even=ORDINARY.even):
    ordinary = BestScores.of(library()) if ordinary is None else ordinary
    return float(ordinary.fits(sample, np.array([score]), images, even)[0])


@pytest.mark.parametrize(("matches", "distance"), [(1, 6.0), (10, 4.0), (50, 3.0), (200, 3.0)])
def test_rare_and_frequent_matches_fit_and_nothing_does_less(matches, distance):
    lacking = [fits(text(seed=seed)) for seed in range(20)]
    having = [fits(text(matches, distance, seed)) for seed in range(20)]
    assert np.mean(np.array(having)[:, None] > lacking) > 0.95


def test_who_is_on_a_lower_level_fits_less_whatever_the_shape():
    levels = [fits(text(10, 4.0) - lower) for lower in (0.0, 0.5, 1.0, 1.5)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 0.9
    assert levels[-1] < levels[0] / 2


def test_the_best_of_scores_that_spread_far_says_less():
    near = text(10, 4.0) - 1.5
    far = near.copy()
    low = far < np.median(far)
    far[low] = np.median(far) + 1.5 * (far[low] - np.median(far))  # best scores and middle stay
    assert fits(np.sort(far), even=LONG) < 0.8 * fits(near, even=LONG)


@pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("shift", [-5.0, 0.0, 0.2])
def test_the_scale_of_a_model_does_not_matter(factor, shift):
    ordinary = BestScores.of((library() * factor + shift).astype(np.float32))
    for matches, distance in ((0, 0.0), (1, 5.0), (50, 2.0)):
        sample = text(matches, distance)
        moved = fits((sample * factor + shift).astype(np.float32), ordinary, -10.0 * factor + shift)
        assert moved == pytest.approx(fits(sample), abs=0.01)


def test_a_long_text_has_to_stand_higher():
    assert is_long("a screenshot of a spreadsheet")
    assert not is_long("the eiffel tower")
    assert is_long("一只狗在沙滩上奔跑")
    assert not is_long("海边的狗")
    assert fits(text(), even=LONG) < fits(text()) / 2
    assert fits(text(20, 5.0), even=LONG) > 0.9


@pytest.mark.parametrize(
    "text_", ["zzzqqq", "asdfgh hjkl", "12345", "!!!", "0xdeadbeef", "x" * 100_000]
)
def test_words_that_nobody_knows_have_to_stand_higher(text_):
    assert prior_of([text_], english_only=True).even == UNKNOWN > ORDINARY.even
    assert prior_of([text_], english_only=False).even == ORDINARY.even
    assert fits(text(), even=UNKNOWN) < fits(text()) / 2
    assert fits(text(20, 5.0), even=UNKNOWN) > 0.9


@pytest.mark.parametrize(
    "text_", ["dogs", "suvs", "Longboard", "Hund", "zzzqqq dog", "Đà Nẵng", "собака", "海边"]
)
def test_words_that_some_language_has_do_not(text_):
    assert prior_of([text_], english_only=True).even == ORDINARY.even


def test_an_image_better_than_all_before_makes_a_text_fit():
    sample = text() - 1
    assert fits(sample, score=float(sample[-1]) - 0.1) == fits(sample)
    assert fits(sample, score=8.0) > fits(sample)


def test_the_best_of_a_larger_library_has_to_be_better():
    sample = text()
    assert fits(sample, score=5.0, images=1_000_000) < fits(sample, score=5.0)
    # what the sample itself shows says the same of both
    assert fits(sample, images=1_000_000) == fits(sample)


@pytest.mark.parametrize("images", [1, 2, 30])
@pytest.mark.parametrize("level", [0.0, 1e30, -1e30])
def test_any_scores_have_an_answer(images, level):
    ordinary = BestScores.of(np.zeros((256, images), np.float32))
    sample = np.full(images, level, np.float32)
    assert 0 <= fits(sample, ordinary, 0.0, images) <= 1


def test_of_what_few_photos_show_relevance_falls_faster():
    falls = [
        prior_of([text_], english_only=True).fall
        for text_ in ("dog", "people eating", "skateboard", "wrestling")
    ]
    assert falls == sorted(set(falls))
    assert falls[0] < 1 < falls[-1]


@pytest.mark.parametrize(
    "texts", [["Hund"], ["Đà Nẵng"], ["собака"], ["dog", "cat"], ["a screenshot of a spreadsheet"]]
)
def test_other_languages_several_texts_and_long_ones_tell_nothing_of_how_frequent_they_are(texts):
    assert prior_of(texts, english_only=True).fall == 1
