"""Of how many questions the ten best photos are those that torch in fp32 finds.

    python -m benchmarks.same_ten [--model ViT-B-32-256] [--photos 300]

Parts of the tests' photos are encoded by torch and by the image tower that is built here in each
precision. Questions are texts, and the photos
themselves. A named model has random weights, whose vectors lie nearer each other than those of any
trained one. Prints for each way the share of questions whose ten best are the same set, and how
many of ten are the same, with vectors as the catalog keeps them.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load import PHOTOS, WORDS
from imgvecd.adapters.imagetower import building
from imgvecd.adapters.openclip import OpenClipModel
from imgvecd.config.schema import EncodeConfig, ModelConfig
from imgvecd.core.index.packed_vectors import packed, unpacked
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.errors import NotBuiltError
from imgvecd.types import Float32Array

TEXTS = [f"{one} and {other}" for one in WORDS for other in WORDS if one != other]
BEST = 10
BATCH = 8


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="imgvecd-same-") as folder:
        choice = chosen(options.model, f"{folder}/random.safetensors")
        exact = OpenClipModel(choice, EncodeConfig(precision="fp32", device="cpu"))
        pictures = parts_of_photos(options.photos, exact.info.preprocess.size)
        photos = encoded(exact.encode_images, pictures)
        questions = {"texts": np.asarray(exact.encode_texts(TEXTS)), "photos": photos}
        print(f"{'':<18}{'texts: same set':>16}{'of ten':>8}{'photos':>16}{'of ten':>8}")
        report("torch fp32", photos, photos, questions)
        report("torch fp32, float16", photos.astype(np.float16), photos, questions)
        for precision in ("fp32", "bf16", "int8"):
            try:
                config = EncodeConfig(precision=precision)
                tower = building.build(choice, config, f"{folder}/{precision}")
            except NotBuiltError as error:
                print(f"{precision}: {error}")
                continue
            report(precision, encoded(tower.encode_images, pictures), photos, questions)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", help="of open_clip, with random weights; else imgvecd-mini")
    parser.add_argument("--photos", type=int, default=600)
    return parser.parse_args()


def chosen(name: str | None, path: str) -> ModelChoice:
    """Return the embedded model, or a named one whose random weights are written to `path`."""
    if name is None:
        return choose_model(EMBEDDED)
    import open_clip  # noqa: PLC0415  # with torch, for this only
    import safetensors.torch  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    safetensors.torch.save_model(open_clip.create_model(name), path)
    return choose_model(ModelConfig(name=name, pretrained=path))


def parts_of_photos(count: int, size: int) -> NDArray[np.uint8]:
    """Return random parts of the tests' photos, shape (count, size, size, 3)."""
    some = random.Random(1)
    photos = [Image.open(path).convert("RGB") for path in sorted(Path(PHOTOS).glob("*.jpg"))]
    parts = []
    for number in range(count):
        photo = photos[number % len(photos)]
        share = some.uniform(0.35, 1)
        width, height = int(photo.width * share), int(photo.height * share)
        left = some.randrange(photo.width - width + 1)
        top = some.randrange(photo.height - height + 1)
        part = photo.crop((left, top, left + width, top + height))
        parts.append(np.asarray(part.resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(parts)


def encoded(
    encode: Callable[[NDArray[np.uint8]], Float32Array], pictures: NDArray[np.uint8]
) -> Float32Array:
    rows = [encode(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]
    return np.concatenate(rows)


def best(vectors: Float32Array, questions: Float32Array) -> NDArray[np.int64]:
    """Return the rows of the ten best for each question, ascending."""
    scores = questions.astype(np.float64) @ vectors.astype(np.float64).T
    return np.sort(np.argpartition(-scores, BEST, axis=1)[:, :BEST], axis=1)


def report(
    name: str, vectors: NDArray, photos: Float32Array, questions: dict[str, Float32Array]
) -> None:
    kept = vectors if vectors.dtype == np.float16 else unpacked(packed(vectors))
    line = f"{name:<18}"
    for asked in questions.values():
        found, true = best(kept, asked), best(photos, asked)
        same = float((found == true).all(axis=1).mean())
        shared = np.mean([len(np.intersect1d(*pair)) for pair in zip(found, true, strict=True)])
        line += f"{same:>16.2%}{shared:>8.2f}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
