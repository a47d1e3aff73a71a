"""The discrete cosine transform of JPEG's blocks: `WAVES @ block @ WAVES.T`, and back.

ITU-T T.81, A.3.3.
"""

import numpy as np

BLOCK = 8
"""Side of a block in pixels."""

_PLACE = np.arange(BLOCK)
WAVES = (np.cos(np.pi * _PLACE[:, None] * (_PLACE + 0.5) / BLOCK) / 2).astype(np.float32)
"""Shape (frequencies, pixels), float32, orthonormal."""
WAVES[0] /= np.sqrt(2)
