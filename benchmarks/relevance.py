"""Does relevance tell queries that have a match from queries that have none?

Takes the captioned photos that the model was not trained on. Libraries of 30 to 400 of them are
drawn twice for each query: once with a photo that matches, once with none that comes near it. A
query is a caption, a word, a photo, or a combination of these. What matches follows from the
captions that people wrote.

Run it with `python -m benchmarks.relevance`; it takes some minutes and needs the captioned data.
"""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import tabulate
import torch
from PIL import Image

import imgvecd
from benchmarks import captioned
from imgvecd.core.search.query_vectors import combine
from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.core.search.relevance import FOUND, Relevance, Shape, shape_of

_MODEL = "imgvecd-mini"
_MODELS = Path(imgvecd.__file__).parent / "models"
_SIZES = (30, 60, 120, 250, 400)
TEXT: Shape = ((True, 1.0),)
PHOTO: Shape = ((False, 1.0),)
LESS: Shape = ((True, 1.0), (True, -0.5))
_FORMS = ("{}", "a photo of a {}", "a picture with a {} in it", "{}s")
# things that can be seen, of those that three or more of the photos have in two captions
THINGS = """
    water lake city baby stroller beach ball bike pool helmet rock climber mountain boat
    window cliff snow dog horse car street tree grass guitar bench soccer football
    basketball skateboard surfer wave motorcycle bicycle camera hat sand ocean river
    swing slide playground jacket flower field road fence building wall bridge stair
    train bus tent fire frisbee stick stage crowd swimmer umbrella table food cake phone
    book bird cat sunset kayak skier ramp race tennis baseball uniform costume mask
    bubble fountain forest hill waterfall garden rope sled toy trampoline balloon sign
    graffiti flag parade dress
""".split()  # noqa: SIM905  # one can read it


@dataclass
class Outcome:
    """Best cosine and relevance of one query in one library."""

    kind: str
    matching: bool
    score: float
    relevance: float
    z: float


def main() -> None:
    photos = captioned.photos("dev")
    if not photos:
        raise SystemExit(f"the captioned data is not in {captioned.CAPTIONED}")
    model, preprocess, tokenizer = load()
    images = encode_images(model, preprocess, photos)
    captions = [(i, text) for i, photo in enumerate(photos) for text in photo.captions]
    texts = encode_texts(model, tokenizer, [text for _, text in captions])
    references = encode_texts(model, tokenizer, REFERENCE_TEXTS)
    study = Study(photos, images, references)
    study.ask_captions(captions, texts, 500)
    study.ask_words(lambda names: encode_texts(model, tokenizer, names))
    report(study.outcomes)


def load():
    open_clip.add_model_config(str(_MODELS / f"{_MODEL}.json"))
    checkpoint = str(_MODELS / f"{_MODEL}.safetensors")
    model, _, preprocess = open_clip.create_model_and_transforms(_MODEL, pretrained=checkpoint)
    return model.eval(), preprocess, open_clip.get_tokenizer(_MODEL)


@torch.no_grad()
def encode_images(model, preprocess, photos):
    rows = []
    for start in range(0, len(photos), 32):
        batch = [preprocess(Image.open(p.path).convert("RGB")) for p in photos[start : start + 32]]
        rows.append(model.encode_image(torch.stack(batch), normalize=True).numpy())
    return np.concatenate(rows)


@torch.no_grad()
def encode_texts(model, tokenizer, texts):
    rows = []
    for start in range(0, len(texts), 128):
        tokens = tokenizer(texts[start : start + 128])
        rows.append(model.encode_text(tokens, normalize=True).numpy())
    return np.concatenate(rows)


