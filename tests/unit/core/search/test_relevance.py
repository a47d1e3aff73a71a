"""What scores mean: few, many and no matches, whatever the model's own scale."""

import gc
import sys
import weakref

import numpy as np
import pytest

from imgvecd.core.search.best_scores import ORDINARY, BestScores, Prior
from imgvecd.core.search.relevance import (
    FOUND,
    SMALLEST_LIBRARY,
    TEXT,
    WEAKER_SHARE,
    Relevance,
    Scale,
    scaled_as_it_fits,
)
from imgvecd.core.search.two_groups import Chances, Null, chances

NULL = Null(centre=0.0, centre_deviation=0.1, spread=1.0)


def drawn(*groups, seed=0):
    """Return scores of groups (count, mean), each with a deviation of 1."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(mean, 1, count) for count, mean in groups])


def curve(scores, null=NULL, images=None):
    return chances(np.sort(scores), null, images or len(scores))


def found(scores, images=None):
    scale = curve(scores, images=images)
    return scores >= scale.score(FOUND)


@pytest.mark.parametrize("images", [100, 1000, 5000])
def test_nothing_is_found_where_nothing_stands_out(images):
    empty = [not found(drawn((images, 0), seed=seed)).any() for seed in range(40)]
    assert sum(empty) >= 30


@pytest.mark.parametrize(
    ("matches", "distance"), [(1, 6.0), (10, 5.0), (100, 3.5), (300, 2.5), (600, 2.0)]
)
def test_rare_and_frequent_subjects_are_found(matches, distance):
    """The rarer a subject, the further its matches stand out: so models are trained."""
    scores = drawn((1000 - matches, -0.3), (matches, distance - 0.3))
    shown = found(scores)
    truth = np.arange(1000) >= 1000 - matches
    precision, recall = (shown & truth).sum() / shown.sum(), (shown & truth).sum() / matches
    assert precision > 0.6
    assert recall > 0.6


def test_what_is_found_is_ten_times_more_where_the_subject_is_frequent():
    rare, frequent = drawn((990, 0), (10, 3)), drawn((700, -0.5), (300, 2.0))
    assert curve(frequent).score(FOUND) < curve(rare).score(FOUND) - 1


def test_relevance_rises_with_the_score_and_both_ways_agree():
    scale = curve(drawn((900, 0), (100, 3)))
    relevances = [scale.chance(score) for score in np.linspace(-5, 10, 200)]
    assert relevances == sorted(relevances)
    assert relevances[0] < 0.01
    assert relevances[-1] > 0.99
    for chance in (0.01, 0.2, FOUND, 0.9):
        assert scale.chance(scale.score(chance)) == pytest.approx(chance, abs=1e-6)


@pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("shift", [-5.0, 0.0, 0.2])
def test_the_scale_of_a_model_does_not_matter(factor, shift):
    scores = drawn((900, 0), (100, 3))
    null = Null(shift, 0.1 * factor, factor)
    expected = found(scores)
    shown = curve(scores * factor + shift, null).score(FOUND) <= scores * factor + shift
    assert (shown == expected).mean() > 0.99


def test_the_same_score_says_less_in_a_larger_library():
    scores = drawn((1000, 0))
    small, large = curve(scores), curve(scores, images=1_000_000)
    assert large.chance(4.5) < small.chance(4.5)


@pytest.mark.parametrize("scores", [np.zeros(50), np.full(50, np.float32(0.3)), np.arange(3.0)])
def test_any_scores_have_a_scale(scores):
    scale = chances(scores.astype(np.float32), Null.of(scores[None]), 50)
    assert 0 <= scale.chance(0.0) <= scale.chance(1.0) <= 1


def rows(count, dim=64, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [TEXT, ((False, 1.0),), ((False, 1.0), (True, -0.5))])
def test_the_very_same_picture_has_all_the_relevance(shape):
    stored = rows(400)
    relevance = Relevance(lambda count: stored[:count])
    relevance.learn_texts(rows(256, seed=1))
    scale = relevance.scale(stored[7], shape, 400)
    assert scale.relevance(1.0) == 1.0
    assert scale.weaker < scale.found < 1.0
    assert scale.score(0.0) == -1.0


def topics(count=400, subjects=20, seed=0):
    """Return (images, shape (count, 64), the first 40 of one subject; subjects, shape (n, 64))."""
    random = np.random.default_rng(seed)
    centres = rows(subjects, seed=seed)
    which = random.integers(1, subjects, count)
    which[:40] = 0
    made = 0.5 * centres[which] + rows(count, seed=seed + 1)
    images = made / np.linalg.norm(made, axis=1, keepdims=True)
    return images.astype(np.float32), centres


def asked(images, query, shape=TEXT, texts=None):
    relevance = Relevance(lambda count: images[:count])
    relevance.learn_texts(rows(256, seed=9) if texts is None else texts)
    scale = relevance.scale(query, shape, len(images))
    assert scale is not None
    return scale, np.sort(images @ query)[::-1]


def about(centres, seed=5):
    """Return ordinary texts, shape (256, 64), of which each has a subject."""
    which = np.random.default_rng(seed).integers(0, len(centres), 256)
    made = centres[which] + 0.5 * rows(256, seed=seed)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_akin_to_a_subject_is_no_match_of_it():
    """It stands out from the rest as matches do, but less than they do in this library."""
    images, centres = topics()
    texts = about(centres)
    there, scores = asked(images, centres[0], texts=texts)
    assert (scores >= there.found).sum() > 20
    akin = images[40:].copy()
    akin[:40] += 0.25 * centres[0]
    akin /= np.linalg.norm(akin, axis=1, keepdims=True)
    gone, scores = asked(akin, centres[0], texts=texts)
    assert (scores >= gone.found).sum() <= 2


def test_a_query_is_scaled_as_a_whole():
    """How images of one query compare with each other follows from the shape of their scores."""
    images, centres = topics()
    ordinary = about(centres)
    scale, scores = asked(images, centres[0], texts=ordinary)
    plain = curve(scores, Null.of(ordinary @ images.T))
    ratios = [scale.relevance(float(score)) / plain.chance(float(score)) for score in scores]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-6)


def test_a_curve_that_tells_nothing_apart_is_not_raised():
    """Else all of a library of one kind of photos would be found for what is near to that kind."""
    sample = np.sort(drawn((300, 0))).astype(np.float32)
    ordinary = BestScores.of(drawn((256 * 300, -2)).reshape(256, 300).astype(np.float32))
    level = Chances([-4.0, 4.0], [0.19, 0.21])
    fitting = scaled_as_it_fits(level, ordinary, sample, 300, ORDINARY)
    assert fitting.chance(4.0) < FOUND
    falling = Chances([-4.0, 0.0, 4.0], [0.0, 0.01, 0.21])
    assert scaled_as_it_fits(falling, ordinary, sample, 300, ORDINARY).chance(4.0) > FOUND


def test_a_new_image_is_the_best_so_far():
    """What nothing fitted yet may be found in the next photo, before it is in the sample."""
    images, centres = topics()
    scale, _ = asked(images[40:], centres[0], texts=about(centres))
    assert scale.relevance(0.9) > 0.9


def test_how_frequent_a_text_is_in_photos_changes_how_much_is_found_and_not_whether():
    images, centres = topics()
    relevance = Relevance(lambda count: images[:count])
    relevance.learn_texts(about(centres))
    shown = [
        relevance.scale(centres[0], TEXT, len(images), Prior(fall=fall)) for fall in (0.7, 1.0, 3.0)
    ]
    best = float((images @ centres[0]).max())
    assert len({scale.relevance(best) for scale in shown}) == 1
    assert shown[0].found < shown[1].found < shown[2].found < best


def test_whether_anything_fits_is_asked_of_texts_alone():
    relevance = Relevance(lambda count: rows(400)[:count])
    relevance.learn_texts(rows(256, seed=1))
    shapes = {TEXT: True, ((True, 1.0), (True, -0.5)): True, ((False, 1.0), (True, 0.5)): False}
    for shape, is_asked in shapes.items():
        ordinary = relevance.ordinary(shape, 400)
        assert ordinary is not None
        assert (ordinary.best_scores is not None) == is_asked


def test_texts_wait_for_their_references_and_small_libraries_for_more():
    relevance = Relevance(lambda count: rows(100)[:count])
    query = rows(1)[0]
    assert relevance.scale(query, TEXT, 100) is None
    assert relevance.scale(query, ((False, 1.0),), 100) is not None
    relevance.learn_texts(rows(256, seed=1))
    assert relevance.scale(query, TEXT, 100) is not None
    assert relevance.scale(query, TEXT, SMALLEST_LIBRARY - 1) is None


@pytest.mark.parametrize("shape", [TEXT, ((True, 1.0), (True, -0.5))])
def test_what_texts_mean_is_the_same_whatever_the_order_of_the_images(shape):
    stored, query = rows(400), rows(1, seed=2)[0]
    scores = []
    for order in (np.arange(400), np.random.default_rng(3).permutation(400)):
        relevance = Relevance(lambda count, order=order: stored[order][:count])
        relevance.learn_texts(rows(256, seed=1))
        scale = relevance.scale(query, shape, 400)
        scores.append([scale.score(share) for share in (0.01, 0.1, 0.5, 0.9)])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


@pytest.mark.parametrize("matches", [0, 1, 50, 300, 990])
def test_where_anything_is_found_weaker_is_what_comes_after_it_in_the_better_part(matches):
    scores = np.sort(drawn((1000 - matches, 0), (matches, 6)) * 0.05).astype(np.float32)
    null = Null(0.0, 0.005, 0.05)
    scale = Scale(chances(scores, null, 1000), scores)
    found, weaker = (scores >= scale.found).sum(), (scores >= scale.weaker).sum()
    assert (found > 0) == (matches > 0)
    assert weaker == max(found, WEAKER_SHARE * 1000) if found else weaker <= 250


def test_what_is_found_beyond_the_sample_has_weaker_ones_after_it():
    """What one photo in a thousand shows may be in no sample of a large library."""
    scores = np.sort(drawn((1000, 0)) * 0.05).astype(np.float32)
    scale = Scale(chances(scores, Null(0.0, 0.005, 0.05), 100_000), scores)
    assert scale.weaker >= scores[750]
    assert scale.weaker_below(scale.found) == pytest.approx(float(scores[400]), abs=1e-6)


def test_where_hardly_any_image_is_known_the_best_may_still_be_weaker():
    scores = np.array([0.1, 0.2], np.float32)
    scale = Scale(chances(scores, Null(0.0, 0.01, 0.1), 50), scores)
    assert scale.weaker > 0.1


def test_what_is_asked_for_again_and_again_stays_measured():
    """Whoever asks for queries of ever other shapes has nobody else's measured anew."""
    stored = rows(400)
    relevance = Relevance(lambda count: stored[:count])
    relevance.learn_texts(rows(256, seed=1))
    assert relevance.scale(stored[0], TEXT, 400) is not None
    for number in range(100):
        assert relevance.known_scale(stored[0], TEXT, 400)[0], number
        relevance.scale(stored[0], ((True, 1.0), (True, number / 1000)), 400)


