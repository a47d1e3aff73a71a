import os

import pytest

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import expected_files, make_lister, why_left_out


@pytest.fixture
def lister(tmp_path):
    for name in (
        "a.jpg",
        "x/b.jpg",
        "x/y/c.jpg",
        "out/d.jpg",
        "n/.nomedia",
        "n/e/f.jpg",
        "in/g.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "big.jpg").write_bytes(b"x" * 100)
    root, inner = RootConfig(path=str(tmp_path)), RootConfig(path=str(tmp_path / "in"))
    return make_lister(root, [root, inner], ["out"], WatchConfig(max_size_bytes=50))


def test_what_belongs_to_a_root(lister):
    files = {os.path.join(directory, file.name) for directory, file in expected_files(lister)}
    assert files == {b"a.jpg", b"x/b.jpg", b"x/y/c.jpg"}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("gone", path)])
def test_a_marker_may_be_anything(lister, tmp_path, make):
    make(tmp_path / "x" / ".nomedia")
    files = {os.path.join(directory, file.name) for directory, file in expected_files(lister)}
    assert files == {b"a.jpg"}
    assert ".nomedia" in why_left_out(lister, b"x/y", b"c.jpg")


@pytest.mark.parametrize(
    ("directory", "name", "reason"),
    [
        (b"x/y", b"c.jpg", None),
        (b"out", b"d.jpg", "excluded by 'out'"),
        (b"in", b"g.jpg", "a root of its own"),
        (b"n/e", b"f.jpg", ".nomedia in its folder or one above"),
        (b"", b"big.jpg", "larger than max_size_bytes (50)"),
        (b"x", b".h.jpg", "hidden"),
    ],
)
def test_why_a_file_is_left_out(lister, directory, name, reason):
    assert why_left_out(lister, directory, name) == reason
