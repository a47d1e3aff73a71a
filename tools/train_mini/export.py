"""Writing the trained model as the files that the product ships."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from tools.train_mini.heads import Heads
from tools.train_mini.student import MODEL_NAME


def set_image_tower(model: nn.Module, trunk: nn.Module, heads: Heads) -> None:
    """Put the trunk and the image head, with its standardisation folded in, into the model.

    W ((f - mean) / std) + b = (W / std) f + (b - (W / std) mean).
    """
    bare = copy.deepcopy(trunk)
    bare.reset_classifier(0)
    model.visual.trunk.load_state_dict(bare.state_dict())
    with torch.no_grad():
        weight = heads.image.weight / heads.features.std
        model.visual.head.proj.weight.copy_(weight)
        model.visual.head.proj.bias.copy_(heads.image.bias - weight @ heads.features.mean)
        model.logit_scale.copy_(heads.log_scale)


def _shipped(tensor: Tensor) -> Tensor:
    """Return matrices as float16; vectors (batch norm statistics among them) stay as they are."""
    return tensor.contiguous().half() if tensor.ndim >= 2 else tensor.contiguous()


def save_checkpoint(model: nn.Module, models_dir: Path) -> Path:
    """Write `imgvecd-mini.safetensors` in one step, so that a reader sees the old or the new one.

    Returns: the file's path.
    """
    path = models_dir / f"{MODEL_NAME}.safetensors"
    temporary = path.with_suffix(".partial")
    tensors = {name: _shipped(tensor) for name, tensor in model.state_dict().items()}
    temporary.write_bytes(save(tensors, metadata={"format": "pt"}))
    os.replace(temporary, path)
    return path
