"""Measure a trained `imgvecd-mini` through open_clip, loaded as the product loads any local model.

python -m tools.train_mini.evaluate --split dev
python -m tools.train_mini.evaluate --folder ~/Pictures --word cat=/path/to/cat.png
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor

from tools.train_mini.captions import Photo, load_photos
from tools.train_mini.losses import recalls
from tools.train_mini.student import MODEL_NAME

log = logging.getLogger(__name__)

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
BATCH_SIZE = 64


@dataclass(frozen=True)
class LoadedModel:
    """A model with its own preprocessing and tokenizer."""

    model: Any
    preprocess: Any
    tokenizer: Any

    @torch.inference_mode()
    def encode_images(self, paths: Sequence[Path]) -> Tensor:
        """Return unit embeddings, shape (len(paths), dim), float32."""
        rows = []
        for start in range(0, len(paths), BATCH_SIZE):
            batch = torch.stack([self._pixels(path) for path in paths[start : start + BATCH_SIZE]])
            rows.append(self.model.encode_image(batch, normalize=True))
        return torch.cat(rows)

    def _pixels(self, path: Path) -> Tensor:
        with Image.open(path) as image:
            pixels: Tensor = self.preprocess(image.convert("RGB"))
        return pixels

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit embeddings, shape (len(texts), dim), float32."""
        rows = []
        for start in range(0, len(texts), BATCH_SIZE):
            tokens = self.tokenizer(list(texts[start : start + BATCH_SIZE]))
            rows.append(self.model.encode_text(tokens, normalize=True))
        return torch.cat(rows)


def load_model(models_dir: Path) -> LoadedModel:
    """Load the shipped config and checkpoint; open_clip's default preprocessing suits it."""
    open_clip.add_model_config(models_dir)
    model, _, preprocess = open_clip.create_model_and_transforms(
        MODEL_NAME, pretrained=str(models_dir / f"{MODEL_NAME}.safetensors")
    )
    return LoadedModel(model.eval(), preprocess, open_clip.get_tokenizer(MODEL_NAME))


def retrieval(loaded: LoadedModel, photos: Sequence[Photo]) -> dict[int, float]:
    """Return text-to-image recall at 1, 5 and 10 in percent: every caption against all photos."""
    started = time.perf_counter()
    images = loaded.encode_images([photo.path for photo in photos])
    image_s = time.perf_counter() - started
    texts = loaded.encode_texts([caption for photo in photos for caption in photo.captions])
    text_s = time.perf_counter() - started - image_s
    log.info(
        "encoded %.0f photos/s (decoding included), %.0f captions/s",
        len(images) / image_s,
        len(texts) / text_s,
    )
    counts = torch.tensor([len(photo.captions) for photo in photos])
    return recalls(images, texts, torch.arange(len(photos)).repeat_interleave(counts))


def word_ranks(loaded: LoadedModel, folder: Path, targets: dict[str, Path]) -> dict[str, int]:
    """Return the rank (1 is best) of each word's photo among the folder's and the other words'."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
    extra = [path for path in targets.values() if path not in paths]
    paths += extra
    images = loaded.encode_images(paths)
    scores = loaded.encode_texts(list(targets)) @ images.T
    own = torch.tensor([paths.index(path) for path in targets.values()])
    ranks = 1 + (scores > scores.gather(1, own[:, None])).sum(dim=1)
    return dict(zip(targets, ranks.tolist(), strict=True))


def _target(argument: str) -> tuple[str, Path]:
    word, separator, path = argument.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError("expected WORD=PHOTO")
    return word, Path(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_mini.evaluate", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--models", type=Path, default=Path("imgvecd/models"), metavar="DIR")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/captioned"), metavar="DIR"
    )
    parser.add_argument("--split", default="dev", help="split of captions.tsv (default: dev)")
    parser.add_argument("--folder", type=Path, help="photos to rank for each --word")
    parser.add_argument("--word", type=_target, action="append", default=[], metavar="WORD=PHOTO")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print recall on a split, or with --folder the ranks of the given words' photos."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _parser().parse_args(arguments)
    loaded = load_model(options.models)
    if options.folder:
        for word, rank in word_ranks(loaded, options.folder, dict(options.word)).items():
            print(f"{word}: rank {rank}")
        return
    photos = [photo for photo in load_photos(options.data) if photo.split == options.split]
    for k, percent in retrieval(loaded, photos).items():
        print(f"recall@{k}: {percent:.1f} % ({len(photos)} photos)")


if __name__ == "__main__":
    main()
