"""Joins what is found by pictures with what is found by names, by reciprocal ranks.

The sum of 1 / (60 + rank) over both rankings (Cormack, Clarke and Büttcher, 2009) gives an image
the rank that has this value alone, and so a place among the scores of pictures. Scores by rank are
fixed by a query's first page, so that pages neither shift nor repeat. All images whose names fit
have the words that were typed; among them, the picture tells the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imgvecd.core.search.paging import Found, key_of

LADDER_RANKS = 1024
"""Best scores that a ladder is made of, if there are as many."""

_OFFSET = 60  # as in the paper
_ABOVE = 1e-3  # of score, for each rank before the first


def ladder(scores: Sequence[float]) -> tuple[float, ...]:
    """Return the scores at the ranks 1, 2, 4, …, of scores in descending order."""
    return tuple(scores[(1 << step) - 1] for step in range(len(scores).bit_length()))


def fused(
    pictures: Sequence[Found], named: Sequence[Found], scores: tuple[float, ...]
) -> list[Found]:
    """Return all images, each once, in their order.

    Args:
        pictures: by descending score.
        named: those that are not so by all words keep their places; what lifts others is kept.
        scores: of the ladder.
    """
    if not named:
        return list(pictures)
    by_picture = sorted(
        (image for image in named if image.named), key=lambda image: (-image.score, image.id)
    )
    placed = [image for image in named if not image.named]
    for rank, image in enumerate(by_picture, 1):
        lift = 0.0 if image.place is None else image.place - image.score
        place = _place(image.score, rank, scores) + lift
        placed.append(image._replace(place=place))
    ids = {image.id for image in named}
    every = [*placed, *(image for image in pictures if image.id not in ids)]
    return sorted(every, key=lambda image: key_of("score", image))


def _place(score: float, rank: int, scores: tuple[float, ...]) -> float:
    steps = np.arange(len(scores))
    falling = np.asarray(scores)
    by_picture = 2.0 ** np.interp(-score, -falling, steps) if len(scores) else LADDER_RANKS
    joint = 1 / (1 / (_OFFSET + by_picture) + 1 / (_OFFSET + rank)) - _OFFSET
    if not len(scores) or joint < 1:
        return (scores[0] if scores else score) + _ABOVE * float(1 - joint)
    return float(np.interp(np.log2(joint), steps, falling))
