"""Roots, files and what belongs to them: where they are, what failed, what changed and when."""
