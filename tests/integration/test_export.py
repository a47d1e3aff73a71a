"""`imgvecd export` beside a running daemon: every format, the embeddings, and what has changed."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from imgvecd import VectorDatabase
from imgvecd.errors import NotFoundError, ReadOnlyError

pytestmark = pytest.mark.long


def test_everything_and_then_only_what_has_changed(start, shipped_photos, tmp_path):
    daemon = start(shipped_photos)
    daemon.sync()
    count = len(list(shipped_photos.rglob("*.jpg")))

    first = daemon.imgvecd("export", tmp_path / "all.json", "--embeddings")
    assert first.returncode == 0, first.stderr
    assert f"Wrote {count} images".encode() in first.stderr
    records = json.loads((tmp_path / "all.json").read_text())
    assert {record["path"] for record in records} == set(map(str, shipped_photos.rglob("*.jpg")))
    rows = np.load(tmp_path / "all.npy")
    assert (rows.dtype, rows.shape[0]) == (np.float32, count)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-3)
    with VectorDatabase(db_path=daemon.state) as database:
        assert database.read_only
        for record, row in zip(records, rows, strict=True):
            (found,) = database.search_by_image(record["path"], k=1)
            assert found["id"] == record["id"]
            own = database._runtime.catalog.embeddings.embeddings(
                database._runtime.model.fingerprint, [record["id"]]
            )[record["id"]]
            assert np.array_equal(own, row)
        with pytest.raises(ReadOnlyError, match="reading only"):
            database.remove_image(records[0]["id"])

    clock = re.search(rb"Clock: (c:[0-9a-f]+:[0-9]+)", first.stderr)[1].decode()
    shutil.copy(shipped_photos / "grass.jpg", shipped_photos / "grass again.jpg")
    daemon.sync()
    for kind in ("jsonl", "csv", "parquet"):
        path = tmp_path / f"changed.{kind}"
        assert daemon.imgvecd("export", path, "--since", clock).returncode == 0
        (record,) = read(path)  # one image, which two files bear now
        assert record["path"] == str(shipped_photos / "grass.jpg")
        assert "grass again.jpg" in str(record["other_paths"])

    piped = daemon.imgvecd("export", "-", "--format", "jsonl")
    assert len(piped.stdout.splitlines()) == count
    for arguments, complaint in (
        (["-"], b"--format"),
        ([tmp_path / "out.xls"], b"json, jsonl, csv, parquet"),
        ([tmp_path / "no folder" / "out.csv"], b"cannot be written"),
        ([tmp_path / "out.csv", "--since", "c:0:1"], b"not a clock of this database"),
        ([tmp_path / "out.csv", "--state-dir", tmp_path / "nowhere"], b"no database"),
    ):
        refused = daemon.imgvecd("export", *arguments)
        assert refused.returncode == 2
        assert complaint in refused.stderr

    daemon.stop()  # and without a daemon
    assert daemon.imgvecd("export", tmp_path / "later.csv").returncode == 0
    assert len(read(tmp_path / "later.csv")) == count


def read(path):
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        return parquet.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_read_only_makes_nothing(tmp_path):
    with pytest.raises(NotFoundError, match="no database"):
        VectorDatabase(db_path=tmp_path / "nowhere", read_only=True)
    assert list(tmp_path.iterdir()) == []
