"""A root that goes away and comes back, on a real daemon."""

import shutil


def test_a_root_that_is_gone_is_offline_and_costs_nothing_when_it_is_back(
    start, shipped_photos, tmp_path
):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(next(shipped_photos.rglob("coffee.jpg")), other / "coffee again.jpg")
    daemon = start(shipped_photos, other)
    daemon.wait_until_indexed(9)
    away = shipped_photos.with_name("unplugged")
    shipped_photos.rename(away)

    def offline_root():
        return next(
            (root for root in daemon.status()["roots"] if not root.get("online", True)), None
        )

    root = daemon.wait_until(offline_root)
    assert root["path"] == str(shipped_photos)
    assert root["offline_since"]
    assert "missing" in root["offline_reason"]
    assert daemon.status()["files"]["indexed"] == 9

    (cat,) = daemon.post("/v1/search", {"text": "a cat", "limit": 1})["hits"]
    assert (cat["path"].endswith("cat.jpg"), cat["offline"]) == (True, True)
    (coffee,) = daemon.post("/v1/search", {"text": "a cup of coffee", "limit": 1})["hits"]
    assert coffee["path"] == str(other / "coffee again.jpg")
    assert not coffee.get("offline")
    diagnosis = daemon.post("/v1/doctor")
    assert (diagnosis["healthy"], diagnosis["counts"]["offline"]) == (True, 8)

    encoded = daemon.status()["encoded"]
    (away / "2024" / "rocket.jpg").unlink()
    away.rename(shipped_photos)
    daemon.wait_until(lambda: offline_root() is None)
    daemon.wait_until_indexed(8)
    assert daemon.status()["encoded"] == encoded
    assert "offline" not in daemon.post("/v1/search", {"text": "a cat", "limit": 1})["hits"][0]


def test_deleting_everything_and_having_it_back_costs_no_encode(
    start_fast, shipped_photos, tmp_path
):
    daemon = start_fast(shipped_photos)
    daemon.wait_until_indexed(8)
    backup = shutil.copytree(shipped_photos, tmp_path / "backup")
    for entry in shipped_photos.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    daemon.wait_until_indexed(0)
    assert daemon.post("/v1/doctor")["healthy"]
    shutil.copytree(backup, shipped_photos, dirs_exist_ok=True)
    daemon.wait_until_indexed(8)
    assert len((tmp_path / "committed").read_text().split()) == 8


def test_a_root_that_is_not_there_at_the_start_is_picked_up(start, shipped_photos):
    away = shipped_photos.with_name("later")
    shipped_photos.rename(away)
    daemon = start(roots=shipped_photos)
    daemon.wait_until(lambda: not daemon.status()["roots"][0].get("online", True))
    away.rename(shipped_photos)
    daemon.wait_until_indexed(8)
