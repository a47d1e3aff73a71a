"""The trunk's late blocks, tuned for captions on the maps that its early blocks give.

A crop of a map stands in for a crop of its photo: it costs a third of the trunk, not all of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train_mini.average import Average
from tools.train_mini.heads import HeadData, Heads, class_features, class_loss
from tools.train_mini.recipe import Recipe
from tools.train_mini.vision import EARLY_STAGES

log = logging.getLogger(__name__)

LOG_EVERY_STEPS = 20
VIEW_BATCH = 64
_CLIP = 2.0


class LateBlocks(nn.Module):
    """What follows the early blocks of a trunk, up to its pooled features; shares its weights.

    Batch norms keep the statistics of ImageNet.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*trunk.blocks[EARLY_STAGES:])
        self.conv_head, self.bn2 = trunk.conv_head, trunk.bn2
        self.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, maps: Tensor) -> Tensor:
        """Return pooled features, shape (n, 1280), of maps of any size."""
        inner = self.blocks(maps.contiguous(memory_format=torch.channels_last))
        pooled: Tensor = self.bn2(self.conv_head(inner)).float().mean((2, 3))
        return pooled


def _number(below: int) -> int:
    return int(torch.randint(below, ()))


def _size(maps: Tensor, recipe: Recipe) -> tuple[int, int]:
    """Draw the size of a crop."""
    full = maps.shape[-1]
    least = round(full * recipe.least_side)
    return least + _number(full + 1 - least), least + _number(full + 1 - least)


def _cropped(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a part of one map, drawn at random, maybe mirrored."""
    height, width = size
    top, left = _number(photo.shape[1] + 1 - height), _number(photo.shape[2] + 1 - width)
    part = photo[:, top : top + height, left : left + width]
    return part.flip(2) if _number(2) else part


def _crops(maps: Tensor, rows: Tensor, recipe: Recipe) -> Tensor:
    size = _size(maps, recipe)
    return torch.stack([_cropped(maps[row], size) for row in rows.tolist()])


@torch.no_grad()
def pooled_views(late: LateBlocks, maps: Tensor, random_views: int, recipe: Recipe) -> Tensor:
    """Return features of the photos as they are, and of random crops of their maps.

    Returns: shape (1 + random_views, len(maps), 1280), float32.
    """
    views = []
    for view in range(1 + random_views):
        parts = []
        for rows in torch.arange(len(maps)).split(VIEW_BATCH):
            shown = _crops(maps, rows, recipe) if view else maps[rows]
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(late(shown))
        views.append(torch.cat(parts).float())
    return torch.stack(views)


@dataclass(frozen=True)
class _Classes:
    """What the ImageNet classifier sees in the photos before any tuning; kept on the way."""

    weight: Tensor
    bias: Tensor
    seen: Tensor

    @classmethod
    def of(cls, classifier: nn.Linear, features: Tensor) -> _Classes:
        weight, bias = classifier.weight.detach(), classifier.bias.detach()
        return cls(weight, bias, (features @ weight.T + bias).softmax(dim=1))

    def loss(self, features: Tensor, photo: Tensor) -> Tensor:
        return functional.cross_entropy(features @ self.weight.T + self.bias, self.seen[photo])


def _optimizer(late: LateBlocks, heads: Heads, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [p for p in late.parameters() if p.ndim >= 2]
    vectors = [p for p in late.parameters() if p.ndim < 2]
    rest = [p for p in heads.parameters() if p is not heads.log_scale]
    groups = [
        {"params": matrices, "lr": recipe.late_lr, "weight_decay": recipe.late_weight_decay},
        {"params": vectors, "lr": recipe.late_lr, "weight_decay": 0.0},
        {
            "params": rest,
            "lr": recipe.late_head_lr,
            "weight_decay": recipe.head_weight_decay,
        },
        {"params": [heads.log_scale], "lr": recipe.late_head_lr, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups)


def _caption_loss(
    heads: Heads, features: Tensor, data: HeadData, photo: Tensor, queue: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """Return the contrastive loss of few photos against many captions, and their embeddings.

    A batch of photos is small, for they are dear: captions of others, which are cheap, are further
    wrong answers for a photo, and the photos of the last batches (`queue`) for a caption.
    """
    others = torch.randperm(len(data.captions))[: recipe.late_captions - len(photo)]
    asked = torch.cat([photo, others])
    texts = heads.embed_sentences(
        data.captions[asked, torch.randint(data.captions.shape[1], (len(asked),))]
    )
    images, scale = heads.embed_images(features), heads.log_scale.exp()
    own = torch.arange(len(photo))
    again = asked[None] == photo[:, None]
    again[own, own] = False
    of_images = (scale * images @ texts.T).masked_fill(again, -torch.inf)
    of_texts = scale * texts[: len(photo)] @ torch.cat([images, queue]).T
    losses = functional.cross_entropy(of_images, own) + functional.cross_entropy(of_texts, own)
    return losses / 2, images.detach()


def tune(
    late: LateBlocks,
    heads: Heads,
    maps: Tensor,
    data: HeadData,
    classifier: nn.Linear,
    recipe: Recipe,
) -> None:
    """Tune the late blocks, in place, along with two heads, which are of no further use.

    Args:
        heads: trained on `data`, whose features are the untuned trunk's.
        maps: shape (photos, channels, side, side).
    """
    heads.train().requires_grad_(True)
    heads.image_dropout.p = recipe.late_dropout
    stand_ins = class_features(data, heads.features)
    classes = _Classes.of(classifier, data.features[0])
    steps = int(recipe.late_epochs * len(maps) / recipe.late_batch)
    optimizer = _optimizer(late, heads, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], steps, pct_start=0.1
    )
    average = Average(late, recipe.late_ema)
    queue, waiting = torch.empty((0, heads.image.out_features)), torch.empty(0, dtype=torch.int64)
    for step in range(1, steps + 1):
        if len(waiting) < recipe.late_batch:
            waiting = torch.randperm(len(maps))
        photo, waiting = waiting[: recipe.late_batch], waiting[recipe.late_batch :]
        features = late(_crops(maps, photo, recipe).float())
        captions, images = _caption_loss(heads, features, data, photo, queue, recipe)
        queue = torch.cat([images, queue])[: recipe.late_queue]
        kept = classes.loss(features, photo)
        named = class_loss(heads, data, stand_ins, recipe, recipe.late_classes)
        optimizer.zero_grad()
        (captions + recipe.late_keep_weight * kept + recipe.late_class_weight * named).backward()
        nn.utils.clip_grad_norm_(late.parameters(), _CLIP)
        optimizer.step()
        schedule.step()
        average.follow()
        if step % LOG_EVERY_STEPS == 0:
            log.info(
                "  late blocks: step %d / %d, captions %.3f, classes %.3f",
                step,
                steps,
                captions.item(),
                kept.item(),
            )
    late.load_state_dict(average.module.state_dict())
    late.requires_grad_(False)
