"""Which files cannot be reached at the moment: those of absent roots and of absent mounts."""

from __future__ import annotations


def offline(files: str = "files") -> str:
    """Return the test as SQL.

    Args:
        files: the name under which the query knows the files; `roots` is joined to it.
    """
    return (
        "(roots.offline_since_ns IS NOT NULL OR EXISTS (SELECT 1 FROM mounts"
        f" WHERE mounts.root_id = {files}.root_id AND mounts.offline_since_ns IS NOT NULL"
        f" AND ({files}.dir = mounts.dir"
        f" OR {files}.dir > mounts.first AND {files}.dir < mounts.beyond)))"
    )
