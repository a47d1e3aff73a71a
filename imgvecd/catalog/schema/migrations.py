"""The catalog's schema, as named steps that are recorded and run in one transaction each.

A step, once released, never changes; the next change is a new step. Opening a catalog with a step
that this program does not know is refused, since a newer program made it.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time

from imgvecd.catalog.files import name_index, place_index
from imgvecd.catalog.recovery.backups import Backups
from imgvecd.catalog.schema.browsing import BROWSING
from imgvecd.catalog.schema.map_cells import MAP_CELLS
from imgvecd.catalog.schema.picture_texts import PICTURE_TEXTS
from imgvecd.catalog.schema.queues import enqueue_once
from imgvecd.core.files.photo_facts import READER_VERSION
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

CREATE TABLE roots (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    device INTEGER,
    inode INTEGER,
    filesystem_id TEXT,
    offline_since_ns INTEGER,
    offline_reason TEXT
) STRICT;

-- live: at least one file bears it. clock: when live last changed.
CREATE TABLE contents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    live INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    format TEXT,
    width INTEGER,
    height INTEGER,
    taken_at TEXT,
    truncated INTEGER NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL DEFAULT '{}',
    user_metadata TEXT NOT NULL DEFAULT '{}',
    failure TEXT,
    failure_message TEXT
) STRICT;
CREATE INDEX contents_clock ON contents(clock);
CREATE INDEX contents_failed ON contents(id) WHERE failure IS NOT NULL;

CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id INTEGER NOT NULL REFERENCES roots(id),
    dir BLOB NOT NULL,
    name BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    content_id INTEGER REFERENCES contents(id),
    pending INTEGER NOT NULL,
    failure TEXT,
    failure_message TEXT,
    clock INTEGER NOT NULL,
    UNIQUE (root_id, dir, name)
) STRICT;
CREATE INDEX files_content ON files(content_id);
CREATE INDEX files_inode ON files(inode);
CREATE INDEX files_pending ON files(clock DESC, id) WHERE pending;
CREATE INDEX files_failed ON files(id) WHERE failure IS NOT NULL;

-- active: new contents are encoded with it.
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    info TEXT NOT NULL,
    active INTEGER NOT NULL
) STRICT;

-- key: model id * 2^40 + content id, so that one model's vectors lie together by content id.
CREATE TABLE embeddings (
    key INTEGER PRIMARY KEY,
    vector BLOB NOT NULL,
    clock INTEGER NOT NULL
) STRICT;
CREATE INDEX embeddings_clock ON embeddings(clock);

CREATE TABLE encode_queue (
    model_id INTEGER NOT NULL REFERENCES models(id),
    content_id INTEGER NOT NULL REFERENCES contents(id),
    PRIMARY KEY (content_id, model_id)
) STRICT, WITHOUT ROWID;

-- What happened to files, in order: the answer to "what changed since".
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    clock INTEGER NOT NULL,
    kind TEXT NOT NULL,
    file_id INTEGER NOT NULL,
    root_id INTEGER NOT NULL,
    dir BLOB NOT NULL,
    name BLOB NOT NULL,
    old_root_id INTEGER,
    old_dir BLOB,
    old_name BLOB,
    content_id INTEGER
) STRICT;
CREATE INDEX changes_clock ON changes(clock);
"""

_ORIGINS = """
CREATE TABLE origins (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id),
    url TEXT NOT NULL
) STRICT;
"""

# What duplicates were compared by, so that no picture is decoded for it twice, and what a person
# decided about a pair of hashes (the smaller first), which outlives the files.
_DUPLICATES = """
CREATE TABLE looks (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id),
    version INTEGER NOT NULL,
    look BLOB NOT NULL
) STRICT;

CREATE TABLE duplicate_decisions (
    first_hash BLOB NOT NULL,
    second_hash BLOB NOT NULL,
    decision TEXT NOT NULL,
    PRIMARY KEY (first_hash, second_hash)
) STRICT, WITHOUT ROWID;
"""

# Embeddings of query texts, so that a repeated query needs no model; used_ns picks what to drop.
_SEARCHING = """
CREATE TABLE texts (
    model_id INTEGER NOT NULL REFERENCES models(id),
    text TEXT NOT NULL,
    vector BLOB NOT NULL,
    used_ns INTEGER NOT NULL,
    PRIMARY KEY (model_id, text)
) STRICT, WITHOUT ROWID;
CREATE INDEX texts_used ON texts(used_ns);

CREATE TABLE saved_searches (
    name TEXT PRIMARY KEY,
    search TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

# pixels: BLAKE2b-128 of the pixels that the model was given; equal ones share their vector.
_PIXELS = """
ALTER TABLE embeddings ADD COLUMN pixels BLOB;
CREATE INDEX embeddings_pixels ON embeddings(pixels) WHERE pixels IS NOT NULL;
"""

# File systems mounted below roots. first, beyond: bounds of what lies below `dir`, both left out.
_MOUNTS = """
CREATE TABLE mounts (
    root_id INTEGER NOT NULL REFERENCES roots(id),
    dir BLOB NOT NULL,
    first BLOB NOT NULL,
    beyond BLOB NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    filesystem_id TEXT,
    offline_since_ns INTEGER,
    offline_reason TEXT,
    PRIMARY KEY (root_id, dir)
) STRICT, WITHOUT ROWID;
"""

# What sidecars say. A file beside images that is none itself is a companion; and contents keep what
# their own file says once a sidecar says otherwise.
_COMPANIONS = """
ALTER TABLE files ADD COLUMN companion INTEGER GENERATED ALWAYS AS
    (lower(CAST(substr(name, -4) AS TEXT)) IN ('.xmp', '.aae', '.mov', '.mp4')) VIRTUAL;
