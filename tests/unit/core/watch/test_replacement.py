"""Which folder may take a root's place: what would be lost by a mistake is the library."""

import hashlib
import os

import pytest

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import replacement
from imgvecd.core.watch.identity import FolderIdentity, RootOfflineError, open_folder
from imgvecd.core.watch.inclusion_rules import Rules
from imgvecd.core.watch.listing import Lister
from imgvecd.core.watch.replacement import Candidate, KnownFiles, check_replacement
from imgvecd.types import FileRow, MountRow, RootRow, Stamp

TIME_S = 1_700_000_000


class Place:
    """A folder in a root's place, and what is known of that root."""

    def __init__(self, folder):
        self.folder = folder
        self.known = []
        self.lister = Lister(os.fsencode(folder), Rules(RootConfig(path="/r"), (), WatchConfig()))

    def know(self, name, data, *, read=True):
        number = len(self.known) + 1
        stamp = Stamp(len(data), TIME_S * 10**9, number, 0)
        row = FileRow(number, 1, b"", os.fsencode(name), stamp, number, pending=not read)
        self.known.append((row, hashlib.blake2b(data, digest_size=32).digest() if read else None))

    def put(self, name, data, later_s=3600):
        path = self.folder / name
        path.write_bytes(data)
        os.utime(path, (TIME_S + later_s,) * 2)

    def why_not(self, *, filesystem="another", inode=1, mounted=False, **about):
        """Return why the folder may not take the place of the root; None if it may."""
        descriptor = open_folder(os.fsencode(self.folder))
        identity = FolderIdentity.of(descriptor)
        recorded = identity.filesystem_id if filesystem == "same" else "another"
        inode = identity.inode if inode == "same" else inode
        row = RootRow(1, b"/r", 0, inode, recorded)
        if mounted:
            row = MountRow(1, b"", 0, inode, recorded)
        about = {"is_mount": mounted, "names_a_slot": False, **about}
        known = KnownFiles(lambda: self.known)
        try:
            check_replacement(Candidate(descriptor, identity, **about), row, known, self.lister)
        except RootOfflineError as error:
            return str(error)
        finally:
            os.close(descriptor)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    for number in range(4):
        place.know(f"{number}.jpg", b"%d" % number)
    return place


def restore(place, count, later_s):
    for row, _ in place.known[:count]:
        place.put(os.fsdecode(row.name), row.name[:1], later_s)


@pytest.mark.parametrize("later_s", [0, 2, -2, 3, 86_400])
@pytest.mark.parametrize(("count", "proved"), [(4, True), (3, True), (2, False), (1, False)])
def test_most_files_prove_it_by_time_or_by_bytes(place, later_s, count, proved):
    restore(place, count, later_s)
    reason = place.why_not()
    assert reason is None if proved else "another file system" in reason


@pytest.mark.parametrize("later_s", [3, 86_400])
def test_names_and_sizes_prove_nothing(place, later_s):
    for row, _ in place.known:
        place.put(os.fsdecode(row.name), b"x", later_s)
    assert "another file system" in place.why_not()


def test_of_two_files_one_is_not_enough(tmp_path):
    place = Place(tmp_path)
    place.know("1.jpg", b"1")
    place.know("2.jpg", b"2")
    place.put("1.jpg", b"1", 0)
    assert "another file system" in place.why_not()


def test_files_that_were_never_read_prove_it_by_time_alone(tmp_path):
    place = Place(tmp_path)
    place.know("1.jpg", b"1", read=False)
    place.put("1.jpg", b"1")
    assert "another file system" in place.why_not()
    place.put("1.jpg", b"1", 0)
    assert place.why_not() is None


def test_what_is_no_regular_file_proves_nothing(tmp_path):
    place = Place(tmp_path)
    place.know("1.jpg", b"")
    os.mkfifo(tmp_path / "1.jpg")
    os.utime(tmp_path / "1.jpg", (TIME_S,) * 2)
    assert place.why_not() is not None


def test_little_is_read_and_that_once(tmp_path, monkeypatch):
    place = Place(tmp_path)
    read = []
    for number in range(20):
        data = b"x" * (number + 1)
        place.know(f"{number}.jpg", data)
        place.put(f"{number}.jpg", data)
    place.put("19.jpg", b"y" * 20)  # is not read: those that are stand for it

    def hash_and_note(root, path, stamp):
        read.append(path)
        return Lister.hash(place.lister, root, path, stamp)

    monkeypatch.setattr(place.lister, "hash", hash_and_note)
    monkeypatch.setattr(replacement, "READ_BYTES", 1 + 2 + 3 + 3)
    known = KnownFiles(lambda: place.known)
    descriptor = open_folder(os.fsencode(tmp_path))
    try:
        for _ in range(2):
            assert known.count_same(descriptor, place.lister) == 20
        assert read == [b"0.jpg", b"1.jpg", b"2.jpg"]
        place.put("1.jpg", b"yy", 7200)
        assert known.count_same(descriptor, place.lister) == 2
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("filesystem", ["same", "another"])
def test_without_images_it_is_not_the_library(place, filesystem):
    assert "holds no images" in place.why_not(filesystem=filesystem)


@pytest.mark.parametrize("filesystem", ["same", "another"])
def test_what_is_left_out_still_tells_the_place(place, filesystem):
    restore(place, 1, 0)
    place.put(".nomedia", b"")
    assert (place.why_not(filesystem=filesystem) is None) is (filesystem == "same")


def test_where_nothing_was_known_nothing_can_be_lost(tmp_path):
    assert Place(tmp_path).why_not() is None


def test_a_folder_that_was_made_again_on_its_file_system(place):
    place.put("other.jpg", b"x")
    assert place.why_not(filesystem="same") is None


def test_what_an_unmounted_disk_leaves_free_is_not_the_library(place):
    place.put("other.jpg", b"x")
    about = {"filesystem": "same", "unmounted": b"/mnt/disk"}
    assert "nothing is mounted at /mnt/disk" in place.why_not(**about)
    restore(place, 3, 0)
    assert "nothing is mounted at /mnt/disk" in place.why_not(**about)
    restore(place, 4, 0)
    assert place.why_not(**about) is None  # everything was copied there


@pytest.mark.parametrize("inode", [1, "same"])
def test_a_mounted_folder_cannot_have_been_made_again(place, inode):
    place.put("other.jpg", b"x")
    reason = place.why_not(filesystem="same", mounted=True, inode=inode)
    assert reason is None if inode == "same" else "another folder" in reason


def test_two_cards_of_one_slot_look_the_same(place):
    place.put("other.jpg", b"x")
    about = {"filesystem": "same", "inode": "same", "names_a_slot": True}
    assert "does not tell disks apart" in place.why_not(**about)
    restore(place, 3, 2)
    assert place.why_not(**about) is None
