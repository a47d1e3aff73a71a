"""Second stage: teach the small text tower to land where the teacher and its head do."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tools.train_mini.losses import ranking_divergence
from tools.train_mini.recipe import Recipe
from tools.train_mini.student import encode_texts

log = logging.getLogger(__name__)

# Batches are cut from pools sorted by length, so that little of a batch is padding.
POOL_BATCHES = 16
LOG_EVERY_STEPS = 100


def _batches(tokens: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Yield row numbers for ever: every text once per round, texts of like length together."""
    lengths = tokens.argmax(dim=1)
    shuffle = random.Random(seed)
    while True:
        batches: list[Tensor] = []
        for pool in torch.randperm(len(tokens)).split(size * POOL_BATCHES):
            batches += pool[lengths[pool].argsort()].split(size)
        shuffle.shuffle(batches)
        yield from batches


def _optimizer(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": recipe.distil_weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.distil_lr, betas=(0.9, 0.98), fused=True)


def distil(
    model: nn.Module, tokens: Tensor, wanted: Tensor, images: Tensor, recipe: Recipe, seed: int
) -> None:
    """Train the text tower of `model` in place, on cosine and on how it ranks photos.

    Args:
        tokens: shape (n, context_length), integer.
        wanted: shape (n, dim), float32, unit rows: the teacher's embeddings in the joint space.
        images: shape (m, dim), float32, unit rows: embeddings of the training photos.
    """
    parameters = [
        parameter
        for name, parameter in model.named_parameters()
        if not name.startswith("visual.") and name != "logit_scale"
    ]
    optimizer = _optimizer(parameters, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.distil_lr, total_steps=recipe.distil_steps, pct_start=0.05
    )
    batches = _batches(tokens, recipe.distil_batch, seed)
    for step in range(1, recipe.distil_steps + 1):
        rows = next(batches)
        texts = encode_texts(model, tokens[rows])
        bank = images[torch.randint(len(images), (recipe.bank_size,))]
        away = (1 - (texts * wanted[rows]).sum(dim=1)).mean()
        ranking = ranking_divergence(texts, wanted[rows], bank, recipe.start_scale)
        optimizer.zero_grad()
        (away + recipe.bank_weight * ranking).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % LOG_EVERY_STEPS == 0:
            log.info(
                "  distil: step %d / %d, 1 - cosine %.4f, ranking %.4f",
                step,
                recipe.distil_steps,
                away.item(),
                ranking.item(),
            )
