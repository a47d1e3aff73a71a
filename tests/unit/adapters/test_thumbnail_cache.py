"""The cache of thumbnails is private, bounded, forgets what nobody asks for, and may be broken."""

import os
import stat

import pytest

from imgvecd.adapters.thumbnail_cache import ThumbnailCache

PICTURE = b"\xff\xd8" + bytes(996) + b"\xff\xd9"


def paths(directory):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(directory) for name in names)


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "cache" / "thumbnails")


def test_what_was_kept_is_there_after_a_restart(directory):
    ThumbnailCache(directory, 10_000).put("aa1-256-1", PICTURE)
    assert ThumbnailCache(directory, 10_000).get("aa1-256-1") == PICTURE
    assert ThumbnailCache(directory, 10_000).get("aa2-256-1") is None


def test_nobody_else_can_look(directory):
    ThumbnailCache(directory, 10_000).put("aa1", PICTURE)
    (path,) = paths(directory)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for folder in (directory, os.path.dirname(path)):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_the_room_is_bounded_and_what_was_asked_for_last_stays(directory):
    cache = ThumbnailCache(directory, 5_000)
    for number in range(5):
        cache.put(f"{number}0", PICTURE)
        os.utime(paths(directory)[-1], (number, number))
    assert cache.get("00") == PICTURE  # the oldest is now the newest
    cache.put("50", PICTURE)
    assert cache.get("00") == PICTURE
    assert cache.get("50") == PICTURE
    assert cache.get("10") is None
    assert sum(map(os.path.getsize, paths(directory))) <= 4_000
    for number in range(100):
        cache.put(f"x{number}", PICTURE)
        assert sum(map(os.path.getsize, paths(directory))) <= 5_000


def test_what_lay_there_before_counts(directory):
    first = ThumbnailCache(directory, 1_000_000)
    for number in range(20):
        first.put(f"{number:02}", PICTURE)
    ThumbnailCache(directory, 5_000).put("zz", PICTURE)
    assert sum(map(os.path.getsize, paths(directory))) <= 5_000


@pytest.mark.parametrize("damage", [b"", PICTURE[:500], bytes(1000)])
def test_half_a_picture_is_none(directory, damage):
    cache = ThumbnailCache(directory, 10_000)
    cache.put("aa", PICTURE)
    (path,) = paths(directory)
    with open(path, "wb") as file:
        file.write(damage)
    assert cache.get("aa") is None
    cache.put("aa", PICTURE)
    assert cache.get("aa") == PICTURE


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file in the way")
    cache = ThumbnailCache(str(tmp_path / "cache" / "thumbnails"), 10_000)
    cache.put("aa", PICTURE)
    cache.put("bb", PICTURE)
    assert cache.get("aa") is None
    assert len(caplog.records) == 1
