import os

import pytest

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch.identity import (
    FolderIdentity,
    RootOfflineError,
    check_replacement,
    open_folder,
)
from imgvecd.core.watch.inclusion_rules import Rules
from imgvecd.core.watch.listing import Lister
from imgvecd.types import FileRow, RootRow, Stamp

HERE = FolderIdentity(device=1, inode=10, filesystem_id="aa")


def row(device, inode, filesystem_id):
    return RootRow(1, b"/r", device, inode, filesystem_id)


@pytest.mark.parametrize(
    ("recorded", "same"),
    [
        (row(1, 10, "aa"), True),
        (row(9, 10, "aa"), True),  # the device number changes when a disk is plugged in again
        (row(1, 10, "bb"), False),  # another disk in the same slot: its root's inode is the same
        (row(1, 11, "aa"), False),
        (row(1, 10, None), True),
        (row(2, 10, None), False),
    ],
)
def test_recognising(recorded, same):
    assert HERE.is_of(recorded) is same


@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda path: None, "missing"), (lambda path: path.write_bytes(b""), "a file in the folder")],
)
def test_what_cannot_be_opened(tmp_path, make, reason):
    make(tmp_path / "r")
    with pytest.raises(RootOfflineError, match=reason):
        open_folder(os.fsencode(tmp_path / "r"))


def known(*names):
    return [
        FileRow(n, 1, b"", name, Stamp(1, 0, n, 0), None, False) for n, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("present", "same_filesystem", "reason"),
    [
        ((), True, "holds no images"),
        ((), False, "holds no images"),
        ((b"other.jpg",), False, "another file system"),
        ((b"other.jpg",), True, None),
        ((b"1.jpg",), False, "another file system"),
        ((b"1.jpg", b"2.jpg"), False, None),
    ],
)
def test_which_folder_may_take_a_roots_place(tmp_path, present, same_filesystem, reason):
    for name in present:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    descriptor = open_folder(os.fsencode(tmp_path))
    identity = FolderIdentity.of(descriptor)
    recorded = row(identity.device, 0, identity.filesystem_id if same_filesystem else "another")
    files = known(b"1.jpg", b"2.jpg", b"3.jpg", b"4.jpg")
    rules = Rules(RootConfig(path="/r"), (), WatchConfig())
    lister = Lister(os.fsencode(tmp_path), rules)
    try:
        if reason is None:
            check_replacement(descriptor, identity, recorded, files, lister)
        else:
            with pytest.raises(RootOfflineError, match=reason):
                check_replacement(descriptor, identity, recorded, files, lister)
        check_replacement(descriptor, identity, recorded, [], lister)
    finally:
        os.close(descriptor)
