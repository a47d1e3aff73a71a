"""Words of names and metadata: in step with files and metadata, filled in, made anew."""

import contextlib
import sqlite3

import numpy as np
import pytest
from fakes import DIM, MODEL

from imgvecd.catalog import Catalog
from imgvecd.core.search.name_words import expression
from imgvecd.types import FileChanges, FileMove, FoundFile, ImageInfo, Stamp


class Shelf:
    def __init__(self, folder):
        self.folder = folder
        self.catalog = Catalog(str(folder))
        (self.root,) = self.catalog.files.set_roots([b"/photos"])
        self.catalog.models.activate([MODEL])

    def add(self, directory, name, **metadata):
        stamp = Stamp(1, len(name), 1, 1)
        found = FoundFile(name.encode(), stamp)
        self.catalog.files.apply(FileChanges(added=((self.root.id, directory.encode(), found),)))
        row = self.file(directory, name)
        self.catalog.work.link_contents([(row, name.encode().ljust(32)[:32])])
        row = self.file(directory, name)
        info = ImageInfo(format="jpeg", width=1, height=1, metadata=metadata)
        vector = np.eye(1, DIM, dtype=np.float32)
        self.catalog.work.commit_embeddings(MODEL.fingerprint, [(row.content_id, info)], vector, [])
        return row.content_id

    def file(self, directory, name):
        (row,) = self.catalog.files.files_named(self.root.id, directory.encode(), [name.encode()])
        return row

    def named(self, text):
        return self.catalog.searching.named(text, 100).tolist()

    def sql(self, *statements):
        path = self.folder / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path / "state")
    yield shelf
    shelf.catalog.close()


@pytest.mark.parametrize(
    ("directory", "name", "query"),
    [
        ("", "IMG_2041.JPG", "IMG_2041"),
        ("", "IMG_2041.JPG", "img 2041"),
        ("", "IMG2041.JPG", "IMG_2041.jpg"),
        ("Đà Nẵng 2022", "a.jpg", "da nang"),
        ("da nang", "a.jpg", "Đà Nẵng"),
        ("2019/Straße", "a.jpg", "strasse"),
        ("東京タワー旅行", "a.jpg", "東京"),
        ("海滩", "a.jpg", "海滩"),
        ("서울 여행", "a.jpg", "서울"),
        ("Invoices", "a.jpg", "an invoice"),
        ("babies", "a.jpg", "the baby"),
        ("beach", "sunset.jpg", "a sunset at the beach"),
        ("caf\u00e9", "a.jpg", "cafe\u0301"),
        ("Zürich", "a.jpg", "zurich"),
        ("Zürich", "a.jpg", "Zuerich"),
        ("", "Rechnung_Mueller.jpg", "Rechnung Müller"),
        ("", "invoice Telekom.jpg", "telek"),
        ("Ostseeurlaub", "a.jpg", "Ostsee"),
        ("", "IMG_2041.JPG", "IMG_204"),
        ("", "IMG_2041.JPG", "2041"),
        ("", "IMG_0007.JPG", "img 7"),
        ("", "IMG_0007.JPG", "IMG_7"),
        ("", "DSC00042.JPG", "dsc 042"),
        ("", "1000268201_67ada9867c.jpg", "1000268201"),
        ("", "1000268201_67ada9867c.jpg", "67ADA9867C"),
        ("", "1000268201_67ada9867c.jpg", "1000268201_67ada9867c.jpg"),
        ("", "1000268201_67ada9867c.jpg", "67ada9"),
        ("", "1000268201_67ada9867c.jpg", "67ada9867"),
        ("", "550e8400-eada-41d4-a716-446655440000.jpg", "550e8400-eada-41d4-a716-446655440000"),
        ("", "ada2019.jpg", "Ada"),
        ("", "ada20190712b.jpg", "Ada 20190712"),
        ("", "20190712a1.jpg", "20190712"),
        ("", "20190712T143022Z.jpg", "20190712"),
        ("海滩67ada9867c", "a.jpg", "海滩"),
    ],
)
def test_a_file_is_found_by_its_words(shelf, directory, name, query):
    wanted = shelf.add(directory, name)
    shelf.add("other", "DSC00001.png")
    assert shelf.named(query) == [wanted]


@pytest.mark.parametrize(
    "name",
    [
        "1000268201_67ada9867c.jpg",
        "67ADA9867C.jpg",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0ada0.jpg",
        "550e8400-e29b-ada4-a716-446655440000.jpg",
        "photo 67ada9867c (1).jpg",
        "海67ada9867c滩.jpg",
    ],
)
def test_letters_and_numbers_in_a_digest_are_no_words(shelf, name):
    shelf.add("", name)
    wanted = shelf.add("", "Ada.jpg")
    assert shelf.named("Ada") == [wanted]
    assert shelf.named("9867") == []


@pytest.mark.parametrize(
    "query",
    ["", "the", "  ", '"', '""', "* OR *", 'x" OR "b', "file:b", "NEAR(a b)", "-", "^", "(", "\0"],
)
def test_no_query_is_anything_but_words(shelf, query):
    shelf.add("a", "b.jpg")
    assert shelf.named(query) == []


def test_beginnings_count_only_where_no_whole_word_does(shelf):
    shelf.add("Telekommunikation", "a.jpg")
    wanted = shelf.add("Telekom", "b.jpg")
    assert shelf.named("telekom") == [wanted]
    assert len(shelf.named("teleko")) == 2
    assert shelf.catalog.searching.named("teleko", 9, whole_words=True).tolist() == []
    assert shelf.named('"teleko"') == []


