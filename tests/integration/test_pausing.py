"""A good neighbour: a real daemon rests when it should, says why, and answers meanwhile."""

import contextlib
import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from running import DEADLINE_S, RunningDaemon

QUIET = {"encode__idle_s": 0.2, "decode__idle_s": 0.2}


def copy(photos, name):
    """Put one more picture, of bytes of its own, into the library."""
    path = photos / name
    path.write_bytes(next(photos.rglob("cat.jpg")).read_bytes() + name.encode())
    return path


def waits(daemon, cause):
    """Return the status once something waits for a pause to end."""

    def waiting():
        status = daemon.status()
        return status if status["state"] == "paused" else None

    status = daemon.wait_until(waiting)
    assert status["pause"]["cause"] == cause
    return status


@pytest.mark.long
def test_pause_and_resume(start, shipped_photos):
    daemon = start(shipped_photos, **QUIET)
    daemon.wait_until_indexed(8)
    known = daemon.request("POST", "/v1/search", {"text": "a cat", "limit": 1})[1]["hits"][0]["id"]

    done = daemon.imgvec("pause", "--for", "1h30min")
    assert done.returncode == 0
    assert done.stdout.startswith(b"paused: by request until ")
    assert daemon.status()["state"] == "idle"  # nothing waits yet
    copy(shipped_photos, "new.jpg")
    status = waits(daemon, "request")  # it was seen: watching goes on
    assert (status["files"]["pending"], status["encoded"]) == (1, 8)
    assert b"paused    by request until" in daemon.imgvec("status").stdout
    assert daemon.get("/v1/health")["status"] == "ok"

    # searches by text and by stored image are answered
    assert daemon.search("something nobody has asked yet", 3)
    found = daemon.request("POST", "/v1/search", {"image": {"id": known}})
    assert found[0] == 200
    assert found[1]["hits"]
    assert found[1]["indexing"]  # not all that is there can be found

    # whoever waits is told why
    done = daemon.imgvec("sync", "--timeout", "100")
    assert done.returncode == 2
    assert b"paused (by request until" in done.stderr
    assert b"imgvec resume" in done.stderr
    code, problem = daemon.request("POST", "/v1/rescan", {"wait": True})
    assert (code, problem["code"]) == (503, "paused")

    done = daemon.imgvec("resume")
    assert (done.returncode, done.stdout) == (0, b"indexing goes on\n")
    daemon.sync()
    assert daemon.status()["files"]["indexed"] == 9
    assert daemon.status()["pause"] is None
    assert not daemon.post("/v1/search", {"image": {"id": known}})["indexing"]


@pytest.mark.nightly
def test_a_pause_begun_while_somebody_waits_ends_the_waiting(start, shipped_photos):
    daemon = start(shipped_photos, **QUIET)
    daemon.wait_until_indexed(8)
    waiting = subprocess.Popen(
        [sys.executable, "-m", "imgvecd.client.main", "sync", "--timeout", "100"],
        env=daemon.env,
        stderr=subprocess.PIPE,
    )
    daemon.imgvec("pause")
    with waiting:
        copy(shipped_photos, "new.jpg")
        waits(daemon, "request")
        # either it had returned before the picture was there, or it tells of the pause
        _, told = waiting.communicate(timeout=DEADLINE_S)
    assert (waiting.returncode, b"paused" in told) in {(0, False), (2, True)}


@pytest.mark.nightly  # some 15 s of waiting
def test_a_pause_outlives_the_daemon_and_rests_in_silence(start, shipped_photos, tmp_path):
    daemon = start(shipped_photos, **QUIET)
    daemon.wait_until_indexed(8)
    daemon.imgvec("pause")
    assert daemon.stop() == 0
    copy(shipped_photos, "while-stopped.jpg")
    daemon = start(shipped_photos, **QUIET)
    waits(daemon, "request")

    # no worker, hardly any processor time
    process = psutil.Process(daemon.process.pid)
    daemon.wait_until(lambda: not process.children(recursive=True))
    before, since = process.cpu_times(), time.monotonic()
    time.sleep(3)  # what is measured is a time in which nothing happens
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    assert used_s <= 0.02 * (time.monotonic() - since)

    assert daemon.imgvec("resume").returncode == 0
    daemon.wait_until_indexed(9)


