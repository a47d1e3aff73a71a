"""Opening below a folder never leaves it, with the kernel's help and without."""

import errno
import os
import stat
import threading

import pytest

from imgvecd.core.files import beneath
from imgvecd.core.files.beneath import READ_FILE, FileOpener, Links, open_beneath, stat_beneath
from imgvecd.errors import UnreadableImageError


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def kernel(request, monkeypatch):
    monkeypatch.setattr(beneath._kernel, "has_openat2", request.param == "openat2")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.jpg").write_bytes(b"outside")
    (tmp_path / "root" / "a" / "1.jpg").write_bytes(b"inside")
    return tmp_path / "root"


@pytest.fixture
def folder(root):
    descriptor = os.open(root, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def read(folder, relative, links=Links.NONE):
    with open(open_beneath(folder, relative, READ_FILE, links), "rb") as file:
        return file.read()


def refused(folder, relative, links=Links.NONE):
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the number tells
        read(folder, relative, links)
    return caught.value.errno in {errno.ELOOP, errno.ENOTDIR}


def test_a_file_is_opened(folder):
    assert read(folder, b"a/1.jpg") == b"inside"
    assert stat_beneath(folder, b"a/1.jpg").st_size == 6


def test_no_way_leads_out(root, folder):
    (root / "up").symlink_to("../outside")
    (root / "absolute").symlink_to(root.parent / "outside")
    (root / "twice").symlink_to("up")
    (root / "a" / "2.jpg").symlink_to("../../outside/1.jpg")
    for links in (Links.NONE, Links.INSIDE):
        for way in (
            b"up/1.jpg",
            b"absolute/1.jpg",
            b"twice/1.jpg",
            b"a/2.jpg",
            b"../outside/1.jpg",
        ):
            assert refused(folder, way, links), (links, way)
    assert read(folder, b"up/1.jpg", Links.ANYWHERE) == b"outside"


def test_links_that_stay_inside_are_followed_where_wanted(root, folder):
    (root / "relative").symlink_to("a")
    (root / "absolute").symlink_to(root / "a")
    (root / "out and in").symlink_to("../root/a")
    for way in (b"relative/1.jpg", b"absolute/1.jpg", b"out and in/1.jpg"):
        assert read(folder, way, Links.INSIDE) == b"inside"
        assert stat_beneath(folder, way, Links.INSIDE).st_size == 6
        assert refused(folder, way)


def test_of_a_link_that_is_not_followed_the_state_is_its_own(root, folder):
    (root / "link").symlink_to("a/1.jpg")
    assert stat.S_ISLNK(stat_beneath(folder, b"link").st_mode)
    assert stat_beneath(folder, b"link", Links.INSIDE).st_size == 6


def test_a_path_may_be_longer_than_the_system_takes(folder):
    name = b"n" * 250
    opened = [os.dup(folder)]
    for _ in range(20):
        os.mkdir(name, dir_fd=opened[-1])
        opened.append(os.open(name, os.O_RDONLY, dir_fd=opened[-1]))
    os.close(os.open(b"1.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=opened[-1]))
    for descriptor in opened:
        os.close(descriptor)
    assert stat_beneath(folder, b"/".join([*[name] * 20, b"1.jpg"])).st_size == 0
    assert read(folder, b"/".join([*[name] * 20, b"1.jpg"])) == b""


def test_files_are_opened_beneath_their_own_root(root):
    opener = FileOpener()
    (root / "link").symlink_to("../outside")
    opener.use_roots({bytes(root): Links.NONE, bytes(root / "a"): Links.NONE})
    for path in (root / "a" / "1.jpg", root.parent / "outside" / "1.jpg"):
        os.close(opener.open(bytes(path)))
    with pytest.raises(OSError, match=r"link|directory"):
        opener.open(bytes(root / "link" / "1.jpg"))
    opener.use_roots({bytes(root): Links.ANYWHERE})
    os.close(opener.open(bytes(root / "link" / "1.jpg")))


def test_a_pipe_is_no_file(root):
    opener = FileOpener()
    opener.use_roots({bytes(root): Links.NONE})
    os.mkfifo(root / "pipe")
    with pytest.raises(UnreadableImageError):
        opener.open(bytes(root / "pipe"))
    with pytest.raises(UnreadableImageError):
        opener.open(bytes(root / "a"))


def test_a_folder_that_is_swapped_for_a_link_all_the_time_never_leads_out(root, folder):
    (root / "b").symlink_to("../outside")
    done = threading.Event()

    def swap():
        while not done.is_set():
            os.rename(root / "a", root / "c")
            os.rename(root / "b", root / "a")
            os.rename(root / "a", root / "b")
            os.rename(root / "c", root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    seen, errors = set(), set()
    try:
        for _ in range(300):
            try:
                seen.add(read(folder, b"a/1.jpg"))
            except OSError as error:
                errors.add(error.errno)
    finally:
        done.set()
        thread.join()
    assert seen <= {b"inside"}
    assert errors <= {errno.ELOOP, errno.ENOTDIR, errno.ENOENT}
