"""A worker that bad bytes have taken over reaches nothing but its channel and the one file."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import escaping_encoder
import psutil
import pytest
from child_processes import children_with
from escaping_decoder import WAYS
from kept_state import keep_state
from PIL import Image
from raw_files import dng

from imgvecd.adapters import landlock, seccomp
from imgvecd.config.schema import DecodeConfig, EncodeConfig
from imgvecd.core.files.beneath import open_file
from imgvecd.core.library.model_choice import EMBEDDED, choose_model
from imgvecd.errors import UnreadableImageError, WorkerError
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane, PreprocessSpec, Stamp

SPEC = PreprocessSpec(64, (0.5,) * 3, (0.5,) * 3)
TESTS = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.started_workers,
    pytest.mark.skipif(
        sys.platform != "linux" or not landlock.abi() or not seccomp.available(),
        reason="needs Landlock and seccomp",
    ),
]


@pytest.fixture
async def pool():
    pool = DecoderPool(DecodeConfig(workers=1))
    yield pool
    await pool.close()


@pytest.fixture
async def escaping(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    pool = DecoderPool(DecodeConfig(workers=1), module="escaping_decoder")
    yield pool
    await pool.close()


UNITS = ("imgvecd.service", "imgvecd@.service", "imgvecd-encode-server.service")
UNDER_A_UNIT = """
import sys
import as_a_unit
from imgvecd.adapters import landlock, seccomp
calls = [value for key, value in as_a_unit._settings(sys.argv[1]) if key == "SystemCallFilter"]
as_a_unit._only(calls[0])
seccomp.forbid_new_privileges()
seccomp.deny([])
assert landlock.restrict(reading=True)
"""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS)
def test_units_leave_workers_their_sandbox(unit):
    command = [sys.executable, "-c", UNDER_A_UNIT, TESTS.parent / "systemd" / unit]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(TESTS)}, check=True)


async def test_no_way_leads_out(escaping, tmp_path):
    """Each is tried in one worker, which goes on decoding after them."""
    ended = {}
    for way in WAYS:
        path = tmp_path / way.decode()
        path.write_bytes(way + b" and so on")
        with pytest.raises(UnreadableImageError) as raised:
            await escaping.decode(os.fsencode(path), Stamp.of(path.stat()), SPEC)
        ended[way.decode()] = str(raised.value)
        assert path.read_bytes() == way + b" and so on"
    refused = {"EPERM", "EACCES", "EAGAIN", "EMFILE", "EBADF", "ENOTTY", "ENOSYS"}
    assert {way: end for way, end in ended.items() if end not in refused} == {}
    photo = TESTS / "data" / "photos" / "cat.jpg"
    assert (await escaping.decode(os.fsencode(photo), Stamp.of(photo.stat()), SPEC)).pixels
    assert escaping.running == 1


async def test_what_is_in_force_is_told(pool):
    assert pool.sandbox == ()
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    await pool.decode_bytes(file.getvalue(), SPEC)
    assert pool.sandbox == ("limits", "no_new_privs", "landlock", "seccomp")
    (worker,) = children_with("imgvecd.workers.decode")
    status = Path(f"/proc/{worker.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    # standard descriptors and the channel
    assert worker.num_fds() == 4
    assert worker.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)


async def test_a_file_is_decoded_whose_name_the_worker_cannot_open(pool, tmp_path):
    photo = (TESTS / "data" / "photos" / "cat.jpg").read_bytes()
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo)
    opened = []

    def opener(path):
        opened.append(path)
        return open_file(os.fsencode(secret))

    elsewhere = DecoderPool(DecodeConfig(workers=1), opener=opener)
    try:
        found = await elsewhere.decode(b"/nowhere/a.jpg", Stamp.of(secret.stat()), SPEC)
        thumbnail = await elsewhere.thumbnail(b"/nowhere/a.jpg", Stamp.of(secret.stat()), 32)
    finally:
        await elsewhere.close()
    assert found == await pool.decode_bytes(photo, SPEC)
    assert Image.open(io.BytesIO(thumbnail)).size[0] == 32
    assert opened == [b"/nowhere/a.jpg"] * 2


FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "HEIF", "JXL"]


@pytest.mark.parametrize("form", [*FORMATS, "RAW"])
async def test_every_format_is_decoded_inside(pool, form):
    """All that a decoder loads late, it has loaded before."""
    file = io.BytesIO()
    picture = Image.effect_noise((200, 100), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = "Größe"
    if form == "RAW":
        pytest.importorskip("rawpy")
        file.write(dng(picture))
    else:
        if form == "JXL":
            pytest.importorskip("pillow_jxl")
        picture.save(file, form, **({} if form in {"BMP", "GIF"} else {"exif": exif.tobytes()}))
    decoded = await pool.decode_bytes(file.getvalue(), SPEC)
    assert (decoded.info.width, decoded.info.height) == (200, 100)
    assert len(set(decoded.pixels)) > 20
    assert pool.running == 1


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "P", "I;16", "F", "RGBA"])
async def test_every_colour_is_converted_inside(pool, mode):
    file = io.BytesIO()
    if mode in {"F", "I;16"}:
        picture = Image.linear_gradient("L").convert("F" if mode == "F" else "I").convert(mode)
    elif mode == "LAB":
        picture = Image.merge("LAB", [Image.linear_gradient("L")] * 3)
    else:
        picture = Image.linear_gradient("L").convert("RGB").convert(mode)
    picture.save(file, "TIFF" if mode != "P" else "PNG")
    assert (await pool.decode_bytes(file.getvalue(), SPEC)).pixels


async def test_a_drive_that_does_not_answer_leaves_its_file_in_doubt(tmp_path):
    stuck = asyncio.Event()
    loop = asyncio.get_running_loop()

    def opener(path):
        if path == b"/hanging":
            asyncio.run_coroutine_threadsafe(stuck.wait(), loop).result()
        return open_file(path)

    photo = TESTS / "data" / "photos" / "cat.jpg"
    pool = DecoderPool(DecodeConfig(workers=1, timeout_s=1), opener=opener)
    try:
        stamp = Stamp.of(photo.stat())
        with pytest.raises(UnreadableImageError, match="does not answer") as raised:
            await pool.decode(b"/hanging", stamp, SPEC)
        assert raised.value.reason == "changed"
        assert (await pool.decode(os.fsencode(photo), stamp, SPEC)).pixels
    finally:
        stuck.set()
        await pool.close()


@pytest.mark.parametrize("part", ["whole", "texts"])
async def test_no_way_leads_out_of_the_encoder(monkeypatch, part):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    model, config = choose_model(EMBEDDED), EncodeConfig(device="cpu")
    encoder = EncoderProcess(model, config, part=part, module="escaping_encoder")
    denied = escaping_encoder.DENIED | (escaping_encoder.CHANGES if part == "texts" else {})
    ended = {}
    try:
        for way in denied | escaping_encoder.NEEDED:
            with pytest.raises(WorkerError) as raised:
                await encoder.encode_texts([way], Lane.INTERACTIVE)
            ended[way] = str(raised.value)
        assert encoder.sandbox == ("no_new_privs", "landlock", "seccomp")
    finally:
        await encoder.close()
    assert {ended.pop(way) for way in escaping_encoder.NEEDED} == {"allowed"}
    refused = {"EPERM", "EACCES", "ENOSYS"}
    assert {way: end for way, end in ended.items() if end not in refused} == {}


_MOVES_MEMORY = """
import ctypes, errno, mmap, sys
from escaping_decoder import call
from imgvecd.workers.sandbox import leave_memory_in_its_node
page = mmap.mmap(-1, mmap.PAGESIZE)
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
def end():
    try:
        call(237, 235, place, mmap.PAGESIZE, 0, 0, 0, 0)()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
