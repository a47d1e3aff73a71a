"""Pillow, and pillow-heif below it: image files to the pixels that a model wants."""

from imgvecd.adapters.pillow.decoder import decode, examine, pixels, thumbnail
from imgvecd.adapters.pillow.preloading import preload

__all__ = ["decode", "examine", "pixels", "preload", "thumbnail"]
