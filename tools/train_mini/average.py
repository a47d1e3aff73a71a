"""The running average of weights in training."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


class Average(Generic[Kind]):
    """The running average of a module's trained weights, which generalises better than the last.

    Attributes:
        module: a copy that holds the average; what is not trained stays as it was.
    """

    def __init__(self, module: Kind, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False)
        both = zip(self.module.parameters(), module.parameters(), strict=True)
        self._pairs = [(slow, fast) for slow, fast in both if fast.requires_grad]
        self._decay, self._steps = decay, 0

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights as they are now; a young average follows quickly."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 10))
        for slow, fast in self._pairs:
            slow.lerp_(fast, 1 - decay)