class Study:
    """Draws libraries with and without a match, and notes what each query gets."""

    def __init__(self, photos, images, references) -> None:
        self.images = images
        self.references = references
        self.outcomes: list[Outcome] = []
        self._random = np.random.default_rng(11)
        counts = [
            collections.Counter(word for text in photo.captions for word in captioned.words(text))
            for photo in photos
        ]
        self._all_words = [set(count) for count in counts]
        self._sure_words = [{word for word in count if count[word] >= 2} for count in counts]
        frequency = collections.Counter(word for some in self._all_words for word in some)
        self._weight = {word: math.log(len(photos) / n) for word, n in frequency.items()}
        self._likeness = np.array(
            [[self._overlap(mine, other) for other in self._all_words] for mine in self._all_words]
        )

    def _overlap(self, wanted, has) -> float:
        total = sum(self._weight[word] for word in wanted)
        return sum(self._weight[word] for word in wanted & has) / total if total else 0.0

    def ask_captions(self, captions, vectors, count) -> None:
        for k in self._random.permutation(len(captions))[:count]:
            own, text = captions[k]
            wanted = captioned.words(text)
            overlap = np.array([self._overlap(wanted, has) for has in self._all_words])
            far = np.flatnonzero((overlap < 0.25) & (self._likeness[own] < 0.25))
            if len(far) < _SIZES[0]:
                continue
            without = self._random.permutation(far)[: self._random.choice(_SIZES)]
            matching = [*without[:-1], own]
            self._note("caption", vectors[k : k + 1], TEXT, matching, without)
            second = k - 1 if k and captions[k - 1][0] == own else k + 1
            self._note("two captions", vectors[[k, second]], TEXT + TEXT, matching, without)
            unrelated = self._random.integers(len(vectors))
            self._note("caption - text", vectors[[k, unrelated]], LESS, matching, without)
            alike = self._likeness[own].copy()
            alike[own] = 0
            if alike.max() > 0.35:
                without = without[without != own]
                twin = int(alike.argmax())
                photo, matching = self.images[own][None], [*without[:-1], twin]
                self._note("photo", photo, PHOTO, matching, without)
                both = np.concatenate([vectors[k : k + 1], photo])
                self._note("caption + photo", both, TEXT + PHOTO, matching, without)

    def ask_words(self, encode) -> None:
        for thing in THINGS:
            have = np.flatnonzero([thing in words for words in self._sure_words])
            lack = np.flatnonzero(
                [all(thing not in word for word in words) for words in self._all_words]
            )
            if len(have) < 3:
                continue
            for vector in encode([form.format(thing) for form in _FORMS]):
                size = self._random.choice(_SIZES)
                without = self._random.permutation(lack)[:size]
                share = max(2, len(have) * size // len(self.images))
                some = self._random.permutation(have)[:share]
                self._note("word", vector[None], TEXT, [*without[: -len(some)], *some], without)

    def _note(self, kind, terms, shape, matching, without) -> None:
        vector, _ = combine(terms, [weight for _, weight in shape])
        for library, matches in ((matching, True), (without, False)):
            stored = self.images[np.asarray(library)]
            relevance = Relevance(lambda _, stored=stored: stored)
            relevance.learn_texts(self.references)
            scale = relevance.scale(shape_of(shape), max(len(stored), _SIZES[0]))
            score = float((stored @ vector).max())
            z = (score - scale.mean) / scale.deviation - math.sqrt(2 * math.log(scale.images))
            self.outcomes.append(Outcome(kind, matches, score, scale.relevance(score), z))


def report(outcomes: list[Outcome]) -> None:
    rows = []
    for kind in (*dict.fromkeys(outcome.kind for outcome in outcomes), None):
        some = [outcome for outcome in outcomes if kind in {None, outcome.kind}]
        truth = np.array([outcome.matching for outcome in some])
        scores = np.array([outcome.score for outcome in some])
        relevances = np.array([outcome.relevance for outcome in some])
        rows.append(
            (
                kind or "all together",
                len(some),
                f"{auc(scores, truth):.3f}",
                f"{auc(relevances, truth):.3f}",
                f"{(relevances[truth] >= FOUND).mean():.0%}",
                f"{(relevances[~truth] < FOUND).mean():.0%}",
            )
        )
    headers = ("query", "queries", "AUC cosine", "AUC relevance", "match found", "none said")
    print(tabulate.tabulate(rows, headers))
    print("logistic regression (slope, offset):", *fit(outcomes))
    compare_cut_offs(outcomes)


def compare_cut_offs(outcomes: list[Outcome]) -> None:
    """Print how the best fixed cut-off of one half of the queries does on the other."""
    half = np.arange(len(outcomes)) // 2 % 2 == 0  # pairs stay together
    truth = np.array([outcome.matching for outcome in outcomes])
    for name in ("score", "relevance"):
        values = np.array([getattr(outcome, name) for outcome in outcomes])
        right = [
            balanced(values[~side] >= best_cut(values[side], truth[side]), truth[~side])
            for side in (half, ~half)
        ]
        print(f"balanced accuracy of one fixed cut-off of {name}: {np.mean(right):.3f}")


def best_cut(values, truth) -> float:
    return max(np.unique(values), key=lambda cut: balanced(values >= cut, truth))


def balanced(said, truth) -> float:
    return (said[truth].mean() + (~said)[~truth].mean()) / 2


def auc(values, truth) -> float:
    """Return how often a query with a match has the higher value."""
    ranks = values.argsort().argsort() + 1
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * (~truth).sum())


def fit(outcomes: list[Outcome]) -> tuple[float, float]:
    design = np.array([(outcome.z, 1.0) for outcome in outcomes])
    truth = np.array([outcome.matching for outcome in outcomes], float)
    weights = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ weights))
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        weights += np.linalg.solve(hessian, design.T @ (truth - p))
    return round(float(weights[0]), 3), round(float(weights[1]), 3)


if __name__ == "__main__":
    main()
