"""Exports hold every record, in every format, whole or not at all."""

import csv
import json

import numpy as np
import pytest

from imgvecd import api
from imgvecd.adapters import parquet
from imgvecd.core.library import export
from imgvecd.errors import BadRequestError

ODD = api.Path.of(b'/photos/\xff, "q"\n.jpg')


def image(number, path="/photos/a.jpg", **more):
    file = api.ImageFile(path=path, size_bytes=5, modified_at="2024-01-01T00:00:00+00:00", **more)
    return api.Image(
        id=number, hash="ab", files=(file, file), format="jpeg", user_metadata={"ü": [1]}
    )


class Images:
    def __init__(self, images):
        self.all = {each.id: each for each in images}

    def page(self, after, limit):
        return [each for number, each in sorted(self.all.items()) if number > after][:limit]

    def images(self, ids):
        return {number: self.all[number] for number in ids}

    def changed_since(self, clock):
        return iter([number for number in sorted(self.all) if number > clock])


@pytest.fixture
def images():
    odd = image(1001, ODD.path, path_base64=ODD.path_base64)
    return Images([*map(image, range(1, 1001)), odd])


def write(path, images, after=None):
    records = export.records(images, images, after)
    return export.write(str(path), export.export_format(str(path)), records, parquet.write)


def rows(path):
    text = path.read_text()
    if path.suffix == ".json":
        return json.loads(text)
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["out.json", "out.jsonl", "out.csv"])
def test_every_format_holds_every_image(tmp_path, images, name):
    path = tmp_path / name
    assert write(path, images) == 1001
    found = rows(path)
    assert [int(row["id"]) for row in found] == list(range(1, 1002))
    assert set(found[0]) == set(export.COLUMNS)
    user = found[0]["user_metadata"]
    assert (json.loads(user) if isinstance(user, str) else user) == {"ü": [1]}
    assert found[-1]["path"] == '/photos/\\xff, "q"\n.jpg'
    assert write(path, images, after=900) == 101
    assert [int(row["id"]) for row in rows(path)] == list(range(901, 1002))
    assert write(path, Images([])) == 0
    assert rows(path) == []


def test_parquet_holds_the_same(tmp_path, images):
    pq = pytest.importorskip("pyarrow.parquet")
    assert write(tmp_path / "out.parquet", images) == 1001
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["id"] for row in table] == list(range(1, 1002))
    assert json.loads(table[0]["user_metadata"]) == {"ü": [1]}


def test_without_pyarrow_the_way_out_is_named(tmp_path, images, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(BadRequestError, match=r"pip install 'imgvecd\[parquet\]'"):
        write(tmp_path / "out.parquet", images)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("old")

    def failing():
        yield {"id": 1}
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        export.write(str(path), "json", failing(), parquet.write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_embeddings_lie_in_the_same_order(tmp_path):
    class Source:
        def embeddings(self, fingerprint, ids):
            return {number: np.full(3, number, np.float32) for number in ids if number != 7}

    ids = [5, 7, *range(100, 1200)]
    export.write_embeddings(str(tmp_path / "x.npy"), ids, Source(), "f", 3)
    found = np.load(tmp_path / "x.npy")
    assert found.dtype == np.float32
    assert np.isnan(found[1]).all()
    assert found[[0, 2, -1], 0].tolist() == [5, 100, 1199]


def test_what_makes_no_sense_is_named():
    with pytest.raises(BadRequestError, match="json, jsonl, csv, parquet"):
        export.export_format("out.xlsx")
    assert export.export_format("out", "csv") == "csv"
    for clock in ("5", "c:other:5", "c:abc:", "c:abc:-1"):
        with pytest.raises(BadRequestError, match="not a clock of this database"):
            export.since(clock, "abc")
    assert export.since("c:abc:5", "abc") == 5
    assert export.since(None, "abc") is None
