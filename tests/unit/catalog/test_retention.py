"""What is forgotten, what never is, and that everything that grows has a bound."""

import contextlib
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from fakes import MODEL, vector_of

from imgvecd.api import SavedSearch, SearchRequest
from imgvecd.catalog import Catalog
from imgvecd.catalog.files import change_log
from imgvecd.catalog.queries import query_texts
from imgvecd.catalog.schema.connection import Database
from imgvecd.errors import BadRequestError
from imgvecd.types import FileChanges, FoundFile, ImageInfo, MountRow, Stamp

# What keeps each table from growing without end.
BOUNDS = {
    "meta": "one row a name, of a fixed set",
    "migrations": "one row a step of the schema",
    "roots": "one row a configured folder",
    "mounts": "one row a file system mounted below a root",
    "files": "one row a file on disk",
    "sidecars": "one row a sidecar on disk",
    "metadata_queue": "one row a picture, of an older reader",
    "encode_queue": "one row a picture on disk and active model",
    "models": "one row a model that was ever used",
    "embeddings": "one row a picture and model; gone ones for `catalog.keep_days`",
    "contents": "one row a picture; of gone ones nothing but an id after `catalog.keep_days`",
    "origins": "with its content", "looks": "with its content",
    "copy_facts": "with its content", "comparisons": "with its contents",
    "words": "those of pictures on disk", "positions": "one row a picture on disk",
    "places": "those of pictures on disk", "place_names": "some hundred a place",
    "content_places": "six a picture on disk", "places_due": "one row a picture",
    "subject_changes": "one row a picture",
    "map_cells": "six a picture with a position, at the most",
    "duplicate_decisions": "with its contents",
    "changes": "a million, of pictures not forgotten",
    "texts": "20,000, asked within `catalog.keep_days`",
    "saved_searches": "1,000",
    "picture_texts": "with its content, 10,000 characters at the most",
    "text_queue": "one row a picture",
    "names": "the words of pictures on disk",
    "sqlite_sequence": "one row a table",
}  # fmt: skip
# And each entry of the state directory.
FILES = {
    "lock", "catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "backups", "spare",
}  # fmt: skip


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path / "state"))
    catalog.models.activate([MODEL])
    yield catalog
    catalog.close()


def add(catalog, root, name, number):
    stamp = Stamp(9, number, number, number)
    catalog.files.apply(FileChanges(added=((root.id, b"card", FoundFile(name, stamp)),)))
    (row,) = catalog.files.files_named(root.id, b"card", [name])
    catalog.work.link_contents([(row, b"%032d" % (number + 10**9))])
    (row,) = catalog.files.files_named(root.id, b"card", [name])
    vectors = np.asarray([vector_of(name)], np.float32)
    encoded = [(row.content_id, ImageInfo("jpeg", 4, 4, metadata={"camera": "X"}))]
    catalog.work.commit_embeddings(MODEL.fingerprint, encoded, vectors, [], {})
    catalog.user_metadata.replace({row.content_id: {"tags": ["mine"]}})
    return row


def counts(catalog, *tables):
    with catalog._database.read() as connection:
        asked = (f"SELECT count(*) FROM {table}" for table in tables)  # noqa: S608  # our own
        return [connection.execute(sql).fetchone()[0] for sql in asked]


def age(catalog, seconds):
    """Make all that is gone go so much earlier."""
    with catalog._database.write_aside() as connection:
        connection.execute("UPDATE contents SET gone_ns = gone_ns - ?", (seconds * 10**9,))


