"""Unit vectors that lie as CLIP's do: a narrow cone, topics within it, bursts of near-duplicates.

Image embeddings of a real library share a large mean, a few directions carry most of the variance,
and photos taken together are much alike; texts lie outside of the cone, at cosines of 0.2 to 0.35.
"""

import numpy as np

DIM = 512
BURST = 8  # consecutive images of one moment
TOPICS = 5000


class ClusteredVectors:
    """A reproducible library; the same seed gives the same vectors and queries."""

    def __init__(self, seed=7):
        rng = np.random.default_rng(seed)
        self._seed = seed
        self._spectrum = (np.arange(1, DIM + 1) ** -0.35).astype(np.float32)
        self._mean = self._direction(rng, 1)[0] * 1.2
        self._topics = self._direction(rng, TOPICS)

    def images(self, start, count):
        """Return rows start to start + count, float16; `start` is a multiple of `BURST`."""
        rng = np.random.default_rng((self._seed, 1, start))
        bursts = -(-count // BURST)
        # topics come in power-law numbers, as a family's do
        topic = (TOPICS * rng.random(bursts) ** 2).astype(int)
        moments = self._mean + self._topics[topic] * 0.8 + self._direction(rng, bursts) * 0.7
        rows = np.repeat(moments, BURST, axis=0)[:count]
        rows = rows + self._direction(rng, count) * 0.35
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    def queries(self, count):
        """Return `count` queries, float32: half texts across the modality gap, half images."""
        rng = np.random.default_rng((self._seed, 2))
        topic = (TOPICS * rng.random(count) ** 2).astype(int)
        rows = self._mean + self._topics[topic] * 0.8 + self._direction(rng, count) * 0.7
        texts = count // 2
        gap = self._direction(rng, 1) * 2.5
        rows[:texts] = rows[:texts] * 0.6 + gap + self._direction(rng, texts) * 0.8
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _direction(self, rng, count):
        rows = rng.standard_normal((count, DIM), dtype=np.float32) * self._spectrum
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
