import os

import pytest

from imgvecd.core.watch.file_diff import FileDiff, FolderState
from imgvecd.core.watch.listing import Listing
from imgvecd.types import FileMove, FileRow, FoundFile, Stamp


class Disk:
    """One root on a pretended disk, and what the catalog knows of it."""

    def __init__(self):
        self.rows = {}
        self.files = {}
        self.unsettled = set()

    def know(self, path, inode, *, size=10, ctime=1, pending=False):
        directory, _, name = path.rpartition(b"/")
        stamp = Stamp(size, 1, inode, ctime)
        content_id = None if pending else 100 + inode
        row_id = len(self.rows) + 1
        row = FileRow(row_id, 1, directory, name, stamp, content_id, pending)
        self.rows[path] = row
        return row

    def find(self, path, inode, *, size=10, ctime=1, links=1):
        self.files[path] = (inode, size, ctime, links)
        return Stamp(size, 1, inode, ctime)

    def stamp_of(self, row):
        if row.relative not in self.files:
            return None
        inode, size, ctime, _ = self.files[row.relative]
        return Stamp(size, 1, inode, ctime)

    def look(self, directory):
        prefix = directory + b"/" if directory else b""
        listing = Listing(directory, None, (1, 1))
        for path, (inode, size, ctime, links) in self.files.items():
            if path.rpartition(b"/")[0] == directory:
                values = (0o100644, inode, 1, links, 0, 0, size, 0, 0, 0)
                times = {"st_mtime_ns": 1, "st_ctime_ns": ctime}
                name = path[len(prefix) :]
                listing.files[name] = os.stat_result(values, times)
        rows = {row.name: row for row in self.rows.values() if row.dir == directory}
        return FolderState(1, listing, rows)

    def compare(self, *directories, final=False):
        planner = FileDiff(
            lambda inode: [row for row in self.rows.values() if row.stamp.inode == inode],
            self.stamp_of,
            lambda place, stamp: 1.0 if place[2] in self.unsettled else 0.0,
        )
        return planner.compare([self.look(directory) for directory in directories], final=final)


@pytest.fixture
def disk():
    return Disk()


def test_nothing_to_do(disk):
    disk.know(b"a.jpg", 1)
    disk.find(b"a.jpg", 1)
    plan = disk.compare(b"")
    assert not plan.changes
    assert plan.missing == []


def test_added_and_missing_and_removed(disk):
    old = disk.know(b"old.jpg", 1)
    stamp = disk.find(b"new.jpg", 2)
    plan = disk.compare(b"")
    assert plan.changes.added == ((1, b"", FoundFile(b"new.jpg", stamp)),)
    assert plan.missing == [old]
    assert plan.changes.removed == ()
    assert disk.compare(b"", final=True).changes.removed == (old.id,)


def test_names_that_could_not_be_examined_are_not_missing(disk):
    disk.know(b"a.jpg", 1)
    look = disk.look(b"")
    look.listing.unknown.add(b"a.jpg")
    plan = FileDiff(lambda _: [], disk.stamp_of, lambda *_: 0.0).compare([look], final=True)
    assert not plan.changes


def test_an_unsettled_file_is_looked_at_again(disk):
    row = disk.know(b"a.jpg", 1)
    disk.find(b"a.jpg", 1, size=11)
    disk.find(b"new.jpg", 2)
    disk.unsettled = {b"a.jpg", b"new.jpg"}
    plan = disk.compare(b"")
    assert not plan.changes
    assert {place for place, _ in plan.unsettled} == {(1, b"", b"a.jpg"), (1, b"", b"new.jpg")}
    disk.unsettled = set()
    assert disk.compare(b"").changes.changed == ((row.id, Stamp(11, 1, 1, 1)),)


def test_ctime_alone_is_a_change_in_place_but_not_after_a_rename(disk):
    row = disk.know(b"a.jpg", 1)
    stamp = disk.find(b"a.jpg", 1, ctime=2)
    assert disk.compare(b"").changes.changed == ((row.id, stamp),)
    del disk.files[b"a.jpg"]
    stamp = disk.find(b"b.jpg", 1, ctime=2)
    plan = disk.compare(b"")
    assert plan.changes.moved == (FileMove(row.id, 1, b"", b"b.jpg", stamp),)
    assert plan.missing == []


def test_only_a_file_that_was_renamed_itself_is_read_again(disk):
    row, below = disk.know(b"a.jpg", 1), disk.know(b"x/b.jpg", 2)
    stamp = disk.find(b"c.jpg", 1, ctime=2)
    disk.find(b"y/b.jpg", 2)
    changes = disk.compare(b"", b"x", b"y").changes
    assert {move.file_id for move in changes.moved} == {row.id, below.id}
    assert changes.changed == ((row.id, stamp),)


def test_replaced_by_another_file(disk):
    row = disk.know(b"a.jpg", 1)
    stamp = disk.find(b"a.jpg", 2)
    assert disk.compare(b"").changes.changed == ((row.id, stamp),)


def test_backed_up_and_replaced(disk):
    row = disk.know(b"a.jpg", 1)
    moved = disk.find(b"backup.jpg", 1, ctime=2)
    added = disk.find(b"a.jpg", 2)
    changes = disk.compare(b"").changes
    assert changes.moved == (FileMove(row.id, 1, b"", b"backup.jpg", moved),)
    assert changes.added == ((1, b"", FoundFile(b"a.jpg", added)),)


