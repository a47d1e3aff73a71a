"""Watching: keeps the catalog's files equal to the image files on disk under the online roots.

Events only say where to look. What is there is always asked of the disk, compared with the catalog
and committed; contents are never read here.
"""

from imgvecd.core.watch.disk_truth import expected_files, make_lister, why_left_out
from imgvecd.core.watch.reconciler import Reconciler
from imgvecd.core.watch.watch_status import RootWatch

__all__ = ["Reconciler", "RootWatch", "expected_files", "make_lister", "why_left_out"]
