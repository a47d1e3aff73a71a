"""All that a real daemon and its commands write lies in a list, each with what bounds it."""

import os
import re
import shutil
import signal

import pytest

pytestmark = pytest.mark.long

# What keeps each file from growing, and its like from becoming many; folders below the home.
STATE, CACHE, RUNTIME, CONFIG = (
    r"\.local/state/imgvecd",
    r"\.cache/imgvecd",
    r"run/imgvecd",
    r"\.config/imgvecd",
)
MODEL = r"[0-9a-z_-]+"  # a fingerprint
BOUNDS = {
    rf"{STATE}/lock": "a line",
    rf"{STATE}/catalog\.sqlite": "its tables: `unit/catalog/test_retention.py`",
    rf"{STATE}/catalog\.sqlite-(wal|shm)": "emptied by checkpoints, gone when it is closed",
    rf"{STATE}/catalog\.sqlite\.seal": "a line",
    rf"{STATE}/backups/catalog-[^/]+\.sqlite(\.seal)?": "`backups.keep` of them",
    rf"{STATE}/spare": "a megabyte",
    rf"{STATE}/checkpoints\.json": "a line for each file of checkpoints",
    rf"{STATE}/state-dump\.txt": "written over; what is in it is the latest",
    rf"{STATE}/index/{MODEL}/manifest\.json": "one a model",
    rf"{STATE}/index/{MODEL}/generation-\d+/(index|delta-\d+)\.(faiss|i16)": "one generation",
    rf"{STATE}/texttower/{MODEL}\.(safetensors|json)": "one a model",
    rf"{STATE}/imagetower/{MODEL}/[a-z0-9._-]+": "some files a model",
    rf"{STATE}/speed/{MODEL}\.json": "one a model, some numbers",
    rf"{STATE}/reference-vectors\.json": "two vectors a model, of the last 8",
    rf"{STATE}/duplicates/pairs": "pairs of pictures on disk",
    rf"{STATE}/dedup/[^/]+\.plan": "the last 50",
    rf"{STATE}/dedup/[^/]+\.jsonl": "one a plan that somebody carried out, by hand",
    rf"{CACHE}/thumbnails/(..?/)?[^/]+": "`server.thumbnails_mb`",
    rf"{RUNTIME}/imgvecd\.sock(\.lock)?": "empty",
    rf"{CONFIG}/token": "a line",
    r"\.local/share/Trash/(files|info)/[^/]+": "what somebody threw away; the desktop empties it",
    r"\.local/share/Trash/directorysizes": "the desktop's",
}
NOT_OURS = {"daemon.log", "encoded"}  # of the tests


def unbounded(home):
    written = {
        os.path.relpath(os.path.join(folder, name), home)
        for folder, _, names in os.walk(home)
        for name in names
    }
    return {
        path
        for path in written - NOT_OURS
        if not any(re.fullmatch(pattern, path) for pattern in BOUNDS)
    }


def test_every_file_has_its_bound(start, shipped_photos, tmp_path):
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), shipped_photos / "cat again.jpg")
    daemon = start(shipped_photos, server__tcp="127.0.0.1:0")
    daemon.sync()
    (image,) = daemon.get("/v1/search", text="a cat", limit=1)["hits"]
    daemon.imgvec("thumbnail", image["id"], tmp_path / "cat.jpg")
    daemon.request("PUT", "/v1/saved/cats", {"text": "a cat"})
    daemon.request("PATCH", f"/v1/images/{image['id']}/metadata", {"rating": 5})
    plan = tmp_path / "plan.txt"
    for command in (("plan", plan), ("apply", plan, "--yes"), ("undo",)):
        assert daemon.imgvecd("dedup", *command).returncode == 0
    daemon.post("/v1/duplicates")
    for route in ("checkpoint", "rebuild", "doctor", "forget"):
        daemon.post(f"/v1/{route}")
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_until((daemon.state / "state-dump.txt").exists)
    # say in BOUNDS what keeps each from growing without end, or its like from becoming many
    assert not unbounded(daemon.home)
    assert daemon.stop() == 0
    assert daemon.imgvecd("check").returncode == 0
    assert not unbounded(daemon.home)
