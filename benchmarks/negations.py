"""Does "a dog without people" show dogs without people?

    python -m benchmarks.negations

Over the 1,000 captioned photos that imgvecd-mini was not trained on: pairs of subjects, of which
ten photos or more show one and not the other, and as many show both. Right is a photo of which two
captions name the one, and none the other.
"""

from __future__ import annotations

import numpy as np

from benchmarks import captioned, history
from benchmarks.relevance import encode_images, encode_texts, held_out_first, load
from benchmarks.relevance_queries import SUBJECTS
from imgvecd.core.search.negations import WEIGHT

_SHOWN = (
    *("dog", "beach", "street", "snow", "grass", "water", "mountain"),
    *("a car", "a ball", "boat", "bicycle"),
)
_NOT_SHOWN = ("people", "a man", "child", "dog", "water", "grass")
_LEAST = 10  # photos
_FIRST = 10
_WEIGHTS = (0.0, -0.25, -0.5, WEIGHT, -1.0)


def main() -> None:
    photos, asked = held_out_first()
    photos = photos[:asked]
    model, preprocess, tokenizer = load()
    images = encode_images(model, preprocess, photos)
    told = {subject: naming(photos, words) for subject, words in SUBJECTS.items()}
    pairs = [
        (shown, other)
        for shown in _SHOWN
        for other in _NOT_SHOWN
        if shown != other
        and ((told[shown] >= 2) & (told[other] == 0)).sum() >= _LEAST
        and ((told[shown] >= 2) & (told[other] > 0)).sum() >= _LEAST
    ]
    texts = list(dict.fromkeys(text for a, b in pairs for text in (a, b, f"{a} without {b}")))
    vectors = dict(zip(texts, encode_texts(model, tokenizer, texts), strict=True))
    queries = {"as it is typed": [vectors[f"{a} without {b}"] for a, b in pairs]}
    for weight in _WEIGHTS:
        queries[f"{weight:g} times the other"] = [
            vectors[a] + weight * vectors[b] for a, b in pairs
        ]
    rows = []
    for name, some in queries.items():
        first = [np.argsort(-(images @ query))[:_FIRST] for query in some]
        has = [(told[a][f] >= 2).mean() for (a, _), f in zip(pairs, first, strict=True)]
        right = [
            ((told[a][f] >= 2) & (told[b][f] == 0)).mean()
            for (a, b), f in zip(pairs, first, strict=True)
        ]
        rows.append((name, f"{np.mean(right):.0%}", f"{np.mean(has):.0%}"))
    print(f"{len(pairs)} pairs, the first {_FIRST} of {len(photos)} photos")
    headers = ("looked for", "shows one and not the other", "shows one")
    history.show_table("negations", rows, headers)


def naming(photos, words) -> np.ndarray:
    """Return how many captions of each photo have one of the words."""
    named = captioned.words(words)
    return np.array(
        [sum(bool(named & captioned.words(text)) for text in photo.captions) for photo in photos]
    )


if __name__ == "__main__":
    main()
