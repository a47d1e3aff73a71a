"""A library of bad pictures, watched by a real daemon with the real model."""

import contextlib
import json
import os
import shutil

import psutil
import pytest
from bad_images import bad_images, good_images
from running import DEADLINE_S, RunningDaemon

pytestmark = [pytest.mark.started_workers, pytest.mark.long]

GOOD = 50
REASONS = {"truncated", "too_large", "memory", "unsupported", "damaged"}
# VP8 and JPEG have no checksums: noise behind a header is a picture of noise, and a JPEG whose end
# marker is in its place is complete.
SILENT = ("noise-*.webp", "bomb.jpg")
KEPT = ("bomb*", "heavy.png", "empty.jpg", "pipe.jpg", "socket.jpg", "folder.jpg")
LIMITS = {"decode__timeout_s": 15, "decode__memory_mb": 768, "decode__idle_s": 0.5}


def every(daemon, command):
    lines = daemon.imgvec(command, "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("share", [5, pytest.param(1, marks=pytest.mark.nightly)])
def test_every_good_picture_is_indexed_and_every_bad_one_is_a_named_failure(tmp_path, share):
    """By day with a fifth of the bad ones, and all that have a reason of their own."""
    library = tmp_path / "library"
    bad = {path.name: path for path in bad_images(library)}
    assert len(bad) >= 300
    for number, name in enumerate(sorted(bad)):
        if number % share and not any(map(bad[name].match, KEPT)):
            bad.pop(name).unlink()
    good = {os.path.basename(path) for path in good_images(tmp_path / "good", GOOD)}
    for name in good:
        shutil.move(tmp_path / "good" / name, library / name)
    # what is no file cannot be a bad one
    for name in [name for name, path in bad.items() if path.is_symlink() or path.is_dir()]:
        del bad[name]

    daemon = RunningDaemon(tmp_path / "home", [library], LIMITS)
    try:
        process = psutil.Process(daemon.process.pid)
        assert daemon.imgvec("sync", "--timeout", DEADLINE_S).returncode == 0
        failures = {
            os.path.basename(failure["path"]): failure for failure in every(daemon, "failures")
        }
        images = {
            os.path.basename(file["path"]): image
            for image in every(daemon, "images")
            for file in image["files"]
        }
        for name in good:
            assert images[name]["indexed"], name
            assert not images[name].get("truncated"), name
        for name, path in bad.items():
            if name in failures:
                assert failures[name]["message"], name
            else:
                assert images[name]["indexed"], name
                assert images[name].get("truncated") or any(map(path.match, SILENT)), name
        assert failures.keys() <= bad.keys()
        assert {failure["reason"] for failure in failures.values()} == REASONS
        assert {failures[name]["reason"] for name in ("pipe.jpg", "socket.jpg")} == {"unsupported"}
        assert daemon.get("/v1/health")["status"] == "ok"
        assert daemon.request("POST", "/v1/doctor")[1]["healthy"]

        # nothing is tried again by itself: not by a scan, nor by a restart
        tried = daemon.status()["encoded"]
        assert daemon.request("POST", "/v1/rescan", {"wait": True})[0] == 200
        assert {os.path.basename(f["path"]) for f in every(daemon, "failures")} == failures.keys()
        # but a file with another stamp is, and all are on request
        shutil.copy(library / "0.JPG", library / "empty.jpg")
        assert daemon.imgvec("sync", "--timeout", DEADLINE_S).returncode == 0
        assert len(every(daemon, "failures")) == len(failures) - 1
        assert daemon.status()["encoded"] == tried  # its bytes were known
        done = daemon.imgvec("retry")
        assert done.stdout == f"retry of {len(failures) - 1} files\n".encode()
        assert daemon.imgvec("sync", "--timeout", DEADLINE_S).returncode == 0
        assert len(every(daemon, "failures")) == len(failures) - 1

        # no decoder is left behind
        daemon.wait_until(lambda: not any(map(decodes, alive(process))))
        workers = alive(process)
        assert daemon.stop() == 0
        assert psutil.wait_procs(workers, timeout=DEADLINE_S)[1] == []
    finally:
        daemon.kill()


def alive(process):
    """Return the descendants that run, without those that end meanwhile."""
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def decodes(process):
    with contextlib.suppress(psutil.Error):  # it has ended
        return "workers.decode" in str(process.cmdline())
    return False