CREATE INDEX files_companions ON files(id) WHERE companion;

CREATE TABLE sidecars (
    file_id INTEGER PRIMARY KEY REFERENCES files(id) ON DELETE CASCADE,
    facts TEXT NOT NULL
) STRICT;

ALTER TABLE contents ADD COLUMN own_facts TEXT;
"""

# An id that was a root's is never another's: whoever still holds it would take one for the other.
# dropped: it is watched no more, and its files are on their way out, a few at a time.
_ROOT_IDS = """
CREATE TABLE roots_anew (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    device INTEGER,
    inode INTEGER,
    filesystem_id TEXT,
    offline_since_ns INTEGER,
    offline_reason TEXT,
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO roots_anew (id, path, device, inode, filesystem_id, offline_since_ns, offline_reason)
    SELECT id, path, device, inode, filesystem_id, offline_since_ns, offline_reason FROM roots;
INSERT INTO roots_anew (id, path)
    SELECT max(root_id), x'' FROM changes
    HAVING max(root_id) > (SELECT coalesce(max(id), 0) FROM roots);
DELETE FROM roots_anew WHERE path = x'';
DROP TABLE roots;
ALTER TABLE roots_anew RENAME TO roots;
"""

# Images that were renamed to a companion's name bore their content on.
_COMPANIONS_ANEW = """
UPDATE files SET pending = 1 WHERE companion AND content_id IS NOT NULL;
"""

# JSON is known to the catalog only as a side file of an export.
_EXPORTS = """
DROP INDEX files_companions;
ALTER TABLE files DROP COLUMN companion;
ALTER TABLE files ADD COLUMN companion INTEGER GENERATED ALWAYS AS
    (lower(CAST(substr(name, -4) AS TEXT)) IN ('.xmp', '.aae', '.mov', '.mp4')
     OR lower(CAST(substr(name, -5) AS TEXT)) = '.json') VIRTUAL;
CREATE INDEX files_companions ON files(id) WHERE companion;
"""

# Images whose metadata an older reader has read (`catalog.work.rereading`).
_REREADING = """
CREATE TABLE metadata_queue (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id) ON DELETE CASCADE
) STRICT;
"""

_ROOT_MOUNTS = """
ALTER TABLE roots ADD COLUMN mount_point BLOB;
"""

# gone_ns: since when no file bears it, as far as was noted.
_RETENTION = """
ALTER TABLE contents ADD COLUMN gone_ns INTEGER;
CREATE INDEX contents_gone ON contents(gone_ns) WHERE live = 0;
CREATE INDEX contents_back ON contents(id) WHERE live = 1 AND gone_ns IS NOT NULL;
CREATE INDEX changes_content ON changes(content_id);
"""

# What examining a picture and comparing two of them (the lower id first) found, and by which
# version of the way to do it. Derived: it may be deleted.
_COMPARISONS = """
CREATE TABLE copy_facts (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id),
    version INTEGER NOT NULL,
    facts BLOB NOT NULL
) STRICT;

CREATE TABLE comparisons (
    first_id INTEGER NOT NULL REFERENCES contents(id),
    second_id INTEGER NOT NULL REFERENCES contents(id),
    version INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (first_id, second_id)
) STRICT, WITHOUT ROWID;
"""


def _stale(content: str) -> str:
    return enqueue_once("names_stale", content, f"{content} IS NOT NULL")


# Words of names and metadata (`catalog.files.name_index`), and whose may have changed.
_NAMES = f"""
CREATE VIRTUAL TABLE names USING fts5(file, told, tokenize = 'unicode61 remove_diacritics 0');
CREATE TABLE names_stale (content_id INTEGER PRIMARY KEY) STRICT;
{name_index.FILL_ALL};

CREATE TRIGGER names_file_added AFTER INSERT ON files WHEN new.content_id IS NOT NULL BEGIN
    {_stale("new.content_id")};
END;
CREATE TRIGGER names_file_changed AFTER UPDATE OF dir, name, content_id ON files BEGIN
    {_stale("old.content_id")};
    {_stale("new.content_id")};
