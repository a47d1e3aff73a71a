"""What a real daemon does when it is told to stop, to reload, or to show its state."""

import contextlib
import http.client
import os
import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from gateways import Gateway
from kept_state import keep_state
from PIL import Image
from running import DEADLINE_S, RunningDaemon, flood

TESTS = Path(__file__).parents[1]


@pytest.fixture
def spawn(tmp_path):
    """A function that starts a daemon, and does not wait for it."""
    daemons = []

    def start(*folders, **options):
        daemons.append(RunningDaemon(tmp_path / "home", folders, wait=False, **options))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.kill()


@pytest.fixture
def photos(shipped_photos):
    """Enough different pictures that encoding takes a while."""
    for number in range(6):
        for photo in list(shipped_photos.glob("*.jpg")):
            if photo.stem.isalpha():
                with Image.open(photo) as image:
                    turned = image.rotate(10 * (number + 1))
                turned.save(photo.with_name(f"{photo.stem} turned {number}.jpg"))
    return shipped_photos


def committed(daemon):
    """Return how many embeddings the catalog holds."""
    with contextlib.closing(sqlite3.connect(daemon.state / "catalog.sqlite")) as catalog:
        return catalog.execute("SELECT count(*) FROM embeddings").fetchone()[0]


def loading(daemon):
    with contextlib.suppress(psutil.Error):  # one has ended
        children = psutil.Process(daemon.process.pid).children()
        return any("imgvecd.workers.encode" in child.cmdline() for child in children)
    return False


def encoding(daemon):
    return daemon.answers() and daemon.status()["encoded"] > 0


MOMENTS = {
    "start": lambda daemon: daemon.socket.exists(),
    "model load": loading,
    "encoding": encoding,
}


AT_NIGHT = [pytest.param(moment, marks=pytest.mark.nightly) for moment in ("start", "model load")]


@pytest.mark.long
@pytest.mark.parametrize("moment", [*AT_NIGHT, "encoding"])
def test_sigterm_at_any_time_ends_in_time_and_loses_nothing(spawn, photos, moment):
    daemon = spawn(photos)
    daemon.wait_until(lambda: MOMENTS[moment](daemon))
    assert daemon.stop() == 0  # after `STOP_S` it ends itself, with another status
    assert not daemon.socket.exists()
    before = committed(daemon)
    again = spawn(photos)
    again.wait_until(again.answers)
    total = sum(1 for _ in photos.rglob("*.jpg"))
    assert again.wait_until_indexed(total)["encoded"] == total - before
    assert again.stop() == 0


