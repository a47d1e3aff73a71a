"""How large a picture really is: one that was enlarged holds no more than the smaller one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SAME_SIDE = 0.93
"""Of sides, from which they count as equal: rounding, and cropping of a few pixels."""

# Strength of the structure that only the larger of two pictures can hold, relative to that of the
# next coarser octave: enlarged ones had 0.16 at the most (by a half), 0.23 (by a third), photos a
# median of 0.7 and 0.37 or more in nine of ten.
_ENLARGED = 0.22


def enlarged_from(bands: Sequence[float], side: float, others: Iterable[float]) -> float | None:
    """Return the smallest of `others` that a picture holds no more than; None if it does.

    Args:
        bands: of the picture, as `CopyFacts.bands`.
        side: of a square with as many pixels as the picture.
        others: the same, of other copies.
    """
    return next(
        (
            other
            for other in sorted(others)
            if 0 < other < SAME_SIDE * side and _holds_no_more(bands, other / side)
        ),
        None,
    )


def _holds_no_more(bands: Sequence[float], ratio: float) -> bool:
    """Return whether a picture holds no more than one whose sides are `ratio` times as long."""
    count = len(bands)
    finer = [each for place, each in enumerate(bands) if place + 0.5 > count * ratio * 1.08]
    coarser = [
        each for place, each in enumerate(bands) if count * ratio / 2 < place + 0.5 < count * ratio
    ]
    if not finer or not coarser:
        return False
    return sum(finer) / len(finer) < _ENLARGED * sum(coarser) / len(coarser)