END;
CREATE TRIGGER names_file_removed AFTER DELETE ON files WHEN old.content_id IS NOT NULL BEGIN
    {_stale("old.content_id")};
END;
CREATE TRIGGER names_content_changed
    AFTER UPDATE OF live, metadata, user_metadata ON contents BEGIN
    {_stale("new.id")};
END;
"""

# The table of names, which is derived, is filled in anew where other words belong into it.
_NAMES_ANEW = f"""
DROP TABLE names;
{name_index.TABLE};
{name_index.FILL_ALL};
"""

# Contents of which something may have changed that duplicates are looked for by, the last ones
# last: so that looking again looks at these only.
_SUBJECT_CHANGES = """
CREATE TABLE subject_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TRIGGER subject_comes AFTER INSERT ON contents WHEN NEW.live BEGIN
    DELETE FROM subject_changes WHERE content_id = NEW.id;
    INSERT INTO subject_changes (content_id) VALUES (NEW.id);
END;
CREATE TRIGGER subject_changes AFTER UPDATE OF
    hash, live, format, width, height, taken_at, metadata, failure ON contents
WHEN OLD.hash IS NOT NEW.hash OR OLD.live IS NOT NEW.live OR OLD.format IS NOT NEW.format
    OR OLD.width IS NOT NEW.width OR OLD.height IS NOT NEW.height
    OR OLD.taken_at IS NOT NEW.taken_at OR OLD.metadata IS NOT NEW.metadata
    OR OLD.failure IS NOT NEW.failure
BEGIN
    DELETE FROM subject_changes WHERE content_id = NEW.id;
    INSERT INTO subject_changes (content_id) VALUES (NEW.id);
END;
"""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("0001-first", _FIRST),
    ("0002-origins", _ORIGINS),
    ("0003-duplicates", _DUPLICATES),
    ("0004-searching", _SEARCHING),
    ("0005-pixels", _PIXELS),
    ("0006-mounts", _MOUNTS),
    ("0007-companions", _COMPANIONS),
    ("0008-root-ids", _ROOT_IDS),
    ("0009-companions-anew", _COMPANIONS_ANEW),
    ("0010-comparisons", _COMPARISONS),
    ("0011-browsing", BROWSING),
    ("0012-names", _NAMES),
    ("0013-retention", _RETENTION),
    ("0014-exports", _EXPORTS),
    ("0015-places", place_index.PLACES),
    ("0016-rereading", _REREADING),
    ("0017-subject-changes", _SUBJECT_CHANGES),
    ("0018-root-mounts", _ROOT_MOUNTS),
    ("0019-picture-texts", PICTURE_TEXTS + _NAMES_ANEW),
    ("0020-map-cells", MAP_CELLS),
    ("0021-digest-words", _NAMES_ANEW),
    # nothing changes but what rows of embeddings may have from now on, which an older imgvecd would
    # take for damage and encode anew
    ("0022-packed-vectors", ""),
)
"""(name, SQL) in the order in which they run."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the catalog to this program's schema; one of an older schema is backed up before.

    All missing steps are one transaction: killed in between, the catalog is as it was.

    Raises:
        CatalogError: the catalog has steps that this program does not know, or there is no space
            for the backup.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (name TEXT PRIMARY KEY, applied_at_ns INTEGER NOT NULL) STRICT"
    )
    missing = missing_steps(connection, path)
    if missing and len(missing) < len(MIGRATIONS):
        backup = Backups(os.path.dirname(path)).make(connection, before=missing[0][0])
        logger.info("the catalog is brought up to date; a copy from before is kept as %s", backup)
    if missing:
        _run(connection, missing)


def missing_steps(connection: sqlite3.Connection, path: str) -> list[tuple[str, str]]:
    """Return the steps that the catalog still lacks, in order.

    Raises:
        CatalogError: the catalog has steps that this program does not know.
    """
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    unknown = applied - {name for name, _ in MIGRATIONS}
    if unknown:
        raise CatalogError(
            f"{path} was written by a newer imgvecd (step {max(unknown)}); "
            "upgrade imgvecd, or use another --state-dir"
        )
    return [(name, script) for name, script in MIGRATIONS if name not in applied]


def _run(connection: sqlite3.Connection, steps: list[tuple[str, str]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for name, script in steps:
            for statement in _statements(script):
                connection.execute(statement)
            if name == MIGRATIONS[0][0]:
                connection.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [
                        ("instance", secrets.token_hex(4)),
                        ("clock", 0),
                        ("reader", READER_VERSION),
                    ],
                )
            connection.execute("INSERT INTO migrations VALUES (?, ?)", (name, time.time_ns()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    # `executescript` would commit on its own; triggers hold semicolons of their own
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    statements, rest = [], ""
    for part in "\n".join(lines).split(";"):
        rest += f"{part};"
        if rest.strip("; \n") and sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return statements