before = end()  # containers may refuse it, too
leave_memory_in_its_node(sys.argv[1])
print("refused" if end() == "EPERM" else "", "as before" if end() == before else "")
"""


@pytest.mark.parametrize(
    ("nodes", "said"), [("0", "refused"), ("0-1", "as before"), ("", "as before")]
)
def test_memory_is_moved_only_between_nodes(tmp_path, nodes, said):
    online = tmp_path / "online"
    if nodes:
        online.write_text(f"{nodes}\n")
    run = subprocess.run(
        [sys.executable, "-c", _MOVES_MEMORY, online],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in run.stdout


_REFUSES_SECCOMP = """
import errno, sys
from imgvecd.adapters import seccomp
seccomp.forbid_new_privileges()
seccomp.deny([seccomp.Call("seccomp", ((0, 0, 2),), otherwise=getattr(errno, sys.argv[1]))])
seccomp.deny([seccomp.Call("mbind")])
print(open("/proc/self/status").read())
"""


@pytest.mark.parametrize("code", ["EPERM", "ENOSYS"])
def test_where_all_threads_cannot_be_filtered_one_is(code):
    """What surrounds a container may say so, or that there is no such call."""
    run = subprocess.run(
        [sys.executable, "-c", _REFUSES_SECCOMP, code], capture_output=True, text=True, check=True
    )
    assert "Seccomp_filters:\t2" in run.stdout


async def test_the_image_towers_memory_is_not_moved(tmp_path):
    """Not while it is loaded either, which is before the sandbox closes."""
    if Path("/sys/devices/system/node/online").read_text().strip() != "0":
        pytest.skip("memory has several nodes")
    keep_state(tmp_path / "state")
    (tower,) = (tmp_path / "state" / "imagetower").iterdir()
    model, config = choose_model(EMBEDDED), EncodeConfig(device="cpu")
    encoder = EncoderProcess(model, config, part="images", image_tower=str(tower))
    try:
        await encoder.load()
        (worker,) = children_with("imgvecd.workers.encode")
        assert "Seccomp_filters:\t2" in Path(f"/proc/{worker.pid}/status").read_text()
    finally:
        await encoder.close()


@pytest.mark.nightly  # torch is loaded; by day it is in the same sandbox in test_image_tower.py
async def test_the_encoder_keeps_what_torch_needs():
    encoder = EncoderProcess(choose_model(EMBEDDED), EncodeConfig(device="cpu"))
    try:
        size = (await encoder.info()).preprocess.size
        assert len(await encoder.encode_images([bytes(3 * size * size)], Lane.BULK)) == 1
        assert len(await encoder.encode_texts(["a"], Lane.INTERACTIVE)) == 1
        (worker,) = children_with("imgvecd.workers.encode")
        status = Path(f"/proc/{worker.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert encoder.sandbox == ("no_new_privs", "landlock", "seccomp")
    finally:
        await encoder.close()
