"""Losses and the retrieval measure; every embedding here is a row of unit length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive(
    images: Tensor, texts: Tensor, scale: Tensor | float, target: Tensor | None = None
) -> Tensor:
    """Return the symmetric InfoNCE loss (CLIP, Radford et al. 2021) of n pairs.

    Args:
        images, texts: shape (n, dim); row i of one belongs to row i of the other.
        scale: the inverse temperature.
        target: shape (n, n), symmetric, rows summing to 1; default: the identity.
    """
    logits = scale * images @ texts.T
    if target is None:
        target = torch.eye(len(logits))
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def shared_target(labels: Tensor) -> Tensor:
    """Return the target that spreads each row evenly over the rows of its own label.

    Args:
        labels: shape (n,), integer.
    Returns: shape (n, n), float32.
    """
    same = (labels[:, None] == labels[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def ranking_divergence(texts: Tensor, wanted: Tensor, images: Tensor, scale: float) -> Tensor:
    """Return the mean KL divergence between how two embeddings of each text rank some images.

    Args:
        texts, wanted: shape (n, dim); the student's and the teacher's embeddings.
        images: shape (m, dim).
        scale: the inverse temperature of both rankings.
    """
    ranking = functional.log_softmax(scale * texts @ images.T, dim=1)
    wanted_ranking = functional.log_softmax(scale * wanted @ images.T, dim=1)
    return functional.kl_div(ranking, wanted_ranking, log_target=True, reduction="batchmean")


def recalls(images: Tensor, texts: Tensor, owner: Tensor) -> dict[int, float]:
    """Return text-to-image recall at 1, 5 and 10, in percent.

    Args:
        images: shape (n_images, dim).
        texts: shape (n_texts, dim).
        owner: shape (n_texts,), int64; the image that each text describes.
    """
    scores = texts @ images.T
    own = scores.gather(1, owner[:, None])
    rank = (scores > own).sum(dim=1)
    return {k: 100 * (rank < k).float().mean().item() for k in (1, 5, 10)}
