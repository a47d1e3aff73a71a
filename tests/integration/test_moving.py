"""docs/moving.md: a library that is backed up, restored or moved encodes nothing again."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

TAG = "said by hand"


@pytest.fixture
def encoded(tmp_path):
    """A function: the contents encoded so far, one item each time."""
    return lambda: (tmp_path / "committed").read_text().split()


def known(daemon, photos):
    """What is known of each photo, by its place in the library: content and tags."""
    images = daemon.get("/v1/images", limit=1000)["images"]
    return {
        str(Path(file["path"]).relative_to(photos)): image.get("user_metadata", {}).get("tags", [])
        for image in images
        for file in image["files"]
    }


def tagged(daemon):
    image = daemon.get("/v1/images", limit=1)["images"][0]
    daemon.post("/v1/tags", {"ids": [image["id"]], "add": [TAG]})


@pytest.mark.parametrize("place", ["Fotos of mine", "elsewhere/Photos"])
def test_another_machine_encodes_nothing(start_fast, encoded, shipped_photos, tmp_path, place):
    old = start_fast(shipped_photos, home="old home")
    tagged(old)
    before = known(old, shipped_photos)
    assert len(before) > 5
    first = len(encoded())
    assert old.stop() == 0
    new_photos = tmp_path / "new machine" / place
    shutil.copytree(shipped_photos, new_photos)
    state = tmp_path / "new home" / ".local" / "state" / "imgvecd"
    shutil.copytree(old.state, state)
    shutil.rmtree(shipped_photos)
    new = start_fast(new_photos, home="new home")
    assert known(new, new_photos) == before
    assert len(encoded()) == first
    code, report = new.request("POST", "/v1/doctor", {})
    assert code == 200
    assert report["healthy"], report


def test_a_backup_alone_brings_everything_back(start_fast, encoded, shipped_photos, tmp_path):
    old = start_fast(shipped_photos, catalog__backup_interval_h=1 / 36_000)
    tagged(old)
    before = known(old, shipped_photos)
    first = len(encoded())
    kept = tmp_path / "kept.sqlite"

    def kept_with_the_tag():
        for backup in sorted((old.state / "backups").glob("catalog-*.sqlite"), reverse=True):
            # As a backup program does, while the daemon runs and deletes backups that are too old.
            with suppress(FileNotFoundError):
                shutil.copy(backup, kept)
                if TAG.encode() in kept.read_bytes():
                    return True
        return False

    old.wait_until(kept_with_the_tag)
    assert old.stop() == 0
    shutil.rmtree(old.state)
    old.state.mkdir(mode=0o700)
    shutil.copy(kept, old.state / "catalog.sqlite")
    new = start_fast(shipped_photos)
    assert known(new, shipped_photos) == before
    assert len(encoded()) == first
