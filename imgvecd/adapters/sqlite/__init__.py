"""The catalog in SQLite: the truth about roots, files, contents and embeddings.

The only importer of `sqlite3`. One writer connection behind a lock, a pool of readers, write-ahead
log with `synchronous=FULL`: what a method returned from is on disk.
"""

from imgvecd.adapters.sqlite.backups import Backups
from imgvecd.adapters.sqlite.catalog import Catalog
from imgvecd.adapters.sqlite.examine import is_there
from imgvecd.adapters.sqlite.safekeeping import Safekeeping

__all__ = ["Backups", "Catalog", "Safekeeping", "is_there"]
