"""The parts of a transformer in numpy: forward only, float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.types import Float32Array

Activation = Callable[[Float32Array], Float32Array]

# Abramowitz and Stegun 7.1.26: erf to 1.5e-7, as exact as float32
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_ERF_P = 0.3275911
_QUICK = 1.702
_CACHED = 1 << 14  # numbers: 64 kB, a part of the fast cache of a core


@dataclass(frozen=True, slots=True)
class Linear:
    """`weight`: shape (out, in)."""

    weight: Float32Array
    bias: Float32Array

    def __call__(self, x: Float32Array) -> Float32Array:
        """Return shape (n, out)."""
        rows = x @ self.weight.T
        rows += self.bias
        return rows


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation."""

    weight: Float32Array
    bias: Float32Array
    epsilon: float

    def __call__(self, x: Float32Array) -> Float32Array:
        """Return the same shape."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        return np.asarray(
            centred / np.sqrt(variance + np.float32(self.epsilon)) * self.weight + self.bias
        )


@dataclass(frozen=True, slots=True)
class EqualTexts:
    """Texts of one length, in tokens."""

    texts: int
    length: int

    @property
    def mask(self) -> Float32Array:
        """Added before the softmax: attention looks back only."""
        return np.triu(np.full((self.length, self.length), -np.inf, np.float32), 1)


@dataclass(frozen=True, slots=True)
class Block:
    """A residual attention block: attention, then two layers, each with a norm before it."""

    norm: Norm
    attend_in: Linear
    attend_out: Linear
    second_norm: Norm
    expand: Linear
    shrink: Linear
    activation: Activation
    heads: int

    def __call__(self, x: Float32Array, groups: Sequence[EqualTexts]) -> Float32Array:
        """Return the same shape as `x`: (tokens of all texts, width).

        Args:
            groups: texts of one length each, in the order of `x`.
        """
        x = x + self.attend_out(self._attention(self.attend_in(self.norm(x)), groups))
        return x + self.shrink(self.activation(self.expand(self.second_norm(x))))

    def _attention(self, joined: Float32Array, groups: Sequence[EqualTexts]) -> Float32Array:
        lengths = [group.texts * group.length for group in groups]
        parts = np.split(joined, np.cumsum(lengths)[:-1])
        return np.concatenate([self._attended(*pair) for pair in zip(parts, groups, strict=True)])

    def _attended(self, joined: Float32Array, group: EqualTexts) -> Float32Array:
        width = joined.shape[1] // 3
        apart = joined.reshape(group.texts, group.length, 3, self.heads, width // self.heads)
        queries, keys, values = apart.transpose(2, 0, 3, 1, 4)
        scores = queries @ keys.swapaxes(-1, -2) / np.float32(math.sqrt(width // self.heads))
        scores += group.mask
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ values).transpose(0, 2, 1, 3).reshape(-1, width))


def gelu(x: Float32Array) -> Float32Array:
    """Return x · Φ(x), a part at a time, so that what lies in between stays in the cache."""
    rows = max(1, _CACHED // x.shape[-1])
    return np.concatenate([_gelu(x[start : start + rows]) for start in range(0, len(x), rows)])


def _gelu(x: Float32Array) -> Float32Array:
    size = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(_ERF_P) * size)
    series = np.zeros_like(t)
    for factor in _ERF:
        series = (series + np.float32(factor)) * t
    erf = np.copysign(1 - series * np.exp(-np.square(size)), x)
    return np.asarray(x * (1 + erf) / 2)


def quick_gelu(x: Float32Array) -> Float32Array:
    """Return OpenAI's approximation of `gelu`, which their models were trained with."""
    with np.errstate(over="ignore"):  # of a far negative x, which becomes 0
        return np.asarray(x / (1 + np.exp(np.float32(-_QUICK) * x)))