def test_a_library_that_grows_keeps_its_scales_until_new_ones_are_measured():
    stored, shape = rows(1000), ((True, 1.0), (True, -0.5))
    relevance = Relevance(lambda count: stored[:count])
    relevance.learn_texts(rows(256, seed=1))
    former = relevance.scale(stored[0], TEXT, 400)
    relevance.scale(stored[0], shape, 400)
    assert not relevance.is_due(430)
    assert relevance.is_due(500)
    assert relevance.known_scale(stored[0], TEXT, 500) == (True, former)
    edition = relevance.edition
    relevance.renew(500)
    assert not relevance.is_due(500)
    assert relevance.edition != edition
    for each in (TEXT, shape):
        is_known, scale = relevance.known_scale(stored[0], each, 500)
        assert is_known
        assert scale is not former
    assert not relevance.known_scale(stored[0], TEXT, 900)[0]  # too many to be told of by half
    relevance.renew(900)
    assert not relevance.known_scale(stored[0], TEXT, 900)[0]


def test_a_library_that_shrinks_below_the_smallest_has_nothing_known():
    relevance = Relevance(lambda count: rows(400)[:count])
    relevance.learn_texts(rows(256, seed=1))
    assert relevance.ordinary(TEXT, SMALLEST_LIBRARY) is not None
    assert relevance.known_ordinary(TEXT, SMALLEST_LIBRARY) is not None
    assert relevance.known_ordinary(TEXT, SMALLEST_LIBRARY - 1) is None


