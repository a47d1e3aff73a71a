"""Train `imgvecd-mini` from scratch.

python -m tools.train_mini --data DIR --out imgvecd/models
"""

from __future__ import annotations

import argparse
import functools
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from open_clip.tokenizer import SimpleTokenizer
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from tools.train_mini import teacher, texts
from tools.train_mini.captions import Photo, load_photos, split_photos
from tools.train_mini.class_units import ClassUnits, group_classes, mean_of_groups
from tools.train_mini.distil import distil
from tools.train_mini.evaluate import load_model, retrieval
from tools.train_mini.export import save_checkpoint, set_image_tower, set_text_projection
from tools.train_mini.heads import (
    EMBED_DIM,
    HeadData,
    Heads,
    Standard,
    fit_image_head,
    train_heads,
)
from tools.train_mini.joint import JointData, learn_space
from tools.train_mini.late import LateBlocks, pooled_views, tune
from tools.train_mini.recipe import Recipe
from tools.train_mini.space import Space
from tools.train_mini.student import (
    create_model,
    give_projection,
    read_all,
    start_token_embedding,
    tokenize,
)
from tools.train_mini.vision import load_trunk, photo_maps

log = logging.getLogger(__name__)
T = TypeVar("T")


def _corpus(captions: Sequence[str], nouns: texts.Nouns, rng: random.Random) -> list[str]:
    """Return the distinct texts that the text tower learns from besides captions."""
    words = texts.whole_words(SimpleTokenizer()).values()
    of_classes = (text for of_class in nouns.class_texts for text in of_class)
    prompts = (texts.PROMPT.format(name) for name in nouns.names)
    parts = (words, nouns.names, prompts, of_classes, nouns.definitions)
    extra = [text for part in parts for text in part]
    return list(dict.fromkeys([*extra, *texts.fragments(captions, rng)]))


@dataclass(frozen=True)
class _Teaching:
    """Teacher embeddings of the captions, shape (photos, 5, 384), and of the classes' texts."""

    captions: Tensor
    class_texts: Tensor
    nouns: texts.Nouns
    encoder: SentenceTransformer


def _teaching(captions: Sequence[str], photos: int) -> _Teaching:
    nouns, encoder = texts.load_nouns(), teacher.load_teacher()
    rows = teacher.encode(encoder, list(captions)).view(photos, -1, teacher.TEACHER_DIM)
    flat = [text for of_class in nouns.class_texts for text in of_class]
    return _Teaching(rows, teacher.encode(encoder, flat), nouns, encoder)


