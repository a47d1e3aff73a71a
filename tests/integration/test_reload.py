"""SIGHUP on a real daemon: a good configuration is applied, a bad one is refused."""

import os
import shutil
import signal

import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.any_encoder


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "home" / ".config" / "imgvecd" / "imgvecd.yaml"
    path.parent.mkdir(parents=True)

    def write(**settings):
        path.write_text(yaml.safe_dump({"model": "imgvecd-mini", **settings}))

    return write


def test_changed_roots_and_excludes_apply_both_ways(start, shipped_photos, tmp_path, config_file):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), other / "second cat.jpg")
    config_file(roots=[str(shipped_photos)], exclude=["rocket.jpg"])
    daemon = start()
    daemon.wait_until_indexed(7)

    config_file(roots=[str(shipped_photos), str(other)], exclude=["brick.jpg"])
    daemon.process.send_signal(signal.SIGHUP)

    def both_ways():
        names = {os.path.basename(path) for path in daemon.search("bricks", 20)}
        return "rocket.jpg" in names and "brick.jpg" not in names

    daemon.wait_until(both_ways)
    daemon.wait_until_indexed(8)
    assert len(daemon.status()["roots"]) == 2

    encoded = daemon.status()["encoded"]
    config_file(roots=[str(shipped_photos)])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: len(daemon.status()["roots"]) == 1)
    daemon.wait_until(lambda: any("brick" in path for path in daemon.search("bricks", 20)))
    assert daemon.status()["encoded"] == encoded


@pytest.mark.parametrize("again", [False, True])
def test_a_root_that_is_replaced_is_read_and_the_old_one_gone(start, tmp_path, config_file, again):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64), folder == "first").save(tmp_path / folder / f"{folder}.png")
    config_file(roots=[str(tmp_path / "first")])
    daemon = start()
    daemon.wait_until_indexed(1)
    for folder in ("second", "first", "second") if again else ("second",):
        config_file(roots=[str(tmp_path / folder)])
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(
            lambda folder=folder: [
                root for root in daemon.status()["roots"] if root["path"].endswith(folder)
            ]
        )
        daemon.sync()
        assert [os.path.basename(path) for path in daemon.search("a picture", 9)] == [
            f"{folder}.png"
        ]
        assert daemon.post("/v1/doctor")["healthy"]
        shutil.copy(tmp_path / folder / f"{folder}.png", tmp_path / folder / "new.png")
        daemon.sync()  # events of the new folder are heard
        assert daemon.status()["files"]["seen"] == 2
        (tmp_path / folder / "new.png").unlink()
        daemon.wait_until(lambda: daemon.status()["roots"][0].get("watching") == "events")


def test_the_last_root_is_not_taken_away(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    daemon = start()
    daemon.wait_until_indexed(8)
    config_file(roots=[])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "No folder to watch" in str(daemon.get("/v1/health")))
    assert daemon.status()["files"]["indexed"] == 8


def test_what_needs_a_restart_is_told(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    daemon = start()
    daemon.wait_until_indexed(8)
    config_file(roots=[str(shipped_photos)], encode={"idle_s": 7}, index={"kind": "flat"})
    daemon.process.send_signal(signal.SIGHUP)
    told = "in force after a restart: encode, index"
    daemon.wait_until(lambda: any(told in text for text in daemon.status().get("warnings", [])))
    config_file(roots=[str(shipped_photos)])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: not daemon.status().get("warnings"))


