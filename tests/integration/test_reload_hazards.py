"""SIGHUP while folders come and go, and while the daemon ends."""

import shutil
import signal
import time

import pytest
import yaml
from photo_world import can_mount, known_files, mount, picture, unmount


@pytest.fixture
def configure(tmp_path):
    """A function that writes the configuration of the daemon in `home`: its roots."""

    def write(*roots, home="home", **settings):
        path = tmp_path / home / ".config" / "imgvecd" / "imgvecd.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {"roots": list(map(str, roots)), "watch": {"settle_ms": 50}, **settings}
        path.write_text(yaml.safe_dump(settings))

    return write


@pytest.fixture
def drive(tmp_path):
    """A file system whose mount point is a root, `drive`: it is (plugged, unplugged)."""
    disk, place = tmp_path / "disk", tmp_path / "drive"
    disk.mkdir()
    place.mkdir()
    if not can_mount(str(disk)):
        pytest.skip("mounting is not permitted here")
    mount("-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk)
    mount("--bind", disk, place)
    yield place, lambda: mount("--bind", disk, place)
    for mounted in (place, disk):
        unmount(mounted, lazy=True)


@pytest.fixture
def kept(tmp_path):
    """A root with a picture that is always there."""
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "kept.png").write_bytes(picture(0))
    return folder


@pytest.fixture
def beside(kept, configure, drive, start_fast):
    """(daemon, drive, plug): it watches `kept` and the drive, which has a picture, too."""
    place, plug = drive
    (place / "drive.png").write_bytes(picture(1))
    configure(kept, place)
    return start_fast(), place, plug


def reload(daemon):
    daemon.process.send_signal(signal.SIGHUP)


def reloads(daemon):
    return daemon.log.read_text().count("the configuration was read again")


def reload_and_wait(daemon):
    before = reloads(daemon)
    reload(daemon)
    daemon.wait_until(lambda: reloads(daemon) > before)


def seen(daemon):
    """Return what there is to a user: roots, how they are watched, files, what a search finds."""
    daemon.sync()
    files = {path: known for path, (*known, offline) in known_files(daemon).items() if not offline}
    roots = {root["path"]: root.get("watching") for root in daemon.status()["roots"]}
    return roots, files, {path for path in daemon.search("a picture", 50) if path in files}


@pytest.fixture
def equals_a_fresh_start(start_fast, tmp_path):
    """A function that waits until a daemon sees what one does that has just been started."""
    homes = iter(range(100))

    def compare(daemon):
        home = f"fresh {next(homes)}"
        shutil.copytree(tmp_path / "home" / ".config", tmp_path / home / ".config")
        fresh = start_fast(home=home)
        expected = seen(fresh)
        fresh.kill()
        last = []

        def is_equal():
            last[:] = seen(daemon)
            return tuple(last) == expected

        try:
            daemon.wait_until(is_equal, 60)
        except AssertionError:
            assert tuple(last) == expected  # shows what differs
            raise
        return expected

    return compare


def test_a_drive_goes_and_comes_between_reloads(beside, kept, configure, equals_a_fresh_start):
    daemon, place, plug = beside
    encoded = daemon.status()["encoded"]
    unmount(place, lazy=True)
    reload_and_wait(daemon)
    _, files, _ = seen(daemon)
    assert set(files) == {str(kept / "kept.png")}
    plug()
    reload_and_wait(daemon)
    roots, files, found = equals_a_fresh_start(daemon)
    assert set(files) == found == {str(kept / "kept.png"), str(place / "drive.png")}
    # taken out of the configuration while it is away, and put back once it is there
    unmount(place, lazy=True)
    configure(kept)
    reload_and_wait(daemon)
    equals_a_fresh_start(daemon)
    configure(kept, place)
    reload_and_wait(daemon)
    plug()
    assert equals_a_fresh_start(daemon) == (roots, files, found)
    assert daemon.status()["encoded"] == encoded == 2
    # what comes then is heard of
    (place / "new.png").write_bytes(picture(3))
    daemon.wait_until(lambda: str(place / "new.png") in seen(daemon)[1])


@pytest.mark.long
def test_a_drive_goes_and_comes_during_reloads(beside, kept, configure, equals_a_fresh_start):
    daemon, place, plug = beside
    for turn in range(6):
        configure(*((kept, place), (place, kept), (place,))[turn % 3])
        reload(daemon)
        unmount(place, lazy=True)
        reload(daemon)
        plug()
        (place / f"{turn}.png").write_bytes(picture(2 + turn))
        configure(kept, place)
        reload(daemon)
    _, files, _ = equals_a_fresh_start(daemon)
    assert len(files) == 8
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.long
def test_a_drive_below_a_root_becomes_a_root_and_is_one_no_more(
    start_fast, tmp_path, configure, drive, equals_a_fresh_start
):
    place, plug = drive
    above = tmp_path / "above"
    above.mkdir()
    (above / "above.png").write_bytes(picture(1))
    (place / "below.png").write_bytes(picture(2))
    unmount(place)
    place.rmdir()
    place.symlink_to(above / "below")  # from here on it is mounted there
    (above / "below").mkdir()
    plug()
    below = above / "below"
    configure(above)
    daemon = start_fast()
    configure(above, below)
    reload(daemon)
    unmount(below, lazy=True)
    reload_and_wait(daemon)
    plug()
    configure(above)
    reload_and_wait(daemon)
    _, files, _ = equals_a_fresh_start(daemon)
    assert set(files) == {str(above / "above.png"), str(below / "below.png")}


def test_a_root_comes_after_the_reload_that_names_it(
    start_fast, tmp_path, configure, equals_a_fresh_start
):
    there, later = tmp_path / "there", tmp_path / "not yet" / "later"
    there.mkdir()
    (there / "there.png").write_bytes(picture(1))
    configure(there)
    daemon = start_fast()
    configure(there, later)
    reload_and_wait(daemon)
    equals_a_fresh_start(daemon)
    later.mkdir(parents=True)
    (later / "later.png").write_bytes(picture(2))
    daemon.wait_until(lambda: str(later / "later.png") in seen(daemon)[1])
    equals_a_fresh_start(daemon)
    (later / "new.png").write_bytes(picture(3))
    daemon.wait_until(lambda: str(later / "new.png") in seen(daemon)[1])
    # it goes, taken out of the configuration meanwhile, and comes as another folder
    shutil.rmtree(later)
    configure(there)
    reload_and_wait(daemon)
    configure(there, later)
    reload_and_wait(daemon)
    equals_a_fresh_start(daemon)
    later.mkdir()
    (later / "another.png").write_bytes(picture(4))
    daemon.wait_until(lambda: str(later / "another.png") in seen(daemon)[1])
    equals_a_fresh_start(daemon)


def test_signals_while_it_ends_change_nothing(start_fast, tmp_path, configure):
    """They come until the process is gone: also when the event loop has ended before it."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(picture(1))
    configure(tmp_path / "photos")
    daemon = start_fast()
    configure(tmp_path / "photos", exclude=["2.png"])
    for number in [signal.SIGTERM, *[signal.SIGHUP] * 10]:  # all at once
        daemon.process.send_signal(number)
    while daemon.process.poll() is None:
        reload(daemon)
        time.sleep(0.001)
    assert daemon.process.returncode == 0, daemon.tail()
    assert not daemon.socket.exists()
    assert (daemon.state / "catalog.sqlite.seal").exists()
    assert "Traceback" not in daemon.log.read_text()
    again = start_fast()
    assert again.status()["encoded"] == 0
    assert again.post("/v1/doctor")["healthy"]
