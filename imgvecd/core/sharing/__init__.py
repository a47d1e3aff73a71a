"""One search over several libraries: what is published, followed, found and folded.

The catalog and index of a host stay its truth; a `VectorEngine` has a copy of what it publishes.
"""