def test_a_swap_seen_from_one_side(disk):
    a, b = disk.know(b"x/a.jpg", 1), disk.know(b"y/b.jpg", 2)
    disk.find(b"x/a.jpg", 2)
    disk.find(b"y/b.jpg", 1)
    for directories in ([b"x"], [b"y"], [b"x", b"y"], [b"y", b"x"]):
        changes = disk.compare(*directories).changes
        assert {(m.file_id, m.dir, m.name) for m in changes.moved} == {
            (a.id, b"y", b"b.jpg"),
            (b.id, b"x", b"a.jpg"),
        }
        assert (changes.added, changes.changed, changes.removed) == ((), (), ())


def test_whose_name_was_taken_may_still_turn_up(disk):
    a, b = disk.know(b"x/a.jpg", 1), disk.know(b"y/b.jpg", 2)
    disk.find(b"x/a.jpg", 2)
    disk.find(b"z/c.jpg", 1)
    plan = disk.compare(b"x")
    assert not plan.changes
    assert plan.missing == [a]
    plan = disk.compare(b"x", b"y", b"z")
    assert {(m.file_id, m.dir) for m in plan.changes.moved} == {(a.id, b"z"), (b.id, b"x")}
    del disk.files[b"z/c.jpg"]
    plan = disk.compare(b"x", final=True)
    assert [m.file_id for m in plan.changes.moved] == [b.id]
    assert plan.changes.removed == (a.id,)


def test_a_hard_link_to_known_bytes(disk):
    row = disk.know(b"a.jpg", 1)
    disk.find(b"a.jpg", 1, links=2)
    stamp = disk.find(b"b.jpg", 1, links=2)
    changes = disk.compare(b"").changes
    assert changes.linked == ((1, b"", FoundFile(b"b.jpg", stamp), row.content_id),)
    assert not changes.changed


def test_a_fresh_hard_link_may_hide_a_write(disk):
    row = disk.know(b"a.jpg", 1)
    disk.find(b"a.jpg", 1, ctime=2, links=2)
    stamp = disk.find(b"b.jpg", 1, ctime=2, links=2)
    changes = disk.compare(b"").changes
    assert changes.added == ((1, b"", FoundFile(b"b.jpg", stamp)),)
    assert changes.changed == ((row.id, stamp),)


def test_a_hard_link_to_bytes_that_were_never_read(disk):
    disk.know(b"a.jpg", 1, pending=True)
    disk.find(b"a.jpg", 1, links=2)
    stamp = disk.find(b"b.jpg", 1, links=2)
    assert disk.compare(b"").changes.added == ((1, b"", FoundFile(b"b.jpg", stamp)),)


def test_the_other_names_of_a_changed_file(disk):
    row, other = disk.know(b"a.jpg", 1), disk.know(b"x/b.jpg", 1)
    disk.find(b"a.jpg", 1, size=11, links=2)
    plan = disk.compare(b"")
    assert [file_id for file_id, _ in plan.changes.changed] == [row.id]
    assert plan.hard_links == [other]


def test_a_case_only_rename_where_case_does_not_count(disk):
    row = disk.know(b"a.jpg", 1)
    stamp = disk.find(b"A.JPG", 1, ctime=2)
    planner = FileDiff(lambda _: [row], lambda _: stamp, lambda *_: 0.0)
    plan = planner.compare([disk.look(b"")], final=False)
    assert plan.changes.moved == (FileMove(row.id, 1, b"", b"A.JPG", stamp),)


def test_where_the_old_place_cannot_be_seen_nothing_has_moved(disk):
    row = disk.know(b"x/a.jpg", 1)
    stamp = disk.find(b"b.jpg", 1)

    def unreachable(_):
        raise PermissionError

    plan = FileDiff(lambda _: [row], unreachable, lambda *_: 0.0).compare(
        [disk.look(b"")], final=False
    )
    assert plan.changes.added == ((1, b"", FoundFile(b"b.jpg", stamp)),)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"a.jpg", b"a.mov"), (b"a.jpg", b"a.xmp"), (b"a.mov", b"a.jpg"), (b"a.mov", b"a.aae.xmp")],
)
def test_a_name_of_another_kind_makes_another_file(disk, old, new):
    row = disk.know(old, 1)
    stamp = disk.find(new, 1)  # not even the change time tells, as on FAT
    changes = disk.compare(b"", final=True).changes
    assert changes.added == ((1, b"", FoundFile(new, stamp)),)
    assert changes.removed == (row.id,)
    assert changes.moved == changes.linked == ()


def test_a_hard_link_of_another_kind_is_no_image(disk):
    disk.know(b"a.jpg", 1)
    disk.find(b"a.jpg", 1, links=2)
    stamp = disk.find(b"a.mov", 1, links=2)
    changes = disk.compare(b"").changes
    assert changes.added == ((1, b"", FoundFile(b"a.mov", stamp)),)


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_who_loses_a_name_has_its_other_names_looked_at(disk, how):
    disk.know(b"a.jpg", 1)
    other = disk.know(b"x/b.jpg", 1)
    if how == "renamed":
        disk.find(b"c.jpg", 1, ctime=2, links=2)
    elif how == "replaced":
        disk.find(b"a.jpg", 7)
    assert other in disk.compare(b"", final=True).hard_links
