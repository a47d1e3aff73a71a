"""Sidecars in the catalog: whatever happens to files, images say what their sidecars do."""

import numpy as np
import pytest

from imgvecd.catalog import Catalog
from imgvecd.types import (
    FileChanges,
    FileMove,
    FoundFile,
    ImageInfo,
    ModelInfo,
    PreprocessSpec,
    Stamp,
)

MODEL = ModelInfo("m", "m", "", 4, PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3))
OWN = ImageInfo("jpeg", 4, 4, "2001-01-01T00:00:00", metadata={"rating": 1, "camera": "X"})


class Folder:
    def __init__(self, catalog):
        self.catalog = catalog
        (self.root,) = catalog.files.set_roots([b"/photos"])
        catalog.models.activate([MODEL])
        self.inode = 0

    def row(self, name, directory=b""):
        (row,) = self.catalog.files.files_named(self.root.id, directory, [name])
        return row

    def add(self, *names, directory=b""):
        for name in names:
            self.inode += 1
            found = FoundFile(name, Stamp(1, 10**18, self.inode, 1))
            self.catalog.files.apply(FileChanges(added=((self.root.id, directory, found),)))

    def remove(self, name):
        self.catalog.files.apply(FileChanges(removed=(self.row(name).id,)))

    def read(self, **sidecars):
        """Read what waits: images by name, sidecars with what `sidecars` says."""
        waiting = self.catalog.work.pending_files(100)
        images = [row for row in waiting if not row.name.endswith(b".xmp")]
        self.catalog.work.link_contents([(row, row.relative.ljust(32)) for row in images])
        others = [row for row in waiting if row.name.endswith(b".xmp")]
        self.catalog.work.keep_companions(
            [(row, sidecars[row.name.decode().replace(".", "_")]) for row in others]
        )

    def encode(self, info=OWN, ids=None):
        todo = ids or [i for i, _ in self.catalog.work.contents_to_encode("m", 100, set())]
        rows = np.eye(len(todo), 4, dtype=np.float32)
        self.catalog.work.commit_embeddings("m", [(i, info) for i in todo], rows, [])

    def move(self, name, directory, new):
        row = self.row(name)
        move = FileMove(row.id, self.root.id, directory, new, row.stamp)
        self.catalog.files.apply(FileChanges(moved=(move,)))

    def image(self, name, directory=b""):
        content_id = self.row(name, directory).content_id
        return self.catalog.images.images([content_id])[content_id]

    def says(self, name, directory=b""):
        return self.image(name, directory).metadata


@pytest.fixture
def folder(tmp_path):
    catalog = Catalog(str(tmp_path))
    yield Folder(catalog)
    catalog.close()


@pytest.mark.parametrize("names", [(b"a.jpg", b"a.xmp"), (b"a.xmp", b"a.jpg")])
def test_a_sidecar_counts_whichever_is_read_first(folder, names):
    for name in names:
        folder.add(name)
        folder.read(a_xmp={"rating": 5})
    folder.encode()
    assert folder.says(b"a.jpg") == {"rating": 5, "camera": "X"}
    counts = folder.catalog.images.counts("m")
    assert (counts.seen, counts.indexed, counts.pending, counts.failed) == (1, 1, 0, 0)


def test_a_change_and_the_end_of_a_sidecar(folder):
    folder.add(b"a.jpg", b"a.jpg.xmp", b"a.xmp")
    folder.read(a_jpg_xmp={"rating": 3}, a_xmp={"rating": 2, "keywords": ["sea"]})
    folder.encode()
    assert folder.says(b"a.jpg") == {"rating": 3, "keywords": ["sea"], "camera": "X"}
    row = folder.row(b"a.jpg.xmp")
    changed = Stamp(2, 2, row.stamp.inode, 2)
    folder.catalog.files.apply(FileChanges(changed=((row.id, changed),)))
    folder.read(a_jpg_xmp={"rating": 4, "taken_at": "2005-05-05T05:05:05"})
    assert folder.says(b"a.jpg")["rating"] == 4
    assert folder.says(b"a.jpg")["taken_at_source"] == "sidecar"
    for name, rating in ((b"a.jpg.xmp", 2), (b"a.xmp", 1)):
        folder.remove(name)
        assert folder.says(b"a.jpg")["rating"] == rating
    assert folder.says(b"a.jpg") == OWN.metadata
    assert folder.image(b"a.jpg").taken_at == OWN.taken_at


def test_a_rename_of_both_keeps_them_together(folder):
    folder.add(b"a.jpg", b"a.xmp")
    folder.read(a_xmp={"rating": 5})
    folder.encode()
    folder.move(b"a.jpg", b"new", b"b.jpg")
    assert folder.says(b"b.jpg", b"new")["rating"] == 1
    folder.move(b"a.xmp", b"new", b"b.xmp")
    assert folder.says(b"b.jpg", b"new")["rating"] == 5


def test_the_sidecar_of_one_copy_goes_with_it(folder):
    folder.add(b"a.jpg", b"a.xmp")
    folder.read(a_xmp={"rating": 5})
    folder.encode()
    row = folder.row(b"a.jpg")
    linked = (folder.root.id, b"", FoundFile(b"copy.jpg", row.stamp), row.content_id)
    folder.catalog.files.apply(FileChanges(linked=(linked,)))
    assert folder.says(b"copy.jpg")["rating"] == 5
    folder.remove(b"a.jpg")
    assert folder.says(b"copy.jpg")["rating"] == 1


def test_encoding_again_keeps_what_sidecars_say(folder):
    folder.add(b"a.jpg", b"a.xmp")
    folder.read(a_xmp={"rating": 5, "taken_at": "2005-05-05T05:05:05"})
    untimed = ImageInfo("jpeg", 4, 4, None, metadata={"rating": 1})
    folder.encode(untimed)
    folder.encode(untimed, [folder.row(b"a.jpg").content_id])
    assert folder.says(b"a.jpg") == {"rating": 5, "taken_at_source": "sidecar"}
    folder.remove(b"a.xmp")
    assert folder.says(b"a.jpg") == {"rating": 1, "taken_at_source": "file"}
    assert folder.image(b"a.jpg").taken_at.startswith("2001-09-0")  # 10^9 s after 1970


def test_a_sidecar_that_cannot_be_read_says_nothing(folder):
    folder.add(b"a.jpg", b"a.xmp")
    folder.read(a_xmp={"rating": 5})
    folder.encode()
    row = folder.row(b"a.xmp")
    folder.catalog.files.apply(FileChanges(changed=((row.id, Stamp(9, 9, 9, 9)),)))
    folder.catalog.work.fail_files([(folder.row(b"a.xmp"), "damaged", "no XMP")])
    assert folder.says(b"a.jpg") == OWN.metadata
    _, failures = folder.catalog.failures.page(-1, 10)
    assert [failure.path for failure in failures] == ["/photos/a.xmp"]
    assert folder.catalog.images.counts("m").failed == 0


def test_one_sidecar_speaks_for_raw_and_jpeg_and_no_other(folder):
    folder.add(b"a.jpg", b"a.cr2", b"a.b.jpg", b"ab.jpg", b"a.xmp")
    folder.add(b"a.jpg", directory=b"other")
    folder.read(a_xmp={"rating": 5})
    folder.encode()
    ratings = {name: folder.says(name)["rating"] for name in (b"a.cr2", b"a.b.jpg", b"ab.jpg")}
    assert ratings == {b"a.cr2": 5, b"a.b.jpg": 1, b"ab.jpg": 1}
    assert folder.says(b"a.jpg", b"other")["rating"] == 1
