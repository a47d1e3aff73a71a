"""Pictures drawn for tests of duplicates."""

import numpy as np
from PIL import Image


def like_a_photo(side=256):
    """Return a picture with the structure of a photo: ever weaker, ever finer noise in colour."""
    random = np.random.default_rng(3)
    layers = [
        Image.fromarray(
            np.clip(128 + weight * random.standard_normal((size, size, 3)), 0, 255).astype(np.uint8)
        ).resize((side, side), Image.Resampling.BICUBIC)
        for size, weight in ((4, 60), (16, 40), (64, 25), (side, 8))
    ]
    mixed = np.mean([np.asarray(layer, np.float32) for layer in layers], axis=0)
    return Image.fromarray(np.clip(128 + 2.4 * (mixed - 128), 0, 255).astype(np.uint8))