def test_a_second_sigterm_leaves_at_once(spawn, shipped_photos):
    daemon = spawn(shipped_photos)
    daemon.wait_until(daemon.answers)
    daemon.wait_until_indexed(8)
    with socket.socket(socket.AF_UNIX) as slow:  # the first waits for this request to come in
        slow.connect(str(daemon.socket))
        slow.sendall(b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        daemon.status()  # answered after the daemon has begun with the other
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_until(lambda: "stopping" in daemon.tail())
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(DEADLINE_S) == 128 + signal.SIGTERM
    again = spawn(shipped_photos)
    again.wait_until(again.answers)
    assert again.wait_until_indexed(8)["encoded"] == 0
    assert again.search("a cat", 1)[0].endswith("cat.jpg")


def test_sigusr1_writes_the_state_without_names(spawn, shipped_photos):
    (shipped_photos / "zebra crossing.jpg").write_bytes(b"no picture")
    daemon = spawn(shipped_photos)
    daemon.wait_until(daemon.answers)
    daemon.wait_until(lambda: daemon.is_idle() and daemon.status()["files"]["failed"] == 1)
    daemon.search("pink elephants")
    daemon.process.send_signal(signal.SIGUSR1)
    path = daemon.wait_until(lambda: re.search(r"state dump: (.*)", daemon.tail()))[1]
    assert path == str(daemon.state / "state-dump.txt")
    assert os.stat(path).st_mode & 0o777 == 0o600
    dump = (daemon.state / "state-dump.txt").read_text()
    assert "<root 1>" in dump
    for part in (
        "reconciler\n",
        "watching",
        "MainThread",
        '"indexed": 8',
    ):
        assert part in dump, part
    assert re.search(r"imgvecd\.server\.routes: (slow )?search", dump)
    # what stays is not looked through again and again, while all threads wait
    assert int(re.search(r"gc: .*, (\d+) objects are not looked at", dump)[1]) > 50_000
    private = [name for path in shipped_photos.rglob("*") for name in (path.name, path.stem)]
    for word in (*private, "Fotos", "zebra", "elephants", str(daemon.home)):
        assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", dump), word
    assert daemon.search("a cat", 1)  # and goes on


def churning(spawn, tmp_path):
    """Return a daemon that answers, with threads that come and go all the time."""
    (tmp_path / "photos").mkdir()
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    daemon = spawn(tmp_path / "photos", module="churning_daemon", env=env)
    daemon.wait_until(daemon.answers)
    return daemon


def test_no_number_of_sigusr1_does_harm(spawn, tmp_path):
    daemon = churning(spawn, tmp_path)
    for _ in range(2000):
        daemon.process.send_signal(signal.SIGUSR1)
        time.sleep(0.001)
    daemon.process.send_signal(signal.SIGTERM)
    while daemon.process.poll() is None:
        daemon.process.send_signal(signal.SIGUSR1)
        time.sleep(0.001)
    assert daemon.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_signals_as_fast_as_they_can_be_sent_do_not_keep_a_daemon_from_stopping(
    spawn, tmp_path, number
):
    daemon = churning(spawn, tmp_path)
    for _ in range(20_000):
        daemon.process.send_signal(number)
    daemon.process.send_signal(signal.SIGTERM)
    assert flood(daemon.process, number) == 0
    assert b"RecursionError" not in daemon.log.read_bytes()


def test_a_flood_of_sigint_ends_a_page_as_one_does(start_fast, tmp_path):
    (tmp_path / "photos").mkdir()
    daemon = start_fast(tmp_path / "photos")
    with open(tmp_path / "errors", "wb") as errors:
        gateway = Gateway(daemon, errors=errors)
    try:
        asked = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE_S)
        asked.request("GET", "/")
        asked.getresponse()  # it answers once it hears signals
        asked.close()
        assert flood(gateway.process, signal.SIGINT) == 128 + signal.SIGINT
    finally:
        gateway.close()
    assert (tmp_path / "errors").read_text() == ""


def test_of_many_sighups_the_latest_configuration_is_in_force(spawn, shipped_photos, tmp_path):
    config = tmp_path / "home" / ".config" / "imgvecd" / "imgvecd.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"roots: ['{shipped_photos}']\n")
    daemon = spawn()
    daemon.wait_until(daemon.socket.exists)
    for number in range(5):
        extra = tmp_path / f"extra {number}"
        extra.mkdir()
        config.write_text(f"roots: ['{shipped_photos}', '{extra}']\n")
        daemon.process.send_signal(signal.SIGHUP)
    roots = {str(shipped_photos), str(extra)}
    daemon.wait_until(daemon.answers)
    daemon.wait_until(lambda: {root["path"] for root in daemon.status()["roots"]} == roots)


def test_closing_the_terminal_stops_it(spawn, tmp_path):
    (tmp_path / "photos").mkdir()
    keep_state(tmp_path / "home" / ".local" / "state" / "imgvecd")
    ours, theirs = os.openpty()
    daemon = spawn(tmp_path / "photos", wrapper=("setsid", "--ctty"), stdin=theirs)
    os.close(theirs)
    daemon.wait_until(daemon.answers)
    os.close(ours)
    assert daemon.process.wait(DEADLINE_S) == 0
