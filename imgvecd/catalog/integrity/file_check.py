"""Reading a catalog's file through for damage, without believing any of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse

from imgvecd.catalog.integrity.row_check import unreadable
from imgvecd.catalog.recovery.disk_advice import advice
from imgvecd.errors import CatalogError

_NOT_ITS_FAULT = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
}
EMPTY = "it is empty"
"""What is found where no table was ever made."""

_MOST_FINDINGS = 20  # one is enough to condemn a file; some tell a person how bad it is


def examine(path: str, *, thorough: bool = False, alone: bool = False) -> list[str]:
    """Return what is wrong with the catalog at `path`; nothing if it is sound.

    Args:
        thorough: also compare every index with its table, and every reference with its target.
        alone: the file is whole by itself and nobody writes to it: touch nothing beside it.

    Raises:
        CatalogError: the disk fails or is full, which says nothing of the catalog.
    """
    mode = "mode=ro&immutable=1" if alone else "mode=rw"
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{urllib.parse.quote(path)}?{mode}", uri=True)
        ) as connection:
            return _findings(connection, thorough=thorough)
    except sqlite3.Error as error:
        return _blamed(path, error)


def examine_open(connection: sqlite3.Connection, path: str) -> list[str]:
    """Return what is wrong with the open catalog, beside whoever writes to it.

    Raises:
        CatalogError: the disk fails, which says nothing of the catalog.
    """
    try:
        return _findings(connection, thorough=False)
    except sqlite3.Error as error:
        return _blamed(path, error)


def _findings(connection: sqlite3.Connection, *, thorough: bool) -> list[str]:
    # SQLite 3.40's quick check takes values in tables without row ids for missing ones: what it
    # finds has to be found by the full one as well
    found = [] if thorough else _check(connection, "quick_check")
    if thorough or found:
        found = _check(connection, "integrity_check")
    if not found and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        found = [EMPTY]
    if thorough and not found:
        found = [
            f"row {row} of {table} refers to a row of {parent} that is not there"
            for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")
        ]
    if not found:
        found = list(unreadable(connection))
    return found[:_MOST_FINDINGS]


def _blamed(path: str, error: sqlite3.Error) -> list[str]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code in _NOT_ITS_FAULT:
        message = f"the catalog {path} cannot be read: {error}{advice(path, error)}"
        raise CatalogError(message) from error
    return [f"it cannot be read: {error}"]


def _check(connection: sqlite3.Connection, pragma: str) -> list[str]:
    rows = connection.execute(f"PRAGMA {pragma}({_MOST_FINDINGS})").fetchall()
    return [line for (text,) in rows for line in str(text).splitlines() if line != "ok"]


def is_there(path: str) -> bool:
    """Return whether a catalog's file exists and holds anything.

    Raises:
        CatalogError: what lies there is no file, so that nothing may be put in its place.
    """
    if os.path.isfile(path):
        return os.path.getsize(path) > 0
    if os.path.islink(path):
        raise CatalogError(
            f"{path} leads to {os.path.realpath(path)}, which is not there: is a disk missing?"
        )
    if os.path.lexists(path):
        raise CatalogError(f"{path} is not a file: move it away")
    return False
