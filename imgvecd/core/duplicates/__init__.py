"""Duplicates: pictures that are in the library more than once, and what to do about them.

Embeddings and looks find candidates without comparing each with each, looks and pixels confirm
them. Nothing is ever deleted here.

Decode workers import `detail` from here, so importing this package imports nothing.
"""
