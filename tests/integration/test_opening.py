"""What is opened, and what never is: pipes and links beside pictures; paths of any length."""

import ctypes
import os
import shutil
import socket
import stat
import sys

import pytest
from photo_world import known_files, picture
from running import Connection

IN_OPEN = 0x20  # linux/inotify.h
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
DEEP = [b"d" * 250] * 18  # more than PATH_MAX


class Opens:
    """Whether any of these was opened since."""

    def __init__(self, paths):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(os.O_NONBLOCK)
        for path in paths:
            assert self._libc.inotify_add_watch(self._watch, bytes(path), IN_OPEN) >= 0

    def any(self):
        try:
            return bool(os.read(self._watch, 4096))
        except BlockingIOError:
            return False


def make_device(path):
    """Make what reads as zeros without an end."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices may not be made")


def make_socket(path):
    folder = os.open(path.parent, os.O_RDONLY)  # a socket's path may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify tells of opens")
@pytest.mark.parametrize("make", [os.mkfifo, make_device, make_socket])
def test_what_is_no_file_is_never_opened_as_a_sidecar(start_fast, tmp_path, make):
    library = tmp_path / "library"
    library.mkdir()
    outside = tmp_path / "outside.xmp"
    outside.write_bytes(XMP)
    names = ["pipe.jpg.xmp", "pipe.xmp", "pipe.jpg.json", "pipe.jpg.supplemental-metadata.json"]
    for number, name in enumerate(names):
        make(library / name)
        (library / f"{number}.png").write_bytes(picture(number))
    (library / "pipe.jpg").write_bytes(picture(9))
    (library / "0.png.xmp").symlink_to(outside)
    (library / "1.png.json").symlink_to(outside)
    (library / "2.png.xmp").mkdir()
    opens = Opens([*(library / name for name in names), outside])
    daemon = start_fast(library)
    daemon.sync()
    (library / "3.png.xmp").write_bytes(XMP)
    os.rename(library / names[0], library / "9.xmp")
    daemon.sync()
    assert sum(not path.endswith((".xmp", ".json")) for path in known_files(daemon)) == 5
    assert daemon.imgvecd("doctor").returncode == 0
    assert not opens.any()


def test_pictures_below_path_max_are_found_and_shown(start_fast, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    opened = [os.open(library, os.O_RDONLY)]
    for name in DEEP:
        os.mkdir(name, dir_fd=opened[-1])
        opened.append(os.open(name, os.O_RDONLY, dir_fd=opened[-1]))
    for name, data in ((b"1.png", picture(1)), (b"1.png.xmp", XMP)):
        with open(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=opened[-1]), "wb") as file:
            file.write(data)
    try:
        daemon = start_fast(library)
        daemon.sync()
        ((path, _),) = known_files(daemon).items()
        assert os.fsencode(path).endswith(b"/".join([*DEEP, b"1.png"]))
        (hit,) = daemon.post("/v1/search", {"text": "anything", "all": True})["hits"]
        assert hit["path"] == path
        connection = Connection(daemon.socket)
        connection.request("GET", f"/v1/images/{hit['id']}/thumbnail")
        assert connection.getresponse().read().startswith(b"\xff\xd8")
        assert daemon.get(f"/v1/images/{hit['id']}")["companions"][0]["kind"] == "sidecar"
        assert daemon.imgvecd("doctor").returncode == 0
    finally:
        for descriptor in opened:
            os.close(descriptor)
        shutil.rmtree(library)
