"""Downloads: the same image at once from many threads, whole on the disk, and gone when dropped."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from imgvecd.core.files import downloads


def test_the_same_image_many_times_at_once_is_one_file(tmp_path):
    body = os.urandom(1_000_000)
    with ThreadPoolExecutor(16) as pool:
        paths = set(pool.map(lambda _: downloads.keep(str(tmp_path), body), range(80)))
    (path,) = paths
    assert os.listdir(tmp_path) == [os.path.basename(path)]
    with open(path, "rb") as file:
        assert file.read() == body


def test_what_was_left_half_written_goes(tmp_path):
    left = tmp_path / "x.tmp"
    left.write_bytes(b"half")
    old = time.time() - 2 * 86_400
    os.utime(left, (old, old))
    downloads.keep(str(tmp_path), b"whole")
    assert not left.exists()


def test_only_downloads_are_dropped(tmp_path):
    folder = tmp_path / "downloads"
    path = downloads.keep(str(folder), b"body")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"mine")
    downloads.drop(str(folder), str(photo))
    downloads.drop(str(folder), path)
    downloads.drop(str(folder), path)
    assert photo.exists()
    assert not os.path.exists(path)
