"""Hidden units of the image head that fire on what the ImageNet classifier recognises.

A linear head cannot keep a thousand classes apart and say what a caption says too. A unit that is
silent until the classifier is sure of a class can add the class's meaning, the vector of its name,
to an embedding, as in ConSE (Norouzi et al. 2014).
"""

from __future__ import annotations

import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor, nn
from torch.nn import functional

# The classifier knows 118 breeds of dog; a search asks for a dog. Their units are merged first.
_DOGS = slice(151, 269)
_DOG_CLOSENESS = 0.6


def group_classes(weights: Tensor, meanings: Tensor, groups: int) -> Tensor:
    """Merge classes that look alike and mean alike until so many groups are left.

    Args:
        weights: shape (1000, 1280), the classifier's.
        meanings: shape (1000, d), embeddings of the classes' texts.
    Returns: shape (1000,), int64: the group of each class.
    """
    looks = functional.normalize(weights - weights.mean(dim=0), dim=1)
    means = functional.normalize(meanings - meanings.mean(dim=0), dim=1)
    both = torch.cat([looks, means], dim=1)
    distance = torch.cdist(both, both)
    distance[_DOGS, _DOGS] *= _DOG_CLOSENESS
    above = torch.triu_indices(len(both), len(both), offset=1)
    tree = linkage(distance[above[0], above[1]].double().numpy(), "average")
    return torch.from_numpy(fcluster(tree, groups, "maxclust")).long() - 1


def mean_of_groups(rows: Tensor, group: Tensor) -> Tensor:
    """Return the mean of the rows of each group, shape (groups, d)."""
    count = torch.bincount(group)
    total = rows.new_zeros((len(count), rows.shape[1])).index_add(0, group, rows)
    return total / count[:, None]


class ClassUnits(nn.Module):
    """The units' weights; fixed, no parameters.

    Attributes:
        weight, bias: shape (groups, 1280) and (groups,): of what goes into GELU.
        group: shape (1000,), int64: the group of each class.
    """

    weight: Tensor
    bias: Tensor
    group: Tensor

    def __init__(self, classifier: nn.Linear, group: Tensor, threshold: float) -> None:
        super().__init__()
        weights, biases = classifier.weight.detach(), classifier.bias.detach()
        # The sum of n like probabilities is n times one: half of log n, since they are not alike.
        more = torch.bincount(group).float().log() / 2
        self.register_buffer("weight", mean_of_groups(weights, group))
        bias = mean_of_groups(biases[:, None], group)[:, 0] + more - threshold
        self.register_buffer("bias", bias)
        self.register_buffer("group", group)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return how far each unit fires at pooled features, shape (n, groups)."""
        return functional.gelu(features @ self.weight.T + self.bias)

    def for_classes(self, classes: Tensor, height: float) -> Tensor:
        """Return what photos of these classes would make fire: their own units, so high."""
        return height * functional.one_hot(self.group[classes], len(self)).float()
