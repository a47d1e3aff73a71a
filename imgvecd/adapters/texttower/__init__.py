"""A CLIP model's text tower without torch: texts to embeddings within a second of starting."""

from imgvecd.adapters.texttower.tower import SAMPLE, Arrays, Facts, TextTower, checksum, packed

__all__ = ["SAMPLE", "Arrays", "Facts", "TextTower", "checksum", "packed"]
