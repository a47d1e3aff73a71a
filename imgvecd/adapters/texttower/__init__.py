"""A CLIP model's text tower without torch: texts to embeddings within a second of starting."""

from imgvecd.adapters.texttower.tower import (
    PARTS,
    SAMPLE,
    Arrays,
    Facts,
    TextTower,
    checksum,
    kept,
    write,
)

__all__ = ["PARTS", "SAMPLE", "Arrays", "Facts", "TextTower", "checksum", "kept", "write"]
