"""File systems below a root that come and go are told of, whoever sees it first."""

import os

import pytest

from imgvecd.catalog import Catalog
from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import make_lister
from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.identity import open_folder
from imgvecd.core.watch.mounts import Mounts
from imgvecd.types import FileChanges, FoundFile, Stamp


class MountTable:
    """Where something is mounted, if the test is to be believed."""

    def __init__(self, *points):
        self.points = dict.fromkeys(points, "ext4")

    def mount_points(self):
        return self.points


@pytest.mark.parametrize("seen_by_a_look", [False, True])
def test_a_mount_that_comes_or_goes_is_news_once(tmp_path, seen_by_a_look):
    root = tmp_path / "root"
    (root / "card").mkdir(parents=True)
    (root / "card" / "a.jpg").write_bytes(b"a")
    card = os.fsencode(root / "card")
    table = MountTable(b"/", card)
    config = RootConfig(path=str(root))
    lister = make_lister(config, [config], (), WatchConfig())
    catalog = Catalog(str(tmp_path / "state"))
    descriptor = open_folder(os.fsencode(root))
    try:
        (row,) = catalog.files.set_roots([os.fsencode(root)])
        found = FoundFile(b"a.jpg", Stamp.of((root / "card" / "a.jpg").stat()))
        catalog.files.apply(FileChanges(added=((row.id, b"card", found),)))
        mounts = Mounts(catalog.files, table, row.id, row.path, DiskCalls())
        mounts.note(descriptor, b"card")
        assert mounts.check(descriptor, lister) == []
        for is_there in (False, True):
            if is_there:
                (root / "card").rmdir()
                (tmp_path / "disk").rename(root / "card")
                table.points[card] = "ext4"
            else:
                (root / "card").rename(tmp_path / "disk")
                (root / "card").mkdir()
                del table.points[card]
            if seen_by_a_look:
                assert mounts.holds(descriptor, lister, b"card/below") is not is_there
            assert mounts.check(descriptor, lister) == [b"card"]
            assert mounts.check(descriptor, lister) == []
    finally:
        os.close(descriptor)
        catalog.close()
