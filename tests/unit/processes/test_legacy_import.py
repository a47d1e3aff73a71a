"""The former layout, honest, damaged and hostile."""

import collections
import datetime
import io
import os
import pickle
import struct
import subprocess
import sys

import faiss
import numpy as np
import pytest

from imgvecd.errors import BadRequestError
from imgvecd.processes.legacy_import import is_legacy, read_legacy

VECTORS = np.eye(3, 8, dtype=np.float32) * 2


def write(folder, content, index=None, protocol=None):
    if index is None:
        index = faiss.IndexFlatIP(8)
        index.add(VECTORS)
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "metadata.pkl").write_bytes(pickle.dumps(content, protocol))
    return str(folder)


RECORD = {"image_path": "/a.jpg", "category": "animals", "tags": ["cute", "dog"]}
SHAPES = {
    "list": [RECORD, {"path": "b.jpg"}, "c.jpg"],
    "by row": {0: RECORD, 1: {"path": "b.jpg"}, 2: {"filename": "c.jpg"}},
    "by path": {"/a.jpg": {**RECORD}, "b.jpg": {}, "c.jpg": {}},
    "wrapped": {"metadata": [RECORD, {"path": "b.jpg"}, {"url": "c.jpg"}], "next_id": 3},
    "paths apart": {
        "image_paths": ["/a.jpg", "b.jpg", "c.jpg"],
        "metadata": [{"category": "animals", "tags": ["cute", "dog"]}, {}, {}],
    },
    "nested": [{"image_path": "/a.jpg", "metadata": RECORD}, {"path": "b.jpg"}, {"path": "c.jpg"}],
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_every_former_shape_gives_paths_metadata_and_vectors(tmp_path, content, protocol):
    folder = write(tmp_path, content, protocol=protocol)
    assert is_legacy(folder)
    found = read_legacy(folder)
    assert [image.path for image in found.images] == ["/a.jpg", "b.jpg", "c.jpg"]
    first = found.images[0].metadata
    assert (first["category"], first["tags"]) == ("animals", ["cute", "dog"])
    assert [image.row for image in found.images] == [0, 1, 2]
    np.testing.assert_allclose(found.vectors, np.eye(3, 8))
    assert found.unusable == 0


def test_ids_of_an_id_map_lead_to_the_right_vectors(tmp_path):
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(8))
    index.add_with_ids(VECTORS, np.array([30, 10, 20]))
    folder = write(tmp_path, {10: {"path": "b"}, 20: {"path": "c"}, 30: {"path": "a"}}, index)
    assert {image.path: image.row for image in read_legacy(folder).images} == {
        "a": 0,
        "b": 1,
        "c": 2,
    }


def test_records_without_path_or_usable_vector_are_counted(tmp_path):
    index = faiss.IndexFlatL2(8)
    index.add(np.stack([np.ones(8), np.zeros(8), np.full(8, np.nan)]).astype(np.float32))
    folder = write(
        tmp_path, [{"path": "a"}, {"path": "b"}, {"path": "c"}, {"path": "d"}, {}], index
    )
    found = read_legacy(folder)
    assert [image.path for image in found.images] == ["a"]
    assert found.unusable == 4
    assert np.isfinite(found.vectors[0]).all()


def test_scalars_become_json(tmp_path):
    record = {
        "path": "a",
        "when": datetime.datetime(2024, 5, 1, 12, 30),  # noqa: DTZ001
        "set": {1},
        "ordered": collections.OrderedDict(x=1),
        "counts": collections.defaultdict(int, y=2),
        "raw": b"abc",
        "nan": float("nan"),
    }
    assert read_legacy(write(tmp_path, [record])).images[0].metadata == {
        "when": "2024-05-01 12:30:00",
        "set": [1],
        "ordered": {"x": 1},
        "counts": {"y": 2},
        "raw": "abc",
        "nan": "nan",
    }


class Hostile:
    def __reduce__(self):
        return os.system, ("touch owned",)


class Import:
    def __reduce__(self):
        return eval, ("1",)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([Hostile()], r"(posix|nt)\.system"),
        ([{"path": "a", "x": Import()}], r"builtins\.eval"),
        ([np.float32(1)], "numpy"),
        ([io.BytesIO()], "BytesIO"),
    ],
)
def test_a_hostile_pickle_is_refused_by_the_name_of_what_it_asked_for(
    tmp_path, monkeypatch, content, named
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRequestError, match=named):
        read_legacy(write(tmp_path, content))
    assert not (tmp_path / "owned").exists()


def test_what_nests_without_end_is_refused(tmp_path):
    laughs = ["ha"]
    for _ in range(30):
        laughs = [laughs] * 30
    endless = {"path": "a"}
    endless["self"] = endless
    for content in ([{"path": "a", "x": laughs}], [endless]):
        with pytest.raises(BadRequestError, match="without end"):
            read_legacy(write(tmp_path, content))


def test_every_truncation_of_either_file_is_named(tmp_path):
    folder = write(tmp_path, SHAPES["list"])
    for name, step in (("index.faiss", 1), ("metadata.pkl", 11)):  # a process for each of these
        path = tmp_path / name
        whole = path.read_bytes()
        for length in range(0, len(whole), step):
            path.write_bytes(whole[:length])
            with pytest.raises(BadRequestError, match=name):
                read_legacy(folder)
        path.write_bytes(whole)


def test_an_index_of_another_kind_is_named(tmp_path):
    with pytest.raises(BadRequestError, match="not a flat Faiss index"):
        read_legacy(write(tmp_path, SHAPES["list"], faiss.IndexHNSWFlat(8, 4)))


FEW_BYTES_MUCH_MEMORY = {
    "a memo's place": b"\x80\x04]r" + struct.pack("<I", 150_000_000) + b".",
    "a long integer": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "a long text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 36) + b".",
    "a frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 36) + b".",
    "a record said again and again": pickle.dumps([{"path": "a", "x": "x" * 9000}] * 100_000),
    "a text said again and again": pickle.dumps([{"path": "a", "x": ["x" * 99_000] * 90_000}]),
    "itself": b"\x80\x04}\x94\x8c\x08metadatah\x00s.",
}


@pytest.mark.parametrize("content", FEW_BYTES_MUCH_MEMORY.values(), ids=FEW_BYTES_MUCH_MEMORY)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_few_bytes_take_no_memory_here_or_in_the_worker(tmp_path, content):
    folder = write(tmp_path, [])
    (tmp_path / "metadata.pkl").write_bytes(content)
    code = (
        "import pathlib, re, resource, sys\n"
        "from imgvecd.processes.legacy_import import read_legacy\n"
        "from imgvecd.errors import BadRequestError\n"
        "try: read_legacy(sys.argv[1])\n"
        "except BadRequestError as error: print(error)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', status)[1])\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    said, here, worker = done.stdout.splitlines()
    assert str(tmp_path / "metadata.pkl") in said
    assert int(here) < 400 * 1024
    assert int(worker) < 400 * 1024
