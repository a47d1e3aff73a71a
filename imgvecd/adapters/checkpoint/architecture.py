"""A model's configuration: which checkpoint it is, and what its towers are made of.

The types say what can be built. A configuration that says more, or something else, is refused, so
that nothing in it is ever ignored; the names and defaults are open_clip's.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeVar

import msgspec
from huggingface_hub import try_to_load_from_cache

from imgvecd.adapters.checkpoint.open_clip_files import (
    checkpoints_module,
    config_path,
    published_pixels,
)
from imgvecd.core.files.durable import read_whole
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import NotBuiltError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import ModelInfo, PreprocessSpec

_SAFE = ".safetensors"
_USUAL_NAME = "open_clip_model.safetensors"  # where the table names a repository alone

Kind = TypeVar("Kind", bound=msgspec.Struct)


class VisionTransformer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An image tower as OpenAI's CLIP has it."""

    layers: int = 12
    width: int = 768
    head_width: int = 64
    mlp_ratio: float = 4.0
    patch_size: int = 16
    image_size: int = 224
    no_ln_pre: bool = False
    final_ln_after_pool: bool = False
    pool_type: Literal["tok", "avg"] = "tok"
    patch_dropout: float = 0.0  # while training


class EfficientNet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """timm's EfficientNet-Lite, as imgvecd-mini has it; the dropping is for training."""

    timm_model_name: Literal["tf_efficientnet_lite0", "tf_efficientnet_lite2"]
    timm_proj: Literal["linear", "mlp"] = "linear"
    timm_proj_bias: bool = False
    timm_pool: Literal["avg"] = "avg"
    timm_model_pretrained: bool = False
    timm_drop: float = 0.0
    timm_drop_path: float | None = None
    image_size: int = 224


class TextTransformer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text tower as OpenAI's CLIP has it: causal, the end stands for the text."""

    context_length: int = 77
    vocab_size: int = 49408
    width: int = 512
    heads: int = 8
    layers: int = 12
    mlp_ratio: float = 4.0


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    quick_gelu: bool = False
    init_logit_scale: float | None = None  # scales cosines, which nobody asks for
    init_logit_bias: float | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a model is made of.

    Attributes:
        checkpoint: path of a safetensors file.
        dim: of the embeddings.
        quick_gelu: the transformers use OpenAI's approximation of GELU.
        vision: image tower; None if it is of a kind that cannot be built.
        text: text tower; None likewise.
    """

    checkpoint: str
    dim: int
    quick_gelu: bool
    vision: VisionTransformer | EfficientNet | None
    text: TextTransformer | None
    preprocess: PreprocessSpec

    def info(self, choice: ModelChoice) -> ModelInfo:
        """Return what is known of the model that was chosen."""
        return ModelInfo(
            fingerprint=choice.fingerprint,
            name=choice.name,
            pretrained=choice.pretrained,
            dim=self.dim,
            preprocess=self.preprocess,
        )


def read_architecture(choice: ModelChoice) -> Architecture:
    """Return what a model is made of.

    Raises:
        NotBuiltError: its checkpoint is not on this machine, or its configuration is unusual.
    """
    tables = checkpoints_module()
    if checkpoint := choice.checkpoint_path:
        pixels = published_pixels(choice.name, tables)
    else:
        pixels = tables.get_pretrained_cfg(choice.name, choice.pretrained)
        checkpoint = _cached(pixels.get("hf_hub", ""))
    if not checkpoint.endswith(_SAFE):
        raise NotBuiltError(f"no safetensors file of {choice.name} is on this machine")
    model = _read(choice.config_path or config_path(choice.name))
    is_timm = "timm_model_name" in model.vision_cfg
    # open_clip gives SigLIPs another tokenizer by their names
    has_usual_tokenizer = "siglip" not in choice.name.lower()
    return Architecture(
        checkpoint=checkpoint,
        dim=model.embed_dim,
        quick_gelu=model.quick_gelu,
        vision=_usual(model.vision_cfg, EfficientNet)
        if is_timm
        else _usual(model.vision_cfg, VisionTransformer),
        text=_usual(model.text_cfg, TextTransformer) if has_usual_tokenizer else None,
        preprocess=_preprocess_spec(tables, pixels, model.vision_cfg.get("image_size", 224)),
    )


def _read(path: str) -> _Model:
    try:
        return msgspec.json.decode(read_whole(path), type=_Model)
    except (OSError, *UNDECODABLE) as error:
        raise NotBuiltError(f"{path} is not of the usual kind: {error}") from error


def _usual(config: dict[str, Any], kind: type[Kind]) -> Kind | None:
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.convert(config, kind)
    return None


def _preprocess_spec(
    tables: ModuleType, pixels: dict[str, Any], image_size: object
) -> PreprocessSpec:
    if not isinstance(image_size, int):
        raise NotBuiltError(f"its input of {image_size} pixels is not square")
    return PreprocessSpec(
        size=image_size,
        mean=tuple(pixels.get("mean", tables.OPENAI_DATASET_MEAN)),
        std=tuple(pixels.get("std", tables.OPENAI_DATASET_STD)),
        interpolation="bilinear" if pixels.get("interpolation") == "bilinear" else "bicubic",
        resize_mode=pixels.get("resize_mode", "shortest"),
    )


def _cached(repository: str) -> str:
    """Return where the hub's cache has a file, which is named as open_clip does; or nothing."""
    repo, _, name = repository.rpartition("/")
    stem, extension = os.path.splitext(name)
    if not repo or extension not in {"", ".bin", ".pth", _SAFE}:
        return ""
    path = try_to_load_from_cache(repo, f"{stem}{_SAFE}" if name else _USUAL_NAME)
    return path if isinstance(path, str) else ""
