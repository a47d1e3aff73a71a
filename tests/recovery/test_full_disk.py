"""A disk that is full, fails, turns read-only or vanishes: searches go on, and later the rest."""

import contextlib
import shutil
import subprocess

import pytest
from disks import injected
from pictures import draw

from imgvecd.catalog import Catalog, CatalogRecovery
from imgvecd.errors import CatalogError


def fill(place):
    """Leave no byte free."""
    with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    with contextlib.suppress(OSError), open(place / "filler", "ab", buffering=0) as file:
        while True:
            file.write(b"0")


def wait_until_degraded(daemon, words):
    """Return once the daemon says that it is degraded, and says these words."""

    def says_so():
        health = daemon.get("/v1/health")
        return health["status"] == "degraded" and words in " ".join(health["reasons"])

    daemon.wait_until(says_so)


def is_well(daemon):
    return daemon.get("/v1/health")["status"] == "ok"


def test_a_full_disk(mounted, photos, serve):
    disk = mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs")
    daemon = serve(photos, state_dir=disk / "state", index__checkpoint_interval_s=0.2)
    daemon.wait_until_indexed(12)
    fill(disk)
    for number in range(12, 40):
        draw(photos / f"{number}.png", number)
    wait_until_degraded(daemon, "free some space")
    assert any("free some space" in line for line in daemon.status()["warnings"])
    assert len(daemon.search("never asked before", limit=100)) == 12
    assert daemon.request("POST", "/v1/search", {"image": {"id": 1}})[0] == 200
    assert daemon.imgvec("search", "asked on the command line", "--all").returncode == 0
    (disk / "filler").unlink()
    daemon.wait_until_indexed(40)
    daemon.wait_until(lambda: is_well(daemon))
    assert len(daemon.search("never asked before", limit=100)) == 40
    assert daemon.stop() == 0


def test_a_start_on_a_full_disk(mounted, backed_up, serve):
    photos, home = backed_up
    disk = mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs")
    shutil.copytree(home / ".local" / "state" / "imgvecd", disk / "state")
    fill(disk)
    daemon = serve(photos, state_dir=disk / "state")
    assert daemon.wait_until_indexed(13)["encoded"] == 0
    assert len(daemon.search("never asked before", limit=100)) == 13
    assert daemon.stop() == 0


def test_the_very_first_start_on_a_full_disk(mounted):
    disk = mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs")
    with pytest.raises(CatalogError, match="free some space"):
        Catalog(str(disk / "state"))
    subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
    CatalogRecovery(str(disk / "state")).prepare()
    Catalog(str(disk / "state")).close()


def test_a_catalog_on_a_read_only_medium_can_be_read(mounted, backed_up):
    medium = mounted("-t", "tmpfs", "tmpfs")
    state = medium / "state"
    shutil.copytree(backed_up[1] / ".local" / "state" / "imgvecd", state)
    subprocess.run(["mount", "-o", "remount,ro", medium], check=True)
    catalog = Catalog(str(state), read_only=True)
    assert catalog.embeddings.clock() > 0
    catalog.close()
    with pytest.raises(CatalogError, match="make the file system writable again"):
        Catalog(str(state))


def test_a_restoration_that_finds_no_space(mounted, backed_up):
    disk = mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    state = disk / "state"
    ignored = shutil.ignore_patterns("spare", "index")
    shutil.copytree(backed_up[1] / ".local" / "state" / "imgvecd", state, ignore=ignored)
    (state / "catalog.sqlite").write_bytes(b"noise")
    fill(disk)
    for _ in range(2):
        with pytest.raises(CatalogError, match="free some space"):
            CatalogRecovery(str(state)).prepare()
        assert not list(state.glob("*.tmp"))
    (disk / "filler").unlink()
    recovery = CatalogRecovery(str(state))
    recovery.prepare()
    assert "it was restored from the backup of" in recovery.report


def test_a_state_directory_that_vanishes_and_comes_back(photos, serve, tmp_path):
    state, aside = tmp_path / "state", tmp_path / "aside"
    daemon = serve(photos, state_dir=state, index__checkpoint_interval_s=0.2)
    daemon.wait_until_indexed(12)
    state.rename(aside)
    draw(photos / "new.png", 100)
    wait_until_degraded(daemon, "moved or deleted: put it back")
    assert len(daemon.search("never asked before", limit=100)) == 12
    assert not state.exists()
    aside.rename(state)
    daemon.wait_until_indexed(13)
    daemon.wait_until(lambda: is_well(daemon))
    assert daemon.stop() == 0
    daemon = serve(photos, state_dir=state)
    assert daemon.wait_until_indexed(13)["encoded"] == 0


@pytest.mark.nightly
def test_a_state_directory_that_is_deleted(photos, serve, tmp_path):
    state = tmp_path / "state"
    daemon = serve(photos, state_dir=state)
    daemon.wait_until_indexed(12)
    shutil.rmtree(state)
    draw(photos / "new.png", 100)
    wait_until_degraded(daemon, "restart imgvecd to begin anew")
    assert len(daemon.search("never asked before", limit=100)) == 12
    assert daemon.stop() == 0
    serve(photos, state_dir=state).wait_until_indexed(13)


def test_an_index_that_had_no_place_is_written_once_it_has_one(photos, serve, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "index").write_bytes(b"")
    daemon = serve(photos, state_dir=state)
    daemon.wait_until_indexed(12)
    status, answer = daemon.request("POST", "/v1/checkpoint")
    assert (status, answer["code"]) == (503, "storage")
    (state / "index").unlink()
    assert daemon.post("/v1/checkpoint")["clock"]
    daemon.wait_until(lambda: is_well(daemon))
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.parametrize("error", ["EIO", pytest.param("ENOSPC", marks=pytest.mark.nightly)])
def test_a_disk_that_takes_no_write(photos, serve, error):
    daemon = serve(photos, index__checkpoint_interval_s=0.2)
    daemon.wait_until_indexed(12)
    with injected(daemon.process.pid, f"pwrite64,fsync,fdatasync:error={error}"):
        draw(photos / "new.png", 100)
        words = "the disk fails" if error == "EIO" else "free some space"
        wait_until_degraded(daemon, words)
        assert len(daemon.search("never asked before", limit=100)) == 12
    daemon.wait_until_indexed(13)
    daemon.wait_until(lambda: is_well(daemon))
    assert daemon.stop() == 0
    assert serve(photos).wait_until_indexed(13)["encoded"] == 0


def test_a_file_system_that_turns_read_only(loop_disk, photos, serve):
    disk = loop_disk("errors=remount-ro")
    daemon = serve(photos, state_dir=disk.place / "state", index__checkpoint_interval_s=0.2)
    daemon.wait_until_indexed(12)
    disk.damage()
    draw(photos / "new.png", 100)
    wait_until_degraded(daemon, "make the file system writable again")
    assert len(daemon.search("never asked before", limit=100)) == 12
    daemon.stop()
    disk.mount_again()
    daemon = serve(photos, state_dir=disk.place / "state")
    assert daemon.wait_until_indexed(13)["encoded"] == 1


def test_a_state_directory_that_cannot_be_written_at_the_start(mounted, photos, serve):
    disk = mounted("-t", "tmpfs", "-o", "ro", "tmpfs")
    with pytest.raises(
        AssertionError,
        match=r"cannot be written: Read-only file system: .*; make the file system writable again",
    ):
        serve(photos, state_dir=disk / "state")
