"""Freshness barrier, change log and doctor, on a real daemon."""

import os
import shutil

import pytest
from running import DEADLINE_S

pytestmark = pytest.mark.any_encoder


@pytest.fixture
def daemon(start, shipped_photos):
    daemon = start(shipped_photos)
    daemon.sync()
    return daemon


def kinds(answer):
    return [(change["kind"], os.path.basename(change["path"])) for change in answer["changes"]]


def test_after_sync_everything_on_disk_is_found(daemon, shipped_photos):
    cat = next(shipped_photos.rglob("cat.jpg"))
    for number in range(5):
        copy = shipped_photos / f"cat {number}.jpg"
        copy.write_bytes(cat.read_bytes() + bytes([number]))
        assert daemon.imgvec("sync", "--timeout", DEADLINE_S).returncode == 0
        found = daemon.imgvec("search", "a cat", "--all").stdout.splitlines()
        assert os.fsencode(copy) in found
    copy.unlink()
    found = daemon.imgvec("search", "a cat", "--all", "--sync").stdout.splitlines()
    assert len(found) == 12
    assert os.fsencode(copy) not in found


def test_sync_that_takes_too_long_says_so(start, shipped_photos):
    daemon = start(shipped_photos, watch__settle_ms=600_000)
    with (shipped_photos / "half.jpg").open("wb") as file:  # which is waited for
        file.write(b"half of it")
        file.flush()
        status, answer = daemon.request("POST", "/v1/sync", {"timeout_s": 0.1})
    assert (status, answer["code"]) == (409, "not_in_time")


def test_changes_tell_what_happened_after_a_clock(daemon, shipped_photos):
    state = daemon.get("/v1/changes")
    assert state["fresh_instance"]
    assert len(state["changes"]) == 8
    clock = state["clock"]
    assert daemon.get("/v1/changes", since=clock)["changes"] == []

    cat = next(shipped_photos.rglob("cat.jpg"))
    shutil.copy(cat, shipped_photos / "copy.jpg")
    daemon.sync()
    (shipped_photos / "copy.jpg").rename(shipped_photos / "renamed.jpg")
    daemon.sync()
    (shipped_photos / "renamed.jpg").write_bytes(cat.read_bytes() + b"\0")
    daemon.sync()
    (shipped_photos / "renamed.jpg").unlink()
    daemon.sync()
    answer = daemon.get("/v1/changes", since=clock)
    assert kinds(answer) == [
        ("added", "copy.jpg"),
        ("moved", "renamed.jpg"),
        ("changed", "renamed.jpg"),
        ("removed", "renamed.jpg"),
    ]
    assert answer["changes"][1]["old_path"]["path"].endswith("/copy.jpg")
    assert "fresh_instance" not in answer


def test_changes_come_in_pages_without_a_gap(daemon):
    page = daemon.get("/v1/changes", limit=3)
    names = kinds(page)
    while page.get("more"):
        page = daemon.get("/v1/changes", limit=3, since=page["clock"])
        assert page["fresh_instance"]
        names += kinds(page)
    assert len(set(names)) == len(names) == 8
    assert daemon.get("/v1/changes", since=page["clock"])["changes"] == []


@pytest.mark.parametrize("clock", ["c:0123abcd:1", "c:{instance}:999999"])
def test_an_unknown_clock_gets_the_full_state(daemon, clock):
    instance = daemon.status()["clock"].split(":")[1]
    answer = daemon.get("/v1/changes", since=clock.format(instance=instance))
    assert answer["fresh_instance"]
    assert len(answer["changes"]) == 8


def test_a_clock_that_is_none_is_refused(daemon):
    status, answer = daemon.request("GET", "/v1/changes?since=yesterday")
    assert (status, answer["code"]) == (400, "bad_request")


def test_doctor_proves_that_the_index_equals_the_library(daemon, shipped_photos):
    (shipped_photos / "broken.jpg").write_bytes(b"no picture at all")
    daemon.sync()
    diagnosis = daemon.post("/v1/doctor")
    assert diagnosis["healthy"]
    assert diagnosis["counts"]["on_disk"] == 9
    assert diagnosis["counts"]["searchable"] == 8
    (finding,) = diagnosis["findings"]
    assert (finding["kind"], os.path.basename(finding["path"])) == ("failed", "broken.jpg")
    assert finding["reason"]


def test_doctor_command_exits_by_what_it_found(daemon, shipped_photos, tmp_path):
    def doctor():
        return daemon.imgvecd("doctor")

    assert doctor().returncode == 0
    assert b"8  searchable" in doctor().stdout
    cat = next(shipped_photos.rglob("cat.jpg"))
    os.link(cat, tmp_path / "outside.jpg")
    daemon.sync()
    assert doctor().returncode == 0
    with (tmp_path / "outside.jpg").open("ab") as file:  # of which no event tells
        file.write(b"more")
    assert doctor().returncode == 1
    assert b"changed: " + os.fsencode(cat) in doctor().stdout
    assert daemon.imgvec("rescan", cat.parent).returncode == 0
    daemon.sync()
    assert doctor().returncode == 0
    daemon.stop()
    assert doctor().returncode == 2


def test_failures_have_reasons_and_another_chance(daemon, shipped_photos):
    broken = shipped_photos / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    daemon.sync()
    (failure,) = daemon.get("/v1/failures")["failures"]
    assert failure["path"] == str(broken)
    assert failure["reason"] in {"unsupported", "damaged"}
    assert daemon.imgvec("failures").stdout == os.fsencode(broken) + b"\n"
    assert daemon.imgvec("retry").stdout == b"retry of 1 file\n"
    daemon.sync()
    assert len(daemon.get("/v1/failures")["failures"]) == 1
    broken.unlink()
    daemon.sync()
    assert daemon.get("/v1/failures")["failures"] == []
