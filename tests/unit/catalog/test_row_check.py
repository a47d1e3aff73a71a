"""Rows that SQLite finds nothing wrong with, and that the program cannot read."""

import contextlib
import shutil
import sqlite3

import pytest
from stored_library import StoredLibrary

from imgvecd.catalog import Catalog
from imgvecd.catalog.integrity.file_check import examine
from imgvecd.errors import CatalogDamagedError


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    library = StoredLibrary(tmp_path_factory.mktemp("sound") / "state")
    library.add(1, 2, 3)
    library.catalog.user_metadata.replace({1: {"Straße": "Öl\n", "n": [1.5, None]}})
    assert library.catalog.examine() is None
    library.close()
    return library.state


@pytest.fixture
def state(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "state")


def change(state, statement):
    with contextlib.closing(sqlite3.connect(state / "catalog.sqlite")) as connection, connection:
        connection.execute(statement)


DAMAGES = {
    "half a JSON": 'UPDATE contents SET metadata = \'{"camera": "X\' WHERE id = 2',
    "what the user said": "UPDATE contents SET user_metadata = 'x' WHERE id = 1",
    "no UTF-8": "UPDATE contents SET format = cast(x'61ff62' AS TEXT) WHERE id = 2",
    "a failure": "UPDATE files SET failure = cast(x'61ff62' AS TEXT) WHERE id = 2",
    "a path": "UPDATE files SET name = cast(x'6100' AS BLOB) WHERE id = 2",
    "no model": "UPDATE models SET info = '{}'",
    "another model": "UPDATE models SET fingerprint = 'n' || substr(fingerprint, 2)",
    "another length": "UPDATE models SET info = replace(info, '\"dim\":16', '\"dim\":17')",
    "no clock": "UPDATE meta SET key = 'clocl' WHERE key = 'clock'",
    "no name": "DELETE FROM meta WHERE key = 'instance'",
    "a clock that went back": "UPDATE meta SET value = 1 WHERE key = 'clock'",
    "a clock at its end": "UPDATE meta SET value = 9223372036854775807 WHERE key = 'clock'",
    "a row of the future": "UPDATE contents SET clock = clock + 1000 WHERE id = 2",
    "a vector of the future": "UPDATE embeddings SET clock = clock + 1000 WHERE key & 255 = 2",
    "a saved search": "INSERT INTO saved_searches VALUES ('dogs', '{\"text')",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_row_that_cannot_be_read_is_damage(state, name):
    path = str(state / "catalog.sqlite")
    assert examine(path, thorough=True) == []
    change(state, DAMAGES[name])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert examine(path, thorough=True)
    assert examine(path, alone=True)


def test_what_python_reads_is_no_damage(state):
    change(state, "UPDATE contents SET metadata = '{\"aperture\": NaN}' WHERE id = 2")
    assert examine(str(state / "catalog.sqlite"), thorough=True) == []


@pytest.mark.parametrize("name", ["half a JSON", "what the user said", "no UTF-8"])
def test_whoever_meets_it_is_told_so_without_what_it_holds(state, name):
    catalog = Catalog(str(state))
    change(state, DAMAGES[name])
    told = []
    catalog.call_when_damaged(lambda: told.append(True))
    with pytest.raises(CatalogDamagedError, match="a row is not as it was written; stop imgvecd"):
        catalog.images.images([1, 2, 3])
    assert told
    assert catalog.damaged
    assert catalog.examine()
    with pytest.raises(CatalogDamagedError):
        catalog.back_up()
    catalog.close()


def test_an_image_without_a_file_is_no_image(state):
    catalog = Catalog(str(state))
    change(state, "UPDATE files SET content_id = 1 WHERE content_id = 2")
    assert set(catalog.images.images([1, 2, 3])) == {1, 3}
    catalog.close()


def test_a_text_whose_vector_is_damaged_is_not_known(state):
    catalog = Catalog(str(state))
    change(
        state, "INSERT INTO texts VALUES (1, 'a dog', x'0102', 1), (1, 'a cat', zeroblob(64), 1)"
    )
    assert catalog.searching.texts("model", ["a dog", "a cat"]) == {}
    catalog.close()
