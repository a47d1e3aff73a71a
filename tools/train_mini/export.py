"""Writing the trained model as the files that the product ships."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from tools.train_mini.space import Space
from tools.train_mini.student import MODEL_NAME


@torch.no_grad()
def set_image_tower(model: nn.Module, trunk: nn.Module, space: Space) -> None:
    """Put the trunk and the image head, with its standardisation folded in, into the model.

    W ((f - mean) / std) + b = (W / std) f + (b - (W / std) mean).
    """
    bare = copy.deepcopy(trunk)
    bare.reset_classifier(0)
    model.visual.trunk.load_state_dict(bare.state_dict())
    head, units, free = model.visual.head.mlp, space.units, space.free_in
    weight = free.weight / space.features.std
    head.fc1.weight.copy_(torch.cat([units.weight, weight]))
    head.fc1.bias.copy_(torch.cat([units.bias, free.bias - weight @ space.features.mean]))
    named = space.class_gain * space.vectors.T
    head.fc2.weight.copy_(torch.cat([named, space.free_out.weight], dim=1))
    head.fc2.bias.copy_(space.free_out.bias)
    model.logit_scale.copy_(space.log_scale)


@torch.no_grad()
def set_text_projection(model: nn.Module, space: Space) -> None:
    """Put the texts' projection into the model, its standardisation and shift into the last norm.

    ((g n + c) - mean) / std + shift = (g / std) n + ((c - mean) / std + shift).
    """
    norm, texts = model.ln_final, space.texts
    norm.bias.copy_((norm.bias - texts.mean) / texts.std + space.text_shift)
    norm.weight.copy_(norm.weight / texts.std)
    model.text_projection = nn.Parameter(space.text.weight.T.clone())


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