def test_a_signal_during_the_start_is_obeyed_later(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    # as soon as the socket answers, which is before the folders are watched
    daemon = start()
    for excluded in ("brick.jpg", "rocket.jpg", "cat.jpg"):  # the last one during a reload
        config_file(roots=[str(shipped_photos)], exclude=[excluded])
        daemon.process.send_signal(signal.SIGHUP)

    def only_the_cat_is_left_out():
        names = {os.path.basename(hit) for hit in daemon.search("a picture", 20)}
        return "cat.jpg" not in names and {"brick.jpg", "rocket.jpg"} <= names

    daemon.wait_until(only_the_cat_is_left_out)


def test_a_signal_before_anybody_listens_is_obeyed_later(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    daemon = start(wait=False)
    daemon.wait_until(lambda: survives(daemon, signal.SIGHUP))
    config_file(roots=[str(shipped_photos)], exclude=["cat.jpg"])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(daemon.answers)
    daemon.wait_until(lambda: "was read again" in daemon.log.read_text())
    daemon.wait_until(daemon.is_idle)
    names = {os.path.basename(hit) for hit in daemon.search("a picture", 20)}
    assert "cat.jpg" not in names
    assert "rocket.jpg" in names


def survives(daemon, number):
    """Return whether the process would not end by a signal: it has it wait, or hears it."""
    with open(f"/proc/{daemon.process.pid}/status") as file:
        masks = dict(line.split()[:2] for line in file if line.startswith("Sig"))
    named = ("SigBlk:", "SigCgt:")
    return any(int(masks[name], 16) & 1 << number - 1 for name in named)


def test_a_bad_configuration_is_refused_and_the_old_one_stays(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    daemon = start()
    daemon.wait_until_indexed(8)
    config_file(roots=[str(shipped_photos)], exlude=["*"])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "exclude" in daemon.tail())
    assert len(daemon.search("a cat", 20)) == daemon.status()["files"]["indexed"] == 8


def test_why_it_is_refused_shows_until_it_is_mended(start, shipped_photos, config_file, tmp_path):
    config_file(roots=[str(shipped_photos)])
    daemon = start()
    daemon.wait_until_indexed(8)
    path = tmp_path / "home" / ".config" / "imgvecd" / "imgvecd.yaml"
    bad = [
        ("roots: [a\nb: ]c", "not valid YAML"),
        ("indexing:\n  quiet_hours: 22-7\n", "22:00-07:00"),
        (os.mkdir, "it is not a file"),
        ("watch:\n  settle_ms: soon\n", "watch.settle_ms"),
        (b"\xff\xfe\x00binary", "not valid YAML"),
        (os.mkfifo, "it is not a file"),
    ]
    for content, reason in bad:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda reason=reason: reason in str(daemon.get("/v1/health")))
        health = daemon.get("/v1/health")
        assert health["status"] == "degraded"
        assert "the old one stays" in health["reasons"][0]
        assert health["reasons"][0] in daemon.status()["warnings"]
        assert len(daemon.status()["roots"]) == 1
    assert b"the old one stays" in daemon.imgvec("status").stdout
    path.unlink()
    config_file(roots=[str(shipped_photos)], indexing={"quiet_hours": "00:00-23:59"})
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: daemon.get("/v1/health")["status"] == "ok")
    # and what the new one says is in force
    daemon.wait_until(lambda: daemon.status()["pause"])
    assert daemon.status()["warnings"] == []


def test_a_root_that_is_no_folder_is_offline_not_an_end(start, shipped_photos, config_file):
    config_file(roots=[str(shipped_photos)])
    daemon = start()
    daemon.wait_until_indexed(8)
    file = next(shipped_photos.rglob("cat.jpg"))
    config_file(roots=[str(shipped_photos), str(file), "/nowhere/at/all"])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: len(daemon.status()["roots"]) == 3)
    assert daemon.wait_until_indexed(8)["files"]["seen"] == 8


def test_the_file_to_keep_is_chosen_as_configured(start, shipped_photos, config_file, tmp_path):
    (original,) = shipped_photos.rglob("cat.jpg")
    copy = shipped_photos / "a copy.jpg"
    shutil.copy(original, copy)

    def keepers():
        (group,) = daemon.post("/v1/duplicates")["groups"]
        return {file["path"] for file in group["files"] if file.get("keep")}

    config_file(
        roots=[str(shipped_photos)],
        duplicates={"rules": ["folder"], "prefer": [str(original.parent)]},
    )
    daemon = start()
    daemon.sync()
    assert keepers() == {str(original)}
    config_file(
        roots=[str(shipped_photos)],
        duplicates={"rules": [], "protect": [str(original.parent), str(shipped_photos)]},
    )
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: keepers() == {str(copy), str(original)})
    assert daemon.imgvecd("dedup", "plan", tmp_path / "plan.txt").returncode == 0
    protected = [
        line for line in (tmp_path / "plan.txt").read_text().splitlines() if "protect " in line
    ]
    assert protected == [f"protect {original.parent}", f"protect {shipped_photos}"]
