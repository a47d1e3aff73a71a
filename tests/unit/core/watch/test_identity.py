import os

import pytest

from imgvecd.core.watch.identity import (
    FolderIdentity,
    RootOfflineError,
    mount_point_above,
    open_folder,
)
from imgvecd.types import RootRow

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


@pytest.mark.parametrize(
    ("path", "point"),
    [(b"/mnt/disk/photos", b"/mnt/disk"), (b"/mnt/disk", b"/mnt/disk"), (b"/mnt/disks", b"/")],
)
def test_the_mount_that_a_path_lies_on(path, point):
    assert mount_point_above(path, {b"/", b"/mnt/disk"}) == point
    assert mount_point_above(path, {}) is None
