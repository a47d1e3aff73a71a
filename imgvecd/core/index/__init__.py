"""The vector index: a sealed base, a delta of what came since, and what of both is removed.

Knows neither Faiss nor SQLite; segments come from a `SegmentFactory`, vectors from the catalog.
"""

from imgvecd.core.index.model_index import LibraryIndex
from imgvecd.core.index.segments import Segment, SegmentFactory

__all__ = ["LibraryIndex", "Segment", "SegmentFactory"]
