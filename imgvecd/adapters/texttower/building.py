"""Builds a kept text tower from a checkpoint, without torch."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
import numpy as np

from imgvecd.adapters.checkpoint import TextTransformer, Weights, read_architecture, read_merges
from imgvecd.adapters.texttower.tower import (
    PARTS,
    Arrays,
    Facts,
    TextTower,
    checksum,
    kept,
    write,
)
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import NotBuiltError
from imgvecd.types import ModelInfo

logger = logging.getLogger(__name__)

_EPSILON = 1e-5  # of torch's layer normalisation


def build(
    choice: ModelChoice, path: str, on_known: Callable[[ModelInfo], None] = lambda _: None
) -> TextTower:
    """Return the text tower, which the file holds from now on, unless that cannot be written.

    Args:
        on_known: told what the model is as soon as its weights have shown to fit.

    Raises:
        NotBuiltError: the checkpoint is not on this machine, or the tower is of an unusual kind.
    """
    architecture = read_architecture(choice)
    text = architecture.text
    if text is None:
        raise NotBuiltError(f"the text tower of {choice.name} is of an unusual kind")
    weights = Weights(architecture.checkpoint)
    merges = np.frombuffer(read_merges().encode(), np.uint8)
    exact = {**_arrays(text, architecture.dim, weights), "merges": merges}
    weights.require_all_taken(*PARTS)
    info = architecture.info(choice)
    on_known(info)
    facts = Facts(
        info=info,
        heads=text.heads,
        context=text.context_length,
        quick=architecture.quick_gelu,
        epsilon=_EPSILON,
        crc32=0,
    )
    sample = TextTower(exact, facts).sample
    arrays = {**kept(exact), "sample": sample}
    facts = msgspec.structs.replace(facts, crc32=checksum(arrays))
    tower = TextTower(arrays, facts)
    tower.require_like(sample)
    try:
        write(arrays, facts, path)
    except OSError as error:
        logger.warning("the text tower of %s is not kept: %s", choice.name, error)
    return tower


def _arrays(text: TextTransformer, dim: int, weights: Weights) -> Arrays:
    width, inner = text.width, int(text.width * text.mlp_ratio)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (text.vocab_size, width),
        "positional_embedding": (text.context_length, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
        "text_projection": (width, dim),
    }
    block = {
        "ln_1.weight": (width,),
        "ln_1.bias": (width,),
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "ln_2.weight": (width,),
        "ln_2.bias": (width,),
        "mlp.c_fc.weight": (inner, width),
        "mlp.c_fc.bias": (inner,),
        "mlp.c_proj.weight": (width, inner),
        "mlp.c_proj.bias": (width,),
    }
    for i in range(text.layers):
        shapes |= {f"transformer.resblocks.{i}.{name}": shape for name, shape in block.items()}
    return {name: weights.take(name, *shape) for name, shape in shapes.items()}
