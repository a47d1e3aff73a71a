"""Short forms keep scores, and keep what texts tell images apart by."""

import numpy as np

from benchmarks.clustered_vectors import ClusteredVectors
from imgvecd.adapters.postgres.short_vectors import learn

NONE = np.empty((0, 512), np.float32)


def a_library(count=6000):
    library = ClusteredVectors()
    images = library.images(0, count)
    texts = library.queries(400)[:200]
    return images, texts[:100], texts[100:]


def short_scores(form, images, queries):
    rows = (images.astype(np.float32) - form.mean) @ form.axes.T
    return queries @ form.query_axes.T @ rows.T


def found(form, images, queries, candidates):
    """Return the share of the ten best that are among the candidates by short forms."""
    exact = queries @ images.astype(np.float32).T
    tenth = -np.sort(-exact, axis=1)[:, 9:10]
    scores = short_scores(form, images, queries)
    some = np.argpartition(-scores, candidates, axis=1)[:, :candidates]
    return (np.take_along_axis(exact, some, axis=1) >= tenth).sum() / (10 * len(queries))


def test_all_axes_together_keep_scores():
    rng = np.random.default_rng(3)
    images = rng.standard_normal((500, 40)).astype(np.float16)
    asked = rng.standard_normal((30, 40)).astype(np.float32) + 3
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    for questions in (asked, asked[:0]):
        form = learn(images, questions)
        exact = asked @ (images.astype(np.float32) - form.mean).T
        np.testing.assert_allclose(short_scores(form, images, asked), exact, atol=1e-4)
        assert form.knows_texts == bool(len(questions))


def test_without_questions_axes_are_those_of_the_largest_variance():
    images, _, _ = a_library(2000)
    form = learn(images, NONE)
    np.testing.assert_allclose(form.axes @ form.axes.T, np.eye(len(form.axes)), atol=1e-4)
    assert not form.knows_texts


def test_what_texts_ask_along_counts_for_more():
    images, learnt, asked = a_library()
    plain, taught = learn(images, NONE), learn(images, learnt)
    assert len(taught.axes) <= len(plain.axes)
    assert found(taught, images, asked, 20) > found(plain, images, asked, 20)
    own = images[::30].astype(np.float32)
    assert found(taught, images, own, 50) > found(plain, images, own, 50) - 0.05


def test_every_short_form_is_as_long_as_the_others():
    images, learnt, _ = a_library(2000)
    form = learn(images, learnt)
    lengths = np.square((images.astype(np.float32) - form.mean) @ form.axes.T).sum(axis=1)
    assert lengths.max() <= form.reach
