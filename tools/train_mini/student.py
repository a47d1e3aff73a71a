"""The model itself: open_clip's CLIP from the shipped config, and its text tower in training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torch.nn import functional

MODEL_NAME = "imgvecd-mini"
# Spread of a token vector's entries: as open_clip initialises its other tokens (0.02), three times
# larger, since these ones already carry the word's meaning.
WORD_INIT_STD = 0.06
TOKENIZE_BATCH = 4096
READ_BATCH = 512


def create_model(config_dir: Path) -> nn.Module:
    """Return the untrained model described by `imgvecd-mini.json` in `config_dir`."""
    open_clip.add_model_config(config_dir)
    return open_clip.create_model(MODEL_NAME)


def tokenize(tokenizer: SimpleTokenizer, texts: list[str]) -> Tensor:
    """Return token ids, shape (len(texts), context_length), int32."""
    return torch.cat(
        [
            tokenizer(texts[i : i + TOKENIZE_BATCH]).int()
            for i in range(0, len(texts), TOKENIZE_BATCH)
        ]
    )


def read_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """Return what the text tower's last norm gives at the end of each text, before the projection.

    The tower is causal and reads at the end token, so the common padding is skipped.

    Args:
        tokens: shape (n, context_length), integer.
    Returns: shape (n, width), float32.
    """
    end = tokens.argmax(dim=1)
    length = int(end.max()) + 1
    x = model.token_embedding(tokens[:, :length].long()) + model.positional_embedding[:length]
    with torch.autocast("cpu", torch.bfloat16):
        x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    readings: Tensor = model.ln_final(x.float()[torch.arange(len(end)), end])
    return readings


def encode_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """Return unit text embeddings as `model.encode_text` would, shape (n, dim), float32."""
    return functional.normalize(read_texts(model, tokens) @ model.text_projection, dim=1)


@torch.no_grad()
def read_all(model: nn.Module, tokens: Tensor) -> Tensor:
    """Return `read_texts` of many texts, those of like length together."""
    readings = torch.empty((len(tokens), model.ln_final.weight.shape[0]))
    for rows in tokens.argmax(dim=1).argsort().split(READ_BATCH):
        readings[rows] = read_texts(model, tokens[rows])
    return readings


def give_projection(model: nn.Module, dim: int) -> None:
    """Give the text tower another, untrained projection, into so many dimensions."""
    width = model.text_projection.shape[0]
    model.text_projection = nn.Parameter(torch.randn(width, dim) * width**-0.5)


def start_token_embedding(model: nn.Module, words: Mapping[int, str], vectors: Tensor) -> None:
    """Give whole-word tokens their teacher embedding, projected on its main axes.

    Args:
        words: text of each word token, by token id.
        vectors: shape (len(words), 384), float32, in the order of `words`.
    """
    width = model.token_embedding.weight.shape[1]
    centred = vectors - vectors.mean(dim=0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:width]
    start = centred @ axes.T
    with torch.no_grad():
        model.token_embedding.weight[list(words)] = start * (WORD_INIT_STD / start.std())
