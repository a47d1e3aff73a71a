"""Heads that project photo features and teacher sentences, or the text tower, into one space."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train_mini.average import Average
from tools.train_mini.losses import contrastive, shared_target
from tools.train_mini.recipe import Recipe
from tools.train_mini.teacher import TEACHER_DIM
from tools.train_mini.vision import FEATURE_DIM

log = logging.getLogger(__name__)

EMBED_DIM = 256
# Keeps a feature that never fires from being blown up by its own tiny spread.
STD_FLOOR = 1e-3
LOG_EVERY_STEPS = 50


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of a set of vectors, each of shape (dim,), float32."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Standard:
        """Measure rows of shape (n, dim)."""
        return cls(rows.mean(dim=0), rows.std(dim=0) + STD_FLOOR)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the rows with mean 0 and spread 1 in each dimension."""
        return (rows - self.mean) / self.std


@dataclass(frozen=True)
class HeadData:
    """What the heads learn from.

    Attributes:
        features: shape (views, photos, 1280), float32.
        captions: shape (photos, 5, 384), float32, teacher embeddings.
        class_vectors: shape (1000, 1280), float32, the ImageNet classifier's weights.
        class_texts: shape (n, 384), float32, teacher embeddings of names and definitions.
        class_of_text: shape (n,), int64.
    """

    features: Tensor
    captions: Tensor
    class_vectors: Tensor
    class_texts: Tensor
    class_of_text: Tensor


class Heads(nn.Module):
    """The two projections; both return unit rows of shape (n, 256)."""

    def __init__(self, features: Standard, sentences: Standard, recipe: Recipe) -> None:
        super().__init__()
        self.features, self.sentences = features, sentences
        self.image = nn.Linear(FEATURE_DIM, EMBED_DIM)
        self.image_dropout = nn.Dropout(recipe.head_dropout)
        self.text = nn.Sequential(
            nn.Linear(TEACHER_DIM, recipe.text_head_width),
            nn.GELU(),
            nn.Dropout(recipe.text_head_dropout),
            nn.Linear(recipe.text_head_width, EMBED_DIM),
        )
        self.log_scale = nn.Parameter(torch.tensor(recipe.start_scale).log())

    def embed_standard_features(self, features: Tensor) -> Tensor:
        """Embed features that are already standardised, shape (n, 1280)."""
        return functional.normalize(self.image(self.image_dropout(features)), dim=1)

    def embed_images(self, features: Tensor) -> Tensor:
        """Embed pooled features, shape (n, 1280)."""
        return self.embed_standard_features(self.features(features))

    def embed_sentences(self, sentences: Tensor) -> Tensor:
        """Embed teacher sentences, shape (n, 384)."""
        return functional.normalize(self.text(self.sentences(sentences)), dim=1)


def class_features(data: HeadData, standard: Standard) -> Tensor:
    """Return standardised stand-in features of each ImageNet class, shape (1000, 1280).

    A class vector points where its class's features lie; it is given their usual length.
    """
    directions = functional.normalize(Standard.of(data.class_vectors)(data.class_vectors), dim=1)
    return directions * standard(data.features[0]).norm(dim=1).mean()


def _caption_loss(heads: Heads, data: HeadData, recipe: Recipe) -> Tensor:
    views, photos = data.features.shape[:2]
    photo = torch.randperm(photos)[: recipe.head_batch]
    view = torch.randint(views, (len(photo),))
    caption = torch.randint(data.captions.shape[1], (len(photo),))
    images = heads.embed_images(data.features[view, photo])
    texts = heads.embed_sentences(data.captions[photo, caption])
    return contrastive(images, texts, heads.log_scale.exp())


def class_loss(
    heads: Heads, data: HeadData, stand_ins: Tensor, recipe: Recipe, count: int
) -> Tensor:
    """Return the contrastive loss of so many class vectors (`stand_ins`) and their texts."""
    drawn = torch.randint(len(data.class_of_text), (count,))
    classes = data.class_of_text[drawn]
    noise = recipe.class_noise * torch.randn(len(drawn), FEATURE_DIM)
    images = heads.embed_standard_features(stand_ins[classes] + noise)
    texts = heads.embed_sentences(data.class_texts[drawn])
    return contrastive(images, texts, heads.log_scale.exp(), shared_target(classes))


def _optimizer(heads: Heads, recipe: Recipe) -> torch.optim.Optimizer:
    scale = [heads.log_scale]
    rest = [p for p in heads.parameters() if p is not heads.log_scale]
    groups = [
        {"params": rest, "weight_decay": recipe.head_weight_decay},
        {"params": scale, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.head_lr)


def train_heads(data: HeadData, recipe: Recipe, steps: int) -> Heads:
    """Train both heads together; the result holds the running average of their weights."""
    sentences = Standard.of(data.captions.flatten(0, 1))
    heads = Heads(Standard.of(data.features[0]), sentences, recipe)
    stand_ins = class_features(data, heads.features)
    optimizer = _optimizer(heads, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.head_lr, total_steps=steps, pct_start=0.1
    )
    average = Average(heads, recipe.ema_decay)
    for step in range(1, steps + 1):
        of_captions = _caption_loss(heads, data, recipe)
        of_classes = class_loss(heads, data, stand_ins, recipe, recipe.class_batch)
        optimizer.zero_grad()
        (of_captions + recipe.class_weight * of_classes).backward()
        optimizer.step()
        schedule.step()
        average.follow()
        if step % LOG_EVERY_STEPS == 0:
            log.info(
                "  heads: step %d / %d, caption loss %.3f, class loss %.3f",
                step,
                steps,
                of_captions.item(),
                of_classes.item(),
            )
    return average.module.eval()


def fit_image_head(features: Tensor, captions: Tensor, recipe: Recipe) -> nn.Linear:
    """Return a linear image head, of standard features, that meets the texts as they lie.

    Args:
        features: shape (views, photos, 1280), float32.
        captions: shape (photos, 5, 256), float32, unit rows: the text tower's.
    """
    standard, head = Standard.of(features[0]), nn.Linear(FEATURE_DIM, EMBED_DIM)
    log_scale = nn.Parameter(torch.tensor(recipe.start_scale).log())
    optimizer = torch.optim.AdamW(
        [*head.parameters(), log_scale], recipe.head_lr, weight_decay=recipe.head_weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.head_lr, total_steps=recipe.fit_steps
    )
    for _ in range(recipe.fit_steps):
        photo = torch.randperm(len(captions))[: recipe.head_batch]
        shown = standard(features[torch.randint(len(features), (len(photo),)), photo])
        dropped = functional.dropout(shown, recipe.head_dropout)
        images = functional.normalize(head(dropped), dim=1)
        texts = captions[photo, torch.randint(captions.shape[1], (len(photo),))]
        loss = contrastive(images, texts, log_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.requires_grad_(False)