def _head_data(trunk: nn.Module, features: Tensor, teaching: _Teaching) -> HeadData:
    of_classes = teaching.nouns.class_texts
    counts = torch.tensor([len(of_class) for of_class in of_classes])
    return HeadData(
        features=features,
        captions=teaching.captions,
        class_vectors=trunk.classifier.weight.detach(),
        class_texts=teaching.class_texts,
        class_of_text=torch.arange(len(of_classes)).repeat_interleave(counts),
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


def _tuned(
    trunk: nn.Module, maps: Tensor, teaching: _Teaching, recipe: Recipe
) -> dict[str, Tensor]:
    """Tune the trunk's late blocks, in place; return their tensors."""
    late = LateBlocks(trunk)
    data = _head_data(trunk, pooled_views(late, maps, 0, recipe), teaching)
    heads = train_heads(data, recipe, recipe.start_steps)
    tune(late, heads, maps, data, trunk.classifier, recipe)
    return late.state_dict()


def _tower(
    model: nn.Module,
    trunk: nn.Module,
    features: Tensor,
    captions: Sequence[str],
    teaching: _Teaching,
    recipe: Recipe,
    seed: int,
) -> dict[str, Tensor]:
    """Distil the text tower; return its tensors."""
    heads = train_heads(_head_data(trunk, features, teaching), recipe, recipe.head_steps)
    others = _corpus(captions, teaching.nouns, random.Random(seed))
    corpus = dict(zip(captions, teaching.captions.flatten(0, 1), strict=True))
    corpus |= dict(zip(others, teacher.encode(teaching.encoder, others), strict=True))
    log.info("  %d texts", len(corpus))
    _train_text_tower(model, heads, corpus, heads.embed_images(features[0]), recipe, seed)
    return {k: v for k, v in model.state_dict().items() if not k.startswith(("visual.", "logit"))}


def _joint_data(model: nn.Module, features: Tensor, captions: Sequence[str]) -> JointData:
    tokenizer = SimpleTokenizer(context_length=model.context_length)
    of_classes = texts.load_nouns().class_texts
    counts = torch.tensor([len(of_class) for of_class in of_classes])
    class_texts = [text for of_class in of_classes for text in of_class]
    said = read_all(model, tokenize(tokenizer, list(captions)))
    return JointData(
        features=features,
        captions=said.view(features.shape[1], -1, said.shape[1]),
        class_texts=read_all(model, tokenize(tokenizer, class_texts)),
        class_of_text=torch.arange(len(of_classes)).repeat_interleave(counts),
    )


def _new_space(trunk: nn.Module, projection: Tensor, data: JointData, recipe: Recipe) -> Space:
    """Return the joint space as it is before it learns, over a text tower with this projection."""
    said = functional.normalize(data.captions @ projection, dim=-1)
    head = fit_image_head(data.features, said, recipe)
    means = functional.normalize(data.class_texts @ projection, dim=1)
    meanings = functional.normalize(mean_of_groups(means, data.class_of_text), dim=1)
    groups = group_classes(
        trunk.classifier.weight.detach(), meanings, 2 * recipe.dim - recipe.free_units
    )
    units = ClassUnits(trunk.classifier, groups, recipe.class_threshold)
    plain = data.features[0]
    space = Space(units, Standard.of(plain), Standard.of(data.captions.flatten(0, 1)), recipe)
    space.start(head.weight, head.bias, projection, plain)
    space.name_units(data.class_texts, data.class_of_text)
    space.set_class_gain(plain, recipe.class_share)
    return space


def _kept(work: Path | None, name: str, make: Callable[[], T]) -> T:
    """Return what a stage gave, from the file of an earlier run or else made and kept."""
    if work is None:
        return make()
    path = work / name
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        torch.save(make(), path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)
    kept: T = torch.load(path)
    return kept


def train(
    photos: Sequence[Photo], out: Path, seed: int, recipe: Recipe, work: Path | None = None
) -> Path:
    """Train on `photos` and write the checkpoint into `out`, beside the config that lies there.

    Args:
        work: a folder that keeps what stages 1 to 4 gave, so that a stopped run goes on.
    Returns: the checkpoint's path.
    """
    captions = [caption for photo in photos for caption in photo.captions]
    trunk, model = load_trunk(), create_model(out)
    log.info("stage 1 of 5: maps of %d photos", len(photos))
    maps = _kept(work, "maps.pt", lambda: photo_maps(trunk, [photo.path for photo in photos]))

    @functools.cache
    def teaching() -> _Teaching:
        log.info("stage 2 of 5: teacher embeddings")
        return _teaching(captions, len(photos))

    torch.manual_seed(seed)
    log.info("stage 3 of 5: late blocks")
    tuned = _kept(work, "late.pt", lambda: _tuned(trunk, maps, teaching(), recipe))
    late = LateBlocks(trunk)
    late.load_state_dict(tuned)
    torch.manual_seed(seed)  # every stage draws as after stages that were not run
    features = pooled_views(late, maps, recipe.random_views, recipe)
    log.info("stage 4 of 5: text tower")
    give_projection(model, EMBED_DIM)
    tower = _kept(
        work,
        "tower.pt",
        lambda: _tower(model, trunk, features, captions, teaching(), recipe, seed),
    )
    model.load_state_dict(tower, strict=False)

    torch.manual_seed(seed)
    log.info("stage 5 of 5: joint space")
    data = _joint_data(model, features, captions)
    space = learn_space(_new_space(trunk, tower["text_projection"], data, recipe), data, recipe)
    set_image_tower(model, trunk, space)
    set_text_projection(model, space)
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
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keeps finished stages: a stopped run goes on"
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
    path = train(split.train, options.out, options.seed, Recipe(), options.work)
    log.info("%s: %.1f MB", path.name, path.stat().st_size / 1e6)
    log.info("trained in %.1f minutes", (time.monotonic() - started) / 60)
    unseen = [*split.dev, *split.held_out]
    for k, percent in retrieval(load_model(options.out), unseen).items():
        log.info("recall@%d on %d unseen photos: %.1f %%", k, len(unseen), percent)


if __name__ == "__main__":
    main()
