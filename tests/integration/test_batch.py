"""Embeddings of folders as Parquet, and back into a library, which then encodes nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fast_encoder
import numpy as np
import preloaded
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fast_serving import serving
from pictures import draw
from running import DEADLINE_S

from imgvecd.core.index.packed_vectors import packed_type, unpacked

TESTS = Path(__file__).parents[1]
PHOTOS = 60


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number in range(PHOTOS):
        draw(folder / f"{number}.png", number)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def environment(home):
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("XDG_")},
        "HOME": str(home),
        "PYTHONPATH": str(TESTS),
        "ENCODED": str(home / "batch-encoded"),
    }


def ran(home, *arguments, code=0):
    """Return what `imgvecd` printed, on standard output or as its complaint."""
    env = environment(home)
    done = preloaded.run("fast_daemon", *arguments, env=env, timeout=DEADLINE_S)
    assert done.returncode == code, (done.args, done.stdout[-2000:], done.stderr[-4000:])
    return (done.stderr if code else done.stdout).decode()


def batch(home, photos, out, *flags):
    return ran(home, "encode-batch", photos, "--out", out, "--model", "imgvecd-mini", *flags)


def take_over(home, *shards, code=0):
    return ran(home, "import", *shards, code=code)


def rows(out):
    return pq.read_table(out).to_pylist()


def encoded(home):
    noted = home / "batch-encoded"
    return noted.read_text().count("\n") if noted.exists() else 0


@pytest.mark.long
def test_a_library_takes_over_what_a_batch_has_encoded(home, photos, tmp_path):
    out = tmp_path / "shards"
    said = batch(home, photos, out, "--shard-images", 25)
    assert f"{PHOTOS} images encoded with imgvecd-mini, 3 shards" in said
    assert "1 file failed" in said
    assert encoded(home) == PHOTOS
    (broken,) = [row for row in rows(out) if row["failure"]]
    assert broken["path"] == os.fsencode(photos / "broken.jpg")
    assert f"{PHOTOS} images imported, of imgvecd-mini; nothing encoded" in take_over(home, out)
    assert f"0 images imported, of imgvecd-mini; nothing encoded.\n{PHOTOS} were known" in (
        take_over(home, out)
    )
    elsewhere = tmp_path / "elsewhere"
    photos.rename(elsewhere)  # what counts is the bytes
    with serving(home) as start:
        daemon = start(elsewhere)
        status = daemon.wait_until_indexed(PHOTOS)
        assert status["files"]["failed"] == 1
        assert not (home / "encoded").exists()
        image = daemon.get("/v1/images")["images"][0]
        assert (image["format"], image["indexed"]) == ("png", True)
        assert image["width"] > 0
        draw(elsewhere / "new.png", 1000)
        daemon.wait_until_indexed(PHOTOS + 1)
        daemon.stop()
    assert (home / "encoded").read_text().count("\n") == 1


@pytest.mark.long
def test_shards_for_a_library_that_waits_to_encode_are_in_time(home, photos, tmp_path):
    out = tmp_path / "shards"
    batch(home, photos, out)
    with serving(home) as start:
        daemon = start(photos, indexing__quiet_hours="00:00-23:59,23:59-00:00")
        daemon.wait_until(lambda: daemon.status()["files"]["seen"] == PHOTOS + 1)
        daemon.stop()
        assert f"{PHOTOS} images imported" in take_over(home, out)
        daemon = start(photos)
        daemon.wait_until_indexed(PHOTOS)
        assert not (home / "encoded").exists()


@pytest.mark.long
def test_a_batch_that_is_killed_goes_on_and_takes_what_is_new(home, photos, tmp_path):
    out = tmp_path / "shards"
    flags = ["--out", out, "--model", "imgvecd-mini", "--shard-images", "7"]
    command = [sys.executable, "-m", "fast_daemon", "encode-batch", photos, *flags]
    for shards in (1, 3):
        with subprocess.Popen(command, env=environment(home)) as process:
            deadline = time.monotonic() + DEADLINE_S
            while len(list(out.glob("*.parquet"))) < shards and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
    draw(photos / "new.png", 1000)
    os.utime(photos / "3.png", (1, 1))
    batch(home, photos, out, "--shard-images", 7)
    by_path = {row["path"]: row for row in rows(out)}
    assert len(by_path) == PHOTOS + 2
    assert sum(row["vector"] is not None for row in by_path.values()) == PHOTOS + 1
    said = batch(home, photos, out)
    assert "0 images encoded" in said
    assert f"{PHOTOS + 2} were there from before" in said


def test_shards_of_another_model_are_not_mixed(home, photos, tmp_path):
    out = tmp_path / "shards"
    batch(home, photos, out)
    weights = tmp_path / "other.safetensors"
    weights.write_bytes(b"other weights")
    model = ["--model", "other", "--pretrained", weights]
    ran(home, "encode-batch", photos, "--out", out, *model, code=2)


def shard(path, change):
    """Write a shard with one row that `change` has had in its hands."""
    row = {
        "hash": bytes(32),
        "size_bytes": 1,
        "pixels": None,
        "vector": [1.0] + [0.0] * 31,
        "format": "png",
        "width": 1,
        "height": 1,
        "taken_at": None,
        "truncated": False,
        "metadata": "{}",
        "model": '{"fingerprint":"f","name":"n","pretrained":"","dim":32,"preprocess":'
        '{"size":16,"mean":[0,0,0],"std":[1,1,1]}}',
        "reader": 1,
    }
    change(row)
    pq.write_table(pa.Table.from_pylist([row]), path)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("vector"), "no vector"),
        (lambda row: row.update(hash=b"short"), "hash: expected 32 bytes"),
        (lambda row: row.update(hash=None), "hash: expected 32 bytes"),
        (lambda row: row.update(vector=[1.0] * 31), "do not have the 32 numbers"),
        (lambda row: row.update(vector=[float("nan")] * 32), "not of length 1"),
        (lambda row: row.update(vector=[0.0] * 32), "not of length 1"),
        (lambda row: row.update(vector=[9.0] * 32), "not of length 1"),
        (lambda row: row.update(metadata="{"), "not a shard of embeddings"),
        (lambda row: row.update(metadata="[" * 100_000), "not a shard of embeddings"),
        (lambda row: row.update(model="{}"), "missing required field"),
        (lambda row: row.update(model=None), "not a shard of embeddings"),
        (lambda row: row.update(width="wide"), "not a shard of embeddings"),
        (lambda row: row.update(size_bytes=-1), "not a shard of embeddings"),
        (lambda row: row.update(size_bytes=None), "not a shard of embeddings"),
    ],
)
def test_what_is_no_shard_is_refused_by_name(home, tmp_path, change, said):
    path = shard(tmp_path / "bad.parquet", change)
    complaint = take_over(home, path, code=2)
    assert str(path) in complaint
    assert said in complaint
    assert "Traceback" not in complaint


def test_what_is_no_parquet_is_refused_by_name(home, tmp_path):
    path = tmp_path / "bad.parquet"
    for content in (b"", b"PAR1", b"PAR1" + bytes(1000) + b"PAR1", b"text"):
        path.write_bytes(content)
        assert "bad.parquet" in take_over(home, path, code=2)
    take_over(home, tmp_path / "nowhere", code=2)
    (tmp_path / "empty").mkdir()
    take_over(home, tmp_path / "empty", code=2)


def test_a_running_daemon_is_not_written_to(home, photos, tmp_path):
    out = tmp_path / "shards"
    batch(home, photos, out)
    with serving(home) as start:
        start(photos)
        take_over(home, out, code=2)


def test_vectors_are_kept_as_a_catalog_would(home, photos, tmp_path):
    out = tmp_path / "shards"
    batch(home, photos, out)
    noted = [bytes.fromhex(line) for line in (home / "batch-encoded").read_text().split()]
    encoded = unpacked(np.frombuffer(b"".join(noted), packed_type(fast_encoder.DIM)))
    kept = np.array([row["vector"] for row in rows(out) if row["vector"] is not None])
    cosines = encoded @ kept.T.astype(np.float32)
    assert cosines.max(axis=0).min() > 0.999  # each was encoded
    assert cosines.max(axis=1).min() > 0.999  # and each is there
