"""Pillow, and pillow-heif below it: image files to the pixels that a model wants."""

from imgvecd.adapters.pillow.decoder import decode, examine, thumbnail

__all__ = ["decode", "examine", "thumbnail"]