def test_a_sample_that_is_replaced_is_free_at_once():
    """Not when the collector comes by: a library that grows is sampled again and again."""
    stored = rows(400)
    relevance = Relevance(lambda count: stored[:count])
    relevance.learn_texts(rows(256, seed=1))
    relevance.scale(stored[0], TEXT, 300)
    former = weakref.ref(relevance._sample)
    gc.disable()
    try:
        relevance.renew(400)
        renewed = weakref.ref(relevance._sample)
        assert former() is None
        relevance.scale(stored[0], TEXT, 900)
        assert renewed() is None
    finally:
        gc.enable()


def test_a_known_scale_seldom_lets_go_of_the_interpreter():
    """Beside a thread that computes, a search waits for half a millisecond each time that it does.

    numpy does for however few numbers in these calls.
    """
    stored = rows(1024)
    relevance = Relevance(lambda count: stored[:count])
    relevance.learn_texts(rows(256, seed=1))
    relevance.scale(stored[8], TEXT, 1024)
    called = []
    sys.setprofile(
        lambda _, event, call: called.append(call.__name__) if event == "c_call" else None
    )
    try:
        _, scale = relevance.known_scale(stored[7], TEXT, 1024)
        told = [scale.found, scale.weaker, *map(scale.relevance, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5))]
    finally:
        sys.setprofile(None)
    assert len(told) == 8
    letting_go = {"c_einsum", "dot", "interp", "partition", "searchsorted", "sort"}
    assert 0 < sum(name in letting_go for name in called) <= 6
