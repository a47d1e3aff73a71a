"""The catalog in SQLite: the truth about roots, files, contents and embeddings.

The only importer of `sqlite3`. One writer connection behind a lock, a pool of readers, write-ahead
log with `synchronous=FULL`: what a method returned from is on disk.
"""

from imgvecd.catalog.integrity.file_check import is_there
from imgvecd.catalog.open_catalog import Catalog
from imgvecd.catalog.recovery.backups import Backups
from imgvecd.catalog.recovery.recovery import CatalogRecovery
from imgvecd.catalog.schema.forking import require_no_fork

__all__ = ["Backups", "Catalog", "CatalogRecovery", "is_there", "require_no_fork"]
