"""Takes the text tower out of a loaded model, for `adapters.texttower`."""

from __future__ import annotations

import logging
from typing import Any, TypeAlias

import numpy as np
import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import LayerNorm, QuickGELU, ResidualAttentionBlock
from torch import nn

from imgvecd.adapters import texttower
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError
from imgvecd.types import Float32Array, ModelInfo, PreprocessSpec

logger = logging.getLogger(__name__)

Foreign: TypeAlias = Any  # open_clip's classes, which have no types

# what tokenizers treat differently: case, punctuation, accents, entities, broken encodings, length
_CASES = [
    texttower.SAMPLE,
    "Two DOGS, running; it's 7:30 &amp; rainy!",
    "Café in Zürich – ãƒ¢ 東京 🏖️ naÃ¯ve",
    " ".join(["a red bicycle against a wall"] * 30),
]
_SAME = 0.9999  # cosine


def keep(
    model: Foreign, tokenizer: Foreign, choice: ModelChoice, spec: PreprocessSpec, path: str
) -> None:
    """Write the text tower of a model (fp32, on the CPU) to `path`, if it is of the usual kind.

    It is compared with the model before. Where this comes to nothing, texts go on to be encoded by
    the whole model, which takes longer to load.
    """
    if not _is_usual(model, tokenizer):
        logger.debug("the text tower of %s is not of the usual kind", choice.name)
        return
    with torch.inference_mode():
        expected = model.encode_text(tokenizer(_CASES), normalize=True).numpy()
    dim = expected.shape[1]
    info = ModelInfo(choice.fingerprint, choice.name, choice.pretrained, dim, spec)
    try:
        arrays, facts = _taken_out(model, tokenizer, info, expected[0])
        tower = texttower.TextTower(arrays, facts)
        cosine = likeness(tower.encode_texts(_CASES), expected)
        if not cosine > _SAME:
            raise ModelError(f"cosine {cosine:.5f} to the model")  # noqa: TRY301  # told below
        texttower.write(arrays, facts, path)
    except (ModelError, OSError) as error:
        logger.warning("the text tower of %s is not kept: %s", choice.name, error)


def _is_usual(model: Foreign, tokenizer: Foreign) -> bool:
    """Return whether it is built like the first CLIPs: causal, the end stands for the text."""
    return (
        type(model) is open_clip.CLIP
        and model.text_pool_type == "argmax"
        and model.attn_mask is not None
        and isinstance(model.text_projection, nn.Parameter)
        and isinstance(model.ln_final, LayerNorm)
        and all(type(block) is ResidualAttentionBlock for block in model.transformer.resblocks)
        and type(tokenizer) is SimpleTokenizer
        and tokenizer.reduction_fn is None
    )


def _taken_out(
    model: Foreign, tokenizer: Foreign, info: ModelInfo, sample: Float32Array
) -> tuple[texttower.Arrays, texttower.Facts]:
    weights = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if name.startswith(texttower.PARTS)
    }
    merges = "\n".join(map(" ".join, tokenizer.bpe_ranks)).encode()
    plain = {**weights, "merges": np.frombuffer(merges, np.uint8)}
    arrays = {**texttower.kept(plain), "sample": sample}
    block = model.transformer.resblocks[0]
    return arrays, texttower.Facts(
        info=info,
        heads=block.attn.num_heads,
        context=model.context_length,
        quick=isinstance(block.mlp.gelu, QuickGELU),
        epsilon=block.ln_1.eps,
        crc32=texttower.checksum(arrays),
    )
