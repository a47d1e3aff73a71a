"""What a recall is measured with is as hard as what people ask."""

import numpy as np
import pytest

from imgvecd.core.sharing.recall_questions import DRAWN, questions


def unit(rng, count, dim=16):
    rows = rng.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("texts", "images", "expected"),
    [(100, 100, [32, 16]), (3, DRAWN, [3, 16]), (0, 5, [2]), (100, 1, [48]), (0, 0, [])],
)
def test_texts_and_pictures_by_kind(texts, images, expected):
    rng = np.random.default_rng(1)
    asked, drawn = unit(rng, texts), unit(rng, images)
    kinds = questions(asked, drawn)
    assert [len(kind) for kind in kinds] == expected
    for kind in kinds:
        assert kind.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(kind, axis=1), 1, atol=1e-6)
        if len(drawn):  # an image that was asked for would find itself
            assert (kind @ drawn.T).max() < 0.999
