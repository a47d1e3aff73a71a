import pytest

from imgvecd.adapters import mounts
from imgvecd.adapters.mounts import Mount, filesystem_type, read_mounts, tells_events

MOUNTINFO = rb"""22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
30 22 0:40 / /mnt/my\040photos rw master:2 shared:9 - nfs4 server:/x rw
31 22 0:41 / /mnt rw - tmpfs tmpfs rw
32 31 0:42 / /mnt rw - fuse.sshfs host: rw
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    (tmp_path / "mountinfo").write_bytes(MOUNTINFO)
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "mountinfo"))
    return read_mounts()


def test_reading(table):
    assert table[1] == Mount(30, b"/mnt/my photos", "nfs4")
    assert [mount.type for mount in table] == ["ext4", "nfs4", "tmpfs", "fuse.sshfs"]


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        (b"/home/u", "ext4"),
        (b"/mnt/my photos/2023", "nfs4"),
        (b"/mnt/x", "fuse.sshfs"),
        (b"/mntx", "ext4"),
    ],
)
def test_the_innermost_and_latest_mount_counts(table, path, filesystem):
    assert filesystem_type(path, table) == filesystem


def test_where_there_is_no_mountinfo(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "missing"))
    assert read_mounts() == []
    assert tells_events(filesystem_type(b"/x", []))


@pytest.mark.parametrize("filesystem", ["nfs", "cifs", "9p", "fuse.sshfs", "fuse.rclone"])
def test_file_systems_that_others_change_unheard(filesystem):
    assert not tells_events(filesystem)


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs", "vfat", "overlay", "fuseblk"])
def test_file_systems_whose_changes_are_told(filesystem):
    assert tells_events(filesystem)
