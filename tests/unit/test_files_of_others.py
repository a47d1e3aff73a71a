"""Whatever is in the place of a file that is read, or in it: an error that names it, or nothing.

Files are mutated: what stands in them is replaced by what nobody expects there, cut off, doubled;
and in their places are pipes, devices, folders and links that lead nowhere. Nothing is waited for.
`FUZZ=1000` tries so many chance mutations of each instead of some.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import stat
import threading

import msgspec
import pytest

from imgvecd.adapters import export_json, thumbnail_cache
from imgvecd.adapters.checkpoint import architecture
from imgvecd.adapters.checkpoint.weights import Weights
from imgvecd.adapters.imagetower import tower as image_tower
from imgvecd.adapters.texttower.tower import TextTower
from imgvecd.catalog.recovery import checksum
from imgvecd.config.load import load
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.duplicates import dedup_plan, written_plans
from imgvecd.core.duplicates.pair_file import PairFile
from imgvecd.core.duplicates.undo_journal import Journal, names
from imgvecd.core.files.durable import digest_of, file_digest, sync_file
from imgvecd.core.files.remembered_table import RememberedTable
from imgvecd.core.index import checkpoint
from imgvecd.core.library import runtime_choice
from imgvecd.core.library.checkpoint_digests import digest_checkpoint
from imgvecd.core.library.disk_reserve import hold_reserve
from imgvecd.core.sharing.source_identity import SourceIdentity
from imgvecd.errors import ConfigError, ImgvecdError

CHANCES = int(os.environ.get("FUZZ", "15"))
PATIENCE_S = 120  # for what takes no time: only what is waited for takes so long
HASH = "a" * 64
JOURNAL = b"".join(
    json.dumps(entry).encode() + b"\n"
    for entry in (
        {"what": "trash", "path": "/a", "file": "/t/files/a", "info": "/t/info/a", "hash": HASH},
        {"what": "undone", "path": "/a"},
    )
)
PLAN = f"plan p\nprotect /k\nkeep 1 6x4 2kB 2023-05-01 {HASH} /a\ntrash 1 6x4 2kB 2023-05-01 {HASH} /b\n"  # noqa: E501 # fmt: skip
CONFIG = b"""roots: [/photos, {path: /more}]
log_level: info
state_dir: /state
server: {tcp: '127.0.0.1:1', timeout_s: 30, max_upload_mb: 64}
watch: {settle_ms: 500, rescan_interval_s: 60}
indexing: {quiet_hours: '22:00-06:00', max_other_load: 0.5}
encode: {remote: [{url: 'https://x:1', token_file: /x}]}
"""
GOOGLE = {
    "photoTakenTime": {"timestamp": "1600000000", "formatted": "Sep 13, 2020, 12:26:40 PM UTC"},
    "geoData": {"latitude": 48.1, "longitude": 11.5, "altitude": 500.0},
    "people": [{"name": "Ada"}],
    "description": "d",
}
MANIFEST = checkpoint.Manifest(2, "i", "f", 4, 1, 5, "2024-01-01T00:00:00+00:00", 2, None, ())
VALUES = (
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"0.5", b'""', b"[]", b"{}",
    b"9" * 5000, b"18446744073709551616", b'"\\ud800"', b'"\\udcff"', b'"a\\u0000b"', b'"a\\nb"',
    b'"\xff\xfe"', b'{"a": 1, "a": 2}', b'"../../etc"', b".inf", b".nan", b"&a [*a]",
    b"!!python/none x", b"2020-01-01", b"0x10",
)  # fmt: skip
DEEP = (b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"0" + b"}" * 3000)
WHOLE = (b"", b"[" * 100_000, b"null", b"[]", b'"x"', bytes(1000), b"\n" * 1000, b"\xff\xfea\0")
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|\[[^\[\]]*\]|\{[^{}]*\}')


def sealed(payload):
    return payload + b"\n" + digest_of(payload).encode() + b"\n"


class Reader:
    """Something that reads a file.

    Args:
        name: of the file, in the folder that it is in.
        content: of an ordinary one.
        read: called with the folder and the file's path.
        seal: what a program writes around the content.
    """

    def __init__(self, name, content, read, seal=lambda content: content):
        self.name = name
        self.content = content
        self.read = read
        self.seal = seal


def journal(folder, _):
    assert "p" in names(folder)
    held = Journal(folder, "p")
    try:
        held.away()
    finally:
        held.close()


def told_digest(_, path):
    with contextlib.suppress(OSError):  # which whoever asks awaits
        file_digest(path)


def lasting(_, path):
    with contextlib.suppress(OSError):
        sync_file(path)


READERS = {
    "journal": Reader("p.jsonl", JOURNAL, journal),
    "plan that was written": Reader(
        "p.plan", PLAN.encode(), lambda folder, _: written_plans.find(folder, "p")
    ),
    "configuration": Reader("imgvecd.yaml", CONFIG, lambda _, path: load(path)),
    "index manifest": Reader(
        "manifest.json",
        msgspec.json.encode(MANIFEST),
        lambda folder, _: checkpoint.read_manifest(folder),
        sealed,
    ),
    "catalog checksum": Reader(
        f"c{checksum.CHECKSUM_SUFFIX}",
        b'{"size_bytes": 5, "mtime_ns": 7, "blake2b": "00"}',
        lambda folder, _: checksum.read_checksum(os.path.join(folder, "c")),
        sealed,
    ),
    "table": Reader(
        "speed", b'{"x": [1, 2]}', lambda _, path: RememberedTable(path, list[int], 4).get("x")
    ),
    "runtime": Reader(
        runtime_choice.RUNTIME_FILE,
        b'{"circumstances": "x", "tower": "", "reason": "y"}',
        lambda folder, _: runtime_choice.read_choice(folder, EncodeConfig()),
    ),
    "model's configuration": Reader(
        "open_clip_config.json",
        b'{"model_cfg": {"embed_dim": 4, "vision_cfg": {}, "text_cfg": {}}, "preprocess_cfg": {}}',
        lambda _, path: architecture._read(path),
    ),
    "text tower": Reader(
        "tower",
        b'{"__metadata__": {}}',
        lambda _, path: TextTower.read(path),
        lambda content: len(content).to_bytes(8, "little") + content,
    ),
    "image tower": Reader(
        image_tower.FACTS, b'{"sizes": [1, 2]}', lambda folder, _: image_tower._read(folder)
    ),
    "checkpoint": Reader("model", b"x", lambda _, path: digest_checkpoint(path)),
    "weights": Reader(
        "weights",
        b'{"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}',
        lambda _, path: Weights(path),
        lambda content: len(content).to_bytes(8, "little") + content,
    ),
    "catalog": Reader("catalog", b"x", told_digest),
    "spare": Reader("spare", b"x", lambda folder, _: hold_reserve(folder)),
    "what is to last": Reader("lasting", b"x", lasting),
    "source": Reader(
        "source",
        b"12345678-1234-5678-1234-567812345678\n",
        lambda folder, _: SourceIdentity(folder).known_uuid(),
    ),
    "pairs": Reader("pairs", b"\x04\0\0\0", lambda _, path: PairFile(path).load()),
    "thumbnail": Reader(
        "ab/abc.jpg",
        b"\xff\xd8",
        lambda folder, _: thumbnail_cache.ThumbnailCache(folder, 1).get("abc"),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def patience():
    """Nothing waits; who does is interrupted."""

    def interrupt(*_):
        raise AssertionError("it waits for what never comes")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def mutated(content, chance):
    """Yield the content with one thing wrong, then with several."""
    for number, token in enumerate(TOKEN.finditer(content)):
        for value in VALUES if number else (*VALUES, *DEEP):
            yield content[: token.start()] + value + content[token.end() :]
    yield from WHOLE
    yield from (content[: len(content) * n // 8] for n in range(8))
    yield from (b"\xef\xbb\xbf" + content, content.decode("latin-1").encode("utf-16"), content * 2)
    for _ in range(CHANCES):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(damaged) + 1)
            end = at + chance.choice((0, 1, 1, 20))
            piece = chance.choice((b"", b"\0", b"\xff", b"\x85", b"\r", bytes(damaged[at:]) * 2))
            damaged[at:end] = piece
        yield bytes(damaged)


def read(reader, folder):
    """Read; what is wrong is told by an error of ours, in few words, if at all."""
    told = "nothing"
    try:
        reader.read(str(folder), os.path.join(folder, reader.name))
    except (ImgvecdError, architecture.NotBuiltError) as error:
        told = str(error)
    assert 0 < len(told) < 10_000


@pytest.mark.parametrize("name", READERS)
def test_nothing_in_a_file_is_an_error_of_ours(name, tmp_path):
    reader = READERS[name]
    path = tmp_path / reader.name
    path.parent.mkdir(exist_ok=True)
    for content in (reader.content, *mutated(reader.content, random.Random(name))):
        path.write_bytes(reader.seal(content))
        read(reader, tmp_path)
        signal.alarm(PATIENCE_S)


def a_pipe(path):
    os.mkfifo(path)


def a_device(path):
    os.symlink("/dev/zero", path)


def a_folder(path):
    os.mkdir(path)


def a_loop(path):
    os.symlink(path, path)


def a_socket(path):
    short = f"/proc/self/fd/{os.open(os.path.dirname(path), os.O_PATH)}"  # names may be too long
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{short}/{os.path.basename(path)}")
    os.close(int(short.rpartition("/")[2]))
    assert stat.S_ISSOCK(os.lstat(path).st_mode)


@pytest.mark.parametrize("put", [a_pipe, a_device, a_folder, a_loop, a_socket])
@pytest.mark.parametrize("name", READERS)
def test_nothing_in_the_place_of_a_file_is_waited_for(name, put, tmp_path):
    path = tmp_path / READERS[name].name
    path.parent.mkdir(exist_ok=True)
    put(str(path))
    read(READERS[name], tmp_path)
    assert os.path.lexists(path)  # nobody takes it away
    assert threading.active_count() < 50


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"SourceFile": ' * 5000])
def test_a_sidecar_that_is_nested_without_end_says_so(data):
    with pytest.raises((ValueError, RecursionError)):
        export_json.read(data)


def test_what_a_sidecar_says_is_of_use_or_left_out():
    content = json.dumps(GOOGLE).encode()
    for data in mutated(content, random.Random(0)):
        try:
            said = export_json.read(data)
        except (ValueError, RecursionError):
            continue
        json.dumps(said, allow_nan=False).encode()  # which a lone half of a character is not
        msgspec.json.encode(said)


def test_what_a_plan_says_wrong_is_told_with_its_line():
    for data in mutated(PLAN.encode(), random.Random(0)):
        told = "plan"
        try:
            dedup_plan.parse(dedup_plan.decoded(data, "plan"), "plan")
        except ImgvecdError as error:
            told = str(error)
        assert told.startswith("plan")


@pytest.mark.parametrize("value", ['"\\ud800"', '"a\\0b"', ".inf", "1e18"])
@pytest.mark.parametrize("key", ["log_level", "state_dir", "server.timeout_s", "decode.idle_s"])
def test_a_setting_that_no_system_takes_is_told_with_file_line_and_key(key, value, tmp_path):
    file = tmp_path / "imgvecd.yaml"
    *above, last = key.split(".")
    file.write_text("".join(f"{name}:\n  " for name in above) + f"{last}: {value}\n")
    if key == "state_dir" and "\\" not in value:
        return  # a folder may be called so
    with pytest.raises(ConfigError) as refused:
        load(str(file))
    assert str(refused.value).startswith(f"{file}:{len(above) + 1}: ")
    assert last in str(refused.value)


def test_words_of_the_command_line_that_are_no_text_are_told():
    with pytest.raises(ConfigError, match=r"command line: log_level: .* that are no text"):
        load(None, {"log_level": "\udcff"})
