"""From a file that waits to an embedding in the catalog, in two stages that share no state.

`Reader`: pending files → hash → known or new content. `Embedder`: contents without an embedding →
decode → batch → encode → commit. Both queues are rows of the catalog: memory stays flat however
much waits, and a restart goes on where the last run stopped.
"""

from imgvecd.core.indexing.embedder import Embedder
from imgvecd.core.indexing.reader import Reader

__all__ = ["Embedder", "Reader"]
