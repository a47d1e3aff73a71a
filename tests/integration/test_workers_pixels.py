"""Pixels and embeddings beside open_clip's own, computed in the plain way."""

import functools
import io
import os
from pathlib import Path

import numpy as np
import pytest
from later import Later, open_clip, torch
from PIL import Image

from imgvecd.adapters import pillow
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import EMBEDDED, choose_model
from imgvecd.types import PreprocessSpec

pytestmark = [pytest.mark.started_workers, pytest.mark.long]

OpenClipModel = Later("imgvecd.adapters.openclip", "OpenClipModel")

PHOTOS = sorted((Path(__file__).parents[1] / "data" / "photos").glob("*.jpg"))
MAX_PIXELS = 10**9


def decoded(data, spec):
    _, pixels = pillow.decode(io.BytesIO(data), spec, MAX_PIXELS)
    return np.frombuffer(pixels, np.uint8).reshape(spec.size, spec.size, 3)


@functools.cache
def model(precision):
    return OpenClipModel(choose_model(EMBEDDED), EncodeConfig(precision=precision))


@functools.cache
def reference_model():
    choice = choose_model(EMBEDDED)
    open_clip.add_model_config(choice.config_path)
    return open_clip.create_model(EMBEDDED, choice.checkpoint_path).eval()


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(400, 301), (301, 400), (225, 224), (100, 70), (999, 40)])
def test_the_pixels_are_those_of_open_clip(mode, interpolation, size):
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    spec = PreprocessSpec(224, mean, std, interpolation=interpolation, resize_mode=mode, fill=90)
    transform = open_clip.image_transform(
        224, is_train=False, mean=(0,) * 3, std=(1,) * 3, resize_mode=mode,
        interpolation=interpolation, fill_color=90,
    )  # fmt: skip
    picture = Image.open(PHOTOS[0]).resize(size)
    file = io.BytesIO()
    picture.save(file, "PNG")
    expected = (transform(picture).permute(1, 2, 0).numpy() * 255).round()
    difference = np.abs(decoded(file.getvalue(), spec).astype(int) - expected)
    # cutting before resampling rounds a few pixels the other way
    assert difference.max() <= 4
    assert difference.mean() < 0.2


@pytest.mark.parametrize(
    "path",
    [PHOTOS[0], *(pytest.param(path, marks=pytest.mark.nightly) for path in PHOTOS[1:])],
    ids=lambda path: path.stem,
)
def test_a_reduced_scale_hardly_moves_an_embedding(path):
    """A 12-megapixel JPEG, decoded at a reduced scale and in full."""
    grain = np.random.default_rng(1).normal(0, 6, (3000, 4000, 1))
    large = np.asarray(
        Image.open(path).convert("RGB").resize((4000, 3000), Image.Resampling.LANCZOS)
    )
    file = io.BytesIO()
    Image.fromarray((large + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    full = io.BytesIO()
    Image.open(file).save(full, "BMP")
    spec = model("fp32").info.preprocess
    both = np.stack([decoded(file.getvalue(), spec), decoded(full.getvalue(), spec)])
    reduced, whole = model("fp32").encode_images(both)
    assert float(reduced @ whole) >= 0.995


# a processor that does not compute in bf16 takes a second of it for a photo
@pytest.mark.parametrize(
    ("precision", "least", "photos"),
    [("fp32", 0.9999, PHOTOS), ("bf16", 0.99, PHOTOS[:2])],
    ids=["fp32", "bf16"],
)
def test_the_embeddings_are_those_of_open_clip(precision, least, photos):
    """Fused, channels last, in another number format, without padding: the same vectors."""
    spec = model(precision).info.preprocess
    pixels = np.stack([decoded(path.read_bytes(), spec) for path in photos])
    texts = ["a cat", "a cup of coffee on a table, seen from above", "a rocket"]
    with torch.inference_mode():
        normed = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        normed = (normed - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        images = reference_model().encode_image(normed, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(EMBEDDED)(texts)
        words = reference_model().encode_text(tokens, normalize=True).numpy()
    assert (model(precision).encode_images(pixels) * images).sum(axis=1).min() >= least
    assert (model(precision).encode_texts(texts) * words).sum(axis=1).min() >= least


@pytest.mark.parametrize("word", ["cat", "coffee", "rocket"])
def test_words_find_their_pictures(word):
    spec = model("fp32").info.preprocess
    pixels = np.stack([decoded(path.read_bytes(), spec) for path in PHOTOS])
    scores = model("fp32").encode_images(pixels) @ model("fp32").encode_texts([word])[0]
    assert os.path.basename(PHOTOS[int(scores.argmax())]) == f"{word}.jpg"