def test_quiet_hours_until_they_are_over_or_overridden(start, shipped_photos):
    now = datetime.datetime.now().astimezone()
    begin, end = (now + datetime.timedelta(hours=hours) for hours in (-1, 2))
    daemon = start(shipped_photos, indexing__quiet_hours=f"{begin:%H:%M}-{end:%H:%M}")
    status = waits(daemon, "quiet_hours")
    assert status["pause"]["reason"] == f"quiet hours until {end:%H:%M}"
    assert status["encoded"] == 0
    done = daemon.imgvec("resume")
    assert done.returncode == 1
    assert b"quiet hours" in done.stdout
    assert json.loads(daemon.imgvec("resume", "--force", "--json").stdout) == {"pause": None}
    daemon.wait_until_indexed(8)


@pytest.fixture
def power(tmp_path):
    """A machine's power supplies, and a Python that sees them in the place of the real ones."""
    real = Path("/sys/class/power_supply")
    battery = tmp_path / "power" / "BAT0"
    battery.mkdir(parents=True)
    (battery / "type").write_text("Battery\n")
    (battery / "status").write_text("Discharging\n")
    mount = f"mount --bind {shlex.quote(str(battery.parent))} {real}"
    if not real.is_dir() or shutil.which("unshare") is None:
        pytest.skip("no power supplies to put others over")
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("mounting is not permitted")
    python = tmp_path / "python"
    inside = f'{mount} && exec {shlex.quote(sys.executable)} "$@"'
    python.write_text(f'#!/bin/sh\nexec unshare -m sh -c {shlex.quote(inside)} python "$@"\n')
    python.chmod(0o755)
    return battery / "status", str(python)


@pytest.mark.nightly  # some 15 s of waiting
def test_on_battery_nothing_is_indexed_until_it_is_charged(tmp_path, shipped_photos, power):
    status_file, python = power
    settings = {"indexing__pause_on_battery": "true"}
    daemon = RunningDaemon(tmp_path / "home", [shipped_photos], settings, executable=python)
    try:
        assert waits(daemon, "battery")["pause"]["reason"] == "on battery"
        status_file.write_text("Charging\n")
        daemon.wait_until_indexed(8)
        status_file.write_text("Discharging\n")
        daemon.wait_until(lambda: daemon.status()["pause"])
        copy(shipped_photos, "new.jpg")
        waits(daemon, "battery")
        assert daemon.imgvec("resume", "--force").returncode == 0
        daemon.wait_until_indexed(9)
    finally:
        daemon.kill()


@pytest.mark.nightly
def test_what_works_behind_a_persons_back_is_humble(start, shipped_photos):
    """Decoders and the threads that read have the priority that is set; the encoder half of it."""
    daemon = start(shipped_photos, indexing__niceness=12, indexing__io_priority="idle")
    daemon.wait_until_indexed(8)
    process = psutil.Process(daemon.process.pid)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    kinds = {}
    for child in process.children(recursive=True):
        kind = "decode" if "imgvecd.workers.decode" in child.cmdline() else "encode"
        kinds[kind] = (child.nice(), child.ionice().ioclass)
    idle = psutil.IOPRIO_CLASS_IDLE
    assert kinds == {"decode": (max(12, own), idle), "encode": (max(6, own), idle)}
    with (shipped_photos / "large.jpg").open("wb") as file:
        file.truncate(1_900_000_000)  # which takes a while to read

    def readers():
        with contextlib.suppress(psutil.NoSuchProcess):
            threads = [psutil.Process(thread.id) for thread in process.threads()]
            return [thread.nice() for thread in threads if thread.ionice().ioclass == idle]

    assert set(daemon.wait_until(readers)) == {max(12, own)}
    assert process.nice() == own
