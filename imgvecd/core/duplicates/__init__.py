"""Duplicates: pictures that are in the library more than once, and what to do about them.

Embeddings and looks find candidates without comparing each with each, looks and pixels confirm
them. Nothing is ever deleted here.
"""

from imgvecd.core.duplicates.finder import DuplicateFinder

__all__ = ["DuplicateFinder"]
