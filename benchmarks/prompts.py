"""Does it help to say a query in several ways? Measured with imgvecd-mini on the captioned photos.

    python -m benchmarks.prompts

Words: things that can be seen; the photos meant are those with the thing in two captions or more.
The figure is the mean average precision, which is 1 if all that is meant comes first. Captions: the
photo meant is the one that the caption was written for; the figure is the mean of 1 / its rank.
Gains come with the interval that holds 95 of 100 draws of as many queries.
"""

from __future__ import annotations

import numpy as np

from benchmarks import captioned, history
from benchmarks.relevance import THINGS, encode_images, encode_texts, load

_WAYS = {
    "as it is": ("{}",),
    "a photo of a …": ("a photo of a {}",),
    "all three: …, a …, a photo of a …": ("{}", "a {}", "a photo of a {}"),
    "seven of CLIP's templates": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
}
_DRAWS = 2000


def main() -> None:
    photos = captioned.photos("dev")
    if not photos:
        raise SystemExit(f"the captioned data is not in {captioned.CAPTIONED}")
    model, preprocess, tokenizer = load()
    images = encode_images(model, preprocess, photos)

    def said(texts, templates):
        rows = sum(
            encode_texts(model, tokenizer, [template.format(text) for text in texts])
            for template in templates
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    words, meant = things(photos)
    captions = [photo.captions[0] for photo in photos]
    own = np.arange(len(photos))
    rows, first = [], {}
    for name, templates in _WAYS.items():
        precision = average_precision(said(words, templates) @ images.T, meant)
        ranks = reciprocal_ranks(said(captions, templates) @ images.T, own)
        first.setdefault("words", precision)
        first.setdefault("captions", ranks)
        rows.append(
            (
                name,
                f"{precision.mean():.3f}",
                interval(precision - first["words"]),
                f"{ranks.mean():.3f}",
                interval(ranks - first["captions"]),
            )
        )
    print(f"{len(words)} words, {len(captions)} captions")
    headers = ("said", "words: mAP", "gain in mAP", "captions: MRR", "gain in MRR")
    history.show_table("prompts", rows, headers, disable_numparse=True)


def things(photos) -> tuple[list[str], np.ndarray]:
    """Return (words, which photos each means: shape (words, photos))."""
    counts = [
        [sum(word in captioned.words(text) for text in photo.captions) for photo in photos]
        for word in THINGS
    ]
    meant = np.array(counts) >= 2
    some = meant.sum(axis=1) >= 3
    return [word for word, enough in zip(THINGS, some, strict=True) if enough], meant[some]


def average_precision(scores: np.ndarray, meant: np.ndarray) -> np.ndarray:
    order = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(meant, order, axis=1)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(axis=1) / hits.sum(axis=1)


def reciprocal_ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    right = scores[np.arange(len(own)), own]
    return 1 / (1 + (scores > right[:, None]).sum(axis=1))


def interval(gains: np.ndarray) -> str:
    if not gains.any():
        return ""
    draws = np.random.default_rng(0).choice(gains, (_DRAWS, len(gains))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return f"{gains.mean():+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    main()
