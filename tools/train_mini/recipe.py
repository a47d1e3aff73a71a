"""Every number of the training recipe, in one place.

Percentages are recall@10 of the heads on 1,000 photos that training never saw.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Settings of all stages. Steps are optimiser steps, batches are rows per step."""

    # Features: the photo as it is, and this many random crops of it. Four views instead of one
    # raised recall@10 by 2 points.
    random_views: int = 3
    min_crop_area: float = 0.4

    # Heads: 6,000 photos overfit within 150 steps unless most of the features are dropped
    # (recall@10 with dropout 0.1: 62.5 % after 240 steps; after 400, 0.6: 66.1 %, 0.75: 65.5 %).
    head_steps: int = 400
    head_batch: int = 1024
    head_lr: float = 1e-3
    head_weight_decay: float = 0.1
    head_dropout: float = 0.6
    text_head_width: int = 1024
    text_head_dropout: float = 0.2
    start_scale: float = 20.0
    ema_decay: float = 0.99

    # Class vectors as images of their class: this is where words that no caption uses come from.
    # The weight trades caption recall@10 (0.2: 65.8 %, 0.6: 64.9 % after 300 steps) for vocabulary
    # ("rocket" from rank 8 to rank 3 of 203 photos).
    class_batch: int = 512
    class_weight: float = 0.7
    class_noise: float = 0.5

    # Distillation of the text tower: five rounds over its texts, mostly on the cosine; the ranking
    # of photos is a correction.
    distil_steps: int = 1800
    distil_batch: int = 512
    distil_lr: float = 1.5e-3
    distil_weight_decay: float = 0.01
    bank_size: int = 1024
    bank_weight: float = 0.1

    # The joint space of the shipped model: class units and free ones fill open_clip's hidden layer
    # of twice as many units as dimensions. The class units' share of an embedding trades captions
    # for breadth: none is the first edition; 0.7 lost 1.6 points of recall@10 at once, and with
    # training half of that.
    dim: int = 512
    free_units: int = 192
    class_threshold: float = 3.0
    class_share: float = 0.45
    space_steps: int = 250
    space_batch: int = 512
    space_classes: int = 256
    space_lr: float = 1e-3
    space_dropout: float = 0.6
    space_class_dropout: float = 0.1
    space_text_dropout: float = 0.1
    space_length_weight: float = 0.5
    space_class_weight: float = 0.3
    space_name_weight: float = 0.2
    space_ema: float = 0.98