def test_the_beginning_of_a_name_that_is_an_english_word_is_none(shelf):
    shelf.add("Parker", "a.jpg", people=["May Parker"])
    shelf.add("windows", "carpet.jpg")
    shelf.add("x", "IMG_2041.jpg")
    for word in ("park", "wind", "carp", "IMG_20", "tel"):
        assert shelf.named(word) == []


def test_a_month_in_two_digits_is_no_number_of_a_picture(shelf):
    shelf.add("2019/07", "a.jpg")
    assert shelf.named("7") == []


def test_all_words_are_wanted_and_those_in_quotes_in_a_row(shelf):
    wanted = shelf.add("red car", "a.jpg")
    shelf.add("car red", "b.jpg")
    assert len(shelf.named("red car")) == 2
    assert shelf.named('"red car"') == [wanted]
    assert shelf.named("red bicycle") == []


def test_a_query_that_can_be_no_name_is_none():
    assert expression("x " * 13) is None
    assert expression("x" * 501) is None
    assert expression("海" * 49) is None


def test_metadata_of_file_and_user_is_found_and_told_from_names(shelf):
    content = shelf.add("x", "y.jpg", people=["Ada Lovelace"], camera="Canon EOS", rating=3)
    other = shelf.add("ada", "z.jpg")
    assert shelf.named("Ada") == [content, other]
    assert shelf.named("lovelace canon") == [content]
    assert shelf.catalog.searching.named_by("file", "Ada", [content, other]) == {other}
    shelf.catalog.user_metadata.change(content, {"note": "grandmother", "n": 5})
    shelf.catalog.user_metadata.tag([content], ["Family"])
    assert shelf.named("grandmother family") == [content]
    shelf.catalog.user_metadata.replace({content: {}})
    assert shelf.named("grandmother") == []


def test_words_follow_moves_removals_and_roots(shelf):
    content = shelf.add("paris", "a.jpg")
    row = shelf.file("paris", "a.jpg")
    move = FileMove(row.id, shelf.root.id, b"rome", b"b.jpg", row.stamp)
    shelf.catalog.files.apply(FileChanges(moved=(move,)))
    assert (shelf.named("paris"), shelf.named("rome")) == ([], [content])
    shelf.catalog.files.apply(FileChanges(removed=(row.id,)))
    assert shelf.named("rome") == []
    assert shelf.catalog.row_repair.findings() == []


def test_only_the_newest_are_taken_of_very_many(shelf):
    ids = [shelf.add("trip", f"{letter}.jpg") for letter in "abcde"]
    assert shelf.catalog.searching.named("trip", 2).tolist() == ids[-2:]


def test_an_older_catalog_is_filled_in_from_the_newest_down(shelf, monkeypatch):
    monkeypatch.setattr("imgvecd.catalog.files.name_index._BATCH", 2)
    ids = [shelf.add("trip", f"{letter}.jpg") for letter in "abcde"]
    shelf.catalog.close()
    triggers = ("file_added", "file_changed", "file_removed", "content_changed")
    shelf.sql(
        *(f"DROP TRIGGER names_{name}" for name in triggers),
        "DROP TABLE names",
        "DROP TABLE names_stale",
        "DROP TRIGGER text_wanted",
        "DROP TABLE picture_texts",
        "DROP TABLE text_queue",
        "DELETE FROM migrations WHERE name IN ('0012-names', '0019-picture-texts')",
    )
    shelf.catalog = Catalog(str(shelf.folder))
    assert shelf.named("trip") == []
    new = shelf.add("trip", "f.jpg")
    assert shelf.catalog.searching.fill_names()
    assert shelf.named("trip") == [*ids[-2:], new]
    assert shelf.catalog.row_repair.findings() == []
    while shelf.catalog.searching.fill_names():
        pass
    assert shelf.named("trip") == [*ids, new]


DAMAGES = {
    "words": "UPDATE names_data SET block = x'ff00ff' WHERE id > 1000",
    "structure": "UPDATE names_data SET block = x'ff' WHERE id = 10",
    "lacking": "DELETE FROM names_docsize WHERE id = 1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_mended(shelf, damage):
    content = shelf.add("trip", "a.jpg")
    shelf.catalog.close()
    shelf.sql(DAMAGES[damage])
    shelf.catalog = Catalog(str(shelf.folder))
    assert [what for what, _ in shelf.catalog.row_repair.findings()] != []
    shelf.catalog.row_repair.mend()
    while shelf.catalog.searching.fill_names():
        pass
    assert shelf.catalog.row_repair.findings() == []
    assert shelf.named("trip") == [content]


@pytest.mark.parametrize("damage", ["words", "structure"])
@pytest.mark.parametrize("by_search", [True, False])
def test_damage_costs_neither_a_search_nor_a_file(shelf, damage, by_search):
    content = shelf.add("trip", "a.jpg")
    shelf.catalog.close()
    shelf.sql(DAMAGES[damage])
    shelf.catalog = Catalog(str(shelf.folder))
    if by_search:
        shelf.named("trip")
    other = shelf.add("trip", "b.jpg")
    shelf.named("trip")
    while shelf.catalog.searching.fill_names():
        pass
    assert not shelf.catalog.damaged
    assert shelf.named("trip") == [content, other]