def test_what_is_long_gone_is_forgotten(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    gone, stays = add(catalog, root, b"a.jpg", 1), add(catalog, root, b"b.jpg", 2)
    catalog.files.apply(FileChanges(removed=(gone.id,)))
    catalog.note_age()
    assert catalog.forget(3600) == (0, 0)
    age(catalog, 3601)
    assert catalog.forget(3600) == (0, 1)
    assert catalog.forget(3600) == (0, 0)
    assert counts(catalog, "embeddings", "contents") == [1, 2]
    with catalog._database.read() as connection:
        row = connection.execute(
            "SELECT metadata, user_metadata, width FROM contents WHERE id = ?", (gone.content_id,)
        ).fetchone()
        named = connection.execute("SELECT 1 FROM changes WHERE name = ?", (b"a.jpg",)).fetchone()
    assert row == ("{}", "{}", None)
    assert named is None
    assert not catalog.changes.covers(0)
    kept = catalog.images.images([stays.content_id])[stays.content_id]
    assert kept.user_metadata == {"tags": ["mine"]}
    again = add(catalog, root, b"a.jpg", 1)  # a new picture, as far as anybody knows
    assert again.content_id not in {gone.content_id, stays.content_id}
    assert catalog.examine() is None


@pytest.mark.parametrize("how", ["root", "mount"])
def test_what_is_away_is_never_forgotten(catalog, how):
    (root,) = catalog.files.set_roots([b"/photos"])
    add(catalog, root, b"a.jpg", 1)
    if how == "root":
        catalog.files.update_root(replace(root, offline_since_ns=1, offline_reason="away"))
    else:
        catalog.files.put_mount(MountRow(root.id, b"card", 1, 1, None, 1, "away"))
    catalog.note_age()
    age(catalog, 10**9)
    assert catalog.forget(0) == (0, 0)
    assert counts(catalog, "embeddings") == [1]


def test_what_came_back_is_not_gone(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    row = add(catalog, root, b"a.jpg", 1)
    catalog.files.apply(FileChanges(removed=(row.id,)))
    catalog.note_age()
    age(catalog, 3601)
    assert add(catalog, root, b"b.jpg", 1).content_id == row.content_id
    assert catalog.forget(3600) == (0, 0)


def test_texts_that_nobody_asks_are_forgotten(catalog):
    catalog.searching.keep_texts(MODEL.fingerprint, {"a cat": vector_of(b"cat")})
    assert catalog.forget(3600) == (0, 0)
    time.sleep(0.001)
    assert catalog.forget(0) == (1, 0)
    assert catalog.searching.texts(MODEL.fingerprint, ["a cat"]) == {}


def test_the_change_log_is_pruned(catalog, monkeypatch):
    monkeypatch.setattr(change_log, "_KEPT_CHANGES", 5)
    (root,) = catalog.files.set_roots([b"/photos"])
    for number in range(1, 20):
        add(catalog, root, b"%d.jpg" % number, number)
    catalog.note_age()
    assert counts(catalog, "changes") == [5]


def test_texts_are_bounded(catalog, monkeypatch):
    monkeypatch.setattr(query_texts, "_KEPT_TEXTS", 5)
    for number in range(20):
        catalog.searching.keep_texts(MODEL.fingerprint, {str(number): vector_of(b"%d" % number)})
    assert counts(catalog, "texts")[0] <= 6


def test_many_texts_are_kept_by_few_statements(catalog, monkeypatch):
    """SQLite lets go of the interpreter for each: who searches beside it gets it back late."""
    ran = []
    write_aside = Database.write_aside

    @contextlib.contextmanager
    def traced(database, **options):
        with write_aside(database, **options) as connection:
            connection.set_trace_callback(ran.append)
            yield connection
            connection.set_trace_callback(None)

    monkeypatch.setattr(Database, "write_aside", traced)
    texts = {str(number): vector_of(b"%d" % number) for number in range(1000)}
    catalog.searching.keep_texts(MODEL.fingerprint, texts)
    assert 0 < len(ran) <= 20
    kept = catalog.searching.texts(MODEL.fingerprint, list(texts))
    assert all((kept[text] == vector).all() for text, vector in texts.items())


def test_saved_searches_are_bounded(catalog, monkeypatch):
    monkeypatch.setattr(query_texts, "_MOST_SAVED", 2)
    for name in ("a", "b", "b"):
        catalog.saved_searches.save(SavedSearch(name=name, search=SearchRequest(text="x")))
    with pytest.raises(BadRequestError, match="drop one first"):
        catalog.saved_searches.save(SavedSearch(name="c", search=SearchRequest(text="x")))


def test_every_table_and_file_has_its_bound(catalog):
    with catalog._database.read() as connection:
        tables = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
    # the full-text index of names keeps tables of its own, with it
    unbounded = {name for name in tables if not name.startswith("names_")} - BOUNDS.keys()
    assert not unbounded, f"say in BOUNDS what keeps {unbounded} from growing without end"
    assert set(os.listdir(os.path.dirname(catalog.path))) <= FILES
