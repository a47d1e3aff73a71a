"""Pillow, and pillow-heif below it: image files to the pixels that a model wants."""

from imgvecd.adapters.pillow.decoder import decode, thumbnail

__all__ = ["decode", "thumbnail"]
