"""Daemons with the fast encoder, small pictures, and disks of our own."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from disks import LoopDisk
from fast_serving import serving
from memory import room_in_memory
from pictures import draw


@pytest.fixture
def photos(tmp_path):
    """A folder with a dozen small pictures."""
    return draw_dozen(tmp_path / "photos")


def draw_dozen(folder):
    for number in range(12):
        draw(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def serve(tmp_path):
    """A function that starts a daemon with the fast encoder on folders; it is ended at the end."""
    with serving(tmp_path / "home") as start:
        yield start


@pytest.fixture(scope="session")
def backed_up(tmp_path_factory):
    """(pictures, home): 12 pictures, a backup of their catalog, then a thirteenth picture."""
    place = tmp_path_factory.mktemp("backed-up")
    photos, home = draw_dozen(place / "photos"), place / "home"
    with serving(home) as start:
        daemon = start(photos)
        daemon.wait_until_indexed(12)
        daemon.stop()
        daemon = start(photos, catalog__backup_interval_h=1 / 36_000)
        daemon.wait_until(lambda: list(daemon.state.glob("backups/*.sqlite")))
        daemon.stop()
        draw(photos / "after the backup.png", 100)
        daemon = start(photos)
        daemon.wait_until_indexed(13)
        assert daemon.stop() == 0
    return photos, home


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts something at a new folder, which is unmounted at the end."""
    places = []

    def mount(*arguments):
        place = tmp_path / f"mount-{len(places)}"
        place.mkdir()
        done = subprocess.run(["mount", *arguments, place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
        places.append(place)
        return place

    yield mount
    for place in places:
        if os.path.ismount(place):
            subprocess.run(["umount", "--lazy", place], check=False)


@pytest.fixture
def loop_disk(tmp_path):
    """A function that makes an ext4 of our own; it is unmounted at the end."""
    disks = []

    def make(options="defaults"):
        number = len(disks)
        disks.append(LoopDisk(tmp_path / f"disk-{number}", tmp_path / f"place-{number}", options))
        return disks[-1]

    yield make
    for disk in disks:
        disk.unmount()


@pytest.fixture
def scratch(tmp_path):
    """A folder in memory, if there is one: what is flushed here needs no disk."""
    with tempfile.TemporaryDirectory(dir=room_in_memory() or tmp_path) as folder:
        yield Path(folder)
