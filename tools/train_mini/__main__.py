"""Train `imgvecd-mini` from scratch.

python -m tools.train_mini --data DIR --out imgvecd/models
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from open_clip.tokenizer import SimpleTokenizer
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from tools.train_mini import teacher, texts
from tools.train_mini.captions import Photo, load_photos, split_photos
from tools.train_mini.distil import distil
from tools.train_mini.evaluate import load_model, retrieval
from tools.train_mini.export import save_checkpoint, set_image_tower
from tools.train_mini.heads import HeadData, Heads, train_heads
from tools.train_mini.recipe import Recipe
from tools.train_mini.student import create_model, start_token_embedding, tokenize
from tools.train_mini.vision import load_trunk, photo_features

log = logging.getLogger(__name__)


def _view_features(trunk: nn.Module, photos: Sequence[Photo], recipe: Recipe, seed: int) -> Tensor:
    """Return features of every view, shape (1 + random_views, photos, 1280)."""
    paths = [photo.path for photo in photos]
    views = [photo_features(trunk, paths)]
    for view in range(recipe.random_views):
        view_seed = seed * 1000 + view
        views.append(photo_features(trunk, paths, seed=view_seed, min_area=recipe.min_crop_area))
    return torch.stack(views)


def _head_data(
    trunk: nn.Module,
    features: Tensor,
    captions: Tensor,
    nouns: texts.Nouns,
    encoder: SentenceTransformer,
) -> HeadData:
    counts = torch.tensor([len(of_class) for of_class in nouns.class_texts])
    flat = [text for of_class in nouns.class_texts for text in of_class]
    return HeadData(
        features=features,
        captions=captions.view(features.shape[1], -1, teacher.TEACHER_DIM),
        class_vectors=trunk.classifier.weight.detach(),
        class_texts=teacher.encode(encoder, flat),
        class_of_text=torch.arange(len(nouns.class_texts)).repeat_interleave(counts),
    )


def _train_text_tower(
    model: nn.Module,
    heads: Heads,
    corpus: dict[str, Tensor],
    images: Tensor,
    recipe: Recipe,
    seed: int,
) -> None:
    """Distil the head's view of every text in `corpus` (text to teacher embedding)."""
    tokenizer = SimpleTokenizer(context_length=model.context_length)
    words = texts.whole_words(tokenizer)
    start_token_embedding(model, words, torch.stack([corpus[word] for word in words.values()]))
    wanted = heads.embed_sentences(torch.stack(list(corpus.values())))
    distil(model, tokenize(tokenizer, list(corpus)), wanted, images, recipe, seed)


def _corpus(captions: Sequence[str], nouns: texts.Nouns, rng: random.Random) -> list[str]:
    """Return the distinct texts that the text tower learns from besides captions."""
    words = texts.whole_words(SimpleTokenizer()).values()
    of_classes = (text for of_class in nouns.class_texts for text in of_class)
    prompts = (texts.PROMPT.format(name) for name in nouns.names)
    parts = (words, nouns.names, prompts, of_classes, nouns.definitions)
    extra = [text for part in parts for text in part]
    return list(dict.fromkeys([*extra, *texts.fragments(captions, rng)]))


def train(photos: Sequence[Photo], out: Path, seed: int, recipe: Recipe) -> Path:
    """Train on `photos` and write the checkpoint into `out`, beside the config that lies there.

    Returns: the checkpoint's path.
    """
    torch.manual_seed(seed)
    captions = [caption for photo in photos for caption in photo.captions]
    nouns, encoder, trunk = texts.load_nouns(), teacher.load_teacher(), load_trunk()
    log.info("stage 1 of 4: image features of %d photos", len(photos))
    features = _view_features(trunk, photos, recipe, seed)
    log.info("stage 2 of 4: teacher embeddings")
    corpus_texts = _corpus(captions, nouns, random.Random(seed))
    caption_rows = teacher.encode(encoder, captions)
    corpus = dict(zip(captions, caption_rows, strict=True))
    corpus |= dict(zip(corpus_texts, teacher.encode(encoder, corpus_texts), strict=True))
    log.info("stage 3 of 4: heads")
    heads = train_heads(_head_data(trunk, features, caption_rows, nouns, encoder), recipe)
    log.info("stage 4 of 4: text tower, %d texts", len(corpus))
    model = create_model(out)
    _train_text_tower(model, heads, corpus, heads.embed_images(features[0]), recipe, seed)
    set_image_tower(model, trunk, heads)
    return save_checkpoint(model.eval(), out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.train_mini", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    data, out = Path("../shared/data/captioned"), Path("imgvecd/models")
    parser.add_argument(
        "--data", type=Path, default=data, metavar="DIR", help=f"captions.tsv, images/ ({data})"
    )
    parser.add_argument(
        "--out", type=Path, default=out, metavar="DIR", help=f"has imgvecd-mini.json ({out})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (0)")
    parser.add_argument(
        "--holdout",
        type=int,
        default=0,
        metavar="N",
        help="train photos kept out, and reported on together with the dev split (0)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write the checkpoint, and print its recall on the photos that it never saw."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    split = split_photos(load_photos(options.data), options.holdout, options.seed)
    path = train(split.train, options.out, options.seed, Recipe())
    log.info("%s: %.1f MB", path.name, path.stat().st_size / 1e6)
    log.info("trained in %.1f minutes", (time.monotonic() - started) / 60)
    unseen = [*split.dev, *split.held_out]
    for k, percent in retrieval(load_model(options.out), unseen).items():
        log.info("recall@%d on %d unseen photos: %.1f %%", k, len(unseen), percent)


if __name__ == "__main__":
    main()
