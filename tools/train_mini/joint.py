"""Last stage: the joint space learns from photos and from classes, over a text tower held still.

What keeps it from learning 6,000 photos by heart: dropout on the features, crops, class units that
do not change, and a running average.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train_mini.average import Average
from tools.train_mini.losses import contrastive, shared_target
from tools.train_mini.recipe import Recipe
from tools.train_mini.space import Space

log = logging.getLogger(__name__)

LOG_EVERY_STEPS = 20
_CLIP = 5.0
# How high a class unit stands in a photo of that class, and how much of another photo is with it.
_FIRED, _SURROUNDINGS = 4.0, 0.5


@dataclass(frozen=True)
class JointData:
    """What the space is learned from; `readings` are what the text tower's last norm gives.

    Attributes:
        features: shape (views, photos, 1280), float32.
        captions: shape (photos, 5, width), float32: readings.
        class_texts: shape (n, width), float32: readings.
        class_of_text: shape (n,), int64.
    """

    features: Tensor
    captions: Tensor
    class_texts: Tensor
    class_of_text: Tensor


def _loss(space: Space, data: JointData, recipe: Recipe) -> Tensor:
    views, count = data.features.shape[:2]
    photo = torch.randperm(count)[: recipe.space_batch]
    view = torch.randint(views, (len(photo),))
    caption = torch.randint(data.captions.shape[1], (len(photo),))
    drawn = torch.randint(len(data.class_of_text), (recipe.space_classes,))
    of_photos = space.embed_texts(data.captions[photo, caption])
    of_classes, scale = space.embed_texts(data.class_texts[drawn]), space.log_scale.exp()

    features = data.features[view, photo]
    free = space.free_part(space.features(features))
    images = functional.normalize(free + space.class_part(space.units(features)), dim=1)
    # Free units that grew would drown the class units.
    length = (free.norm(dim=1) - 1).square().mean()
    caption_loss = contrastive(images, of_photos, scale) + recipe.space_length_weight * length

    classes = data.class_of_text[drawn]
    around = space.units(data.features[0, torch.randint(count, (len(drawn),))])
    fired = space.units.for_classes(classes, _FIRED) + _SURROUNDINGS * around
    shown = functional.normalize(space.class_part(fired), dim=1)
    named = functional.cross_entropy(
        scale * of_classes @ space.vectors.T, space.units.group[classes]
    )
    class_loss = contrastive(shown, of_classes, scale, shared_target(classes))

    return caption_loss + recipe.space_class_weight * class_loss + recipe.space_name_weight * named


def _optimizer(space: Space, recipe: Recipe) -> torch.optim.Optimizer:
    still = [space.text_shift, space.log_scale]
    rest = [p for p in space.parameters() if all(p is not other for other in still)]
    groups = [
        {"params": rest, "weight_decay": recipe.head_weight_decay},
        {"params": still, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.space_lr)


def learn_space(space: Space, data: JointData, recipe: Recipe) -> Space:
    """Return the space learned over a text tower that is held still."""
    optimizer = _optimizer(space, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.space_lr, total_steps=recipe.space_steps, pct_start=0.1
    )
    average = Average(space, recipe.space_ema)
    for step in range(1, recipe.space_steps + 1):
        space.name_units(data.class_texts, data.class_of_text)
        loss = _loss(space, data, recipe)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(space.parameters(), _CLIP)
        optimizer.step()
        schedule.step()
        average.follow()
        if step % LOG_EVERY_STEPS == 0:
            log.info("  space: step %d / %d, loss %.3f", step, recipe.space_steps, loss.item())
    average.module.name_units(data.class_texts, data.class_of_text)
    return average.module.eval()
