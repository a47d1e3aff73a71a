"""The text in pictures, read by the real recogniser in its sandbox, found by its words."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from child_processes import children_with
from PIL import Image, ImageDraw, ImageFont
from running import DEADLINE_S

from imgvecd.adapters import rapid_ocr
from imgvecd.config.schema import OcrConfig
from imgvecd.errors import UnreadableImageError
from imgvecd.processes.text_recogniser import TextRecogniserProcess
from imgvecd.types import Pixels, Priority

pytestmark = pytest.mark.started_workers

TESTS = Path(__file__).parents[1]

with_extra = pytest.mark.skipif(
    rapid_ocr.fingerprint() is None, reason="needs the extra: pip install 'imgvecd[ocr]'"
)


def page(*lines, size=(900, 600), turned=0.0):
    """Return a page on a table, as a camera sees it."""
    sheet = Image.new("RGB", size, (244, 242, 236))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((40, 40 + 80 * number), line, (20, 20, 24), ImageFont.load_default(48))
    table = Image.new("RGB", (size[0] + 200, size[1] + 200), (96, 70, 50))
    table.paste(sheet, (100, 100))
    return table.rotate(turned, resample=Image.Resampling.BICUBIC, fillcolor=(96, 70, 50))


def pixels(image):
    return Pixels(image.width, image.height, image.convert("RGB").tobytes())


@pytest.fixture
async def recogniser():
    process = TextRecogniserProcess(
        OcrConfig(), Priority(), fingerprint="any", longest=rapid_ocr.LONGEST
    )
    yield process
    await process.close()


@with_extra
async def test_words_are_read_inside_the_sandbox(recogniser):
    assert recogniser.sandbox == ()
    text = await recogniser.read(pixels(page("RECEIPT 2041", "Hornbach Hanoi", turned=4)))
    assert text.splitlines() == ["RECEIPT 2041", "Hornbach Hanoi"]
    if sys.platform == "linux":
        assert recogniser.sandbox == ("limits", "no_new_privs", "landlock", "seccomp")
        (worker,) = children_with("imgvecd.workers.read_text")
        assert "Seccomp:\t2" in Path(f"/proc/{worker.pid}/status").read_text()
        assert worker.rlimit(psutil.RLIMIT_AS)[0] == OcrConfig().memory_mb << 20


@with_extra
@pytest.mark.nightly  # one more start of the recogniser, for another page than the one above
async def test_a_page_upside_down_is_read(recogniser):
    lines = ("Bakery Schmidt", "Bread and butter", "Total 12.50")
    text = await recogniser.read(pixels(page(*lines, turned=180)))
    assert text.splitlines() == [*lines]


@with_extra
async def test_pictures_without_text_and_odd_ones_have_none(recogniser):
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    for image in (
        Image.new("RGB", (640, 480), "white"),
        Image.fromarray(noise),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (1600, 1)),
        Image.new("RGB", (3, 1600)),
    ):
        assert await recogniser.read(pixels(image)) == "", image.size


@with_extra
@pytest.mark.nightly  # 67 long lines: half a minute of processor time
async def test_a_wall_of_text_has_bounds(recogniser):
    wall = Image.new("RGB", (1600, 1600), "white")
    draw = ImageDraw.Draw(wall)
    for y in range(0, 1600, 24):
        draw.text((0, y), "the quick brown fox jumps " * 12, "black", ImageFont.load_default(19))
    text = await recogniser.read(pixels(wall))
    assert 1000 < len(text) <= 10_000
    assert "quick" in text


@pytest.mark.long
@with_extra
def test_what_is_written_finds_the_picture(start, shipped_photos, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    page("Bakery Schmidt", "RECEIPT", "Total 12.50", turned=-3).save(folder / "a.jpg", quality=80)
    page("PASSPORT", "<b>Ada</b>").save(folder / "b.png")
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), folder / "c.jpg")
    daemon = start(folder, ocr__enabled="true")
    daemon.wait_until_indexed(3)
    daemon.wait_until(lambda: all(image.get("text") is not None for image in listed(daemon)))
    status = daemon.status()
    assert status["texts_waiting"] == 0
    assert "limits" in status["recogniser_sandbox"]
    for query in ("receipt", "bakery schmidt", '"total 12.50"', "Schmidt"):
        (hit, *_) = daemon.post("/v1/search", {"text": query})["hits"]
        assert (os.path.basename(hit["path"]), hit["matched"]) == ("a.jpg", "text"), query
    (hit, *_) = daemon.post("/v1/search", {"text": "passport"})["hits"]
    assert os.path.basename(hit["path"]) == "b.png"
    assert (
        "matched" not in daemon.post("/v1/search", {"text": "receipt", "names": False})["hits"][0]
    )
    told = daemon.imgvec("show", folder / "a.jpg").stdout.decode()
    assert "Bakery Schmidt" in told
    (folder / "a.jpg").rename(folder / "renamed.jpg")  # keeps what was read
    daemon.wait_until(
        lambda: any(image["files"][0]["path"].endswith("renamed.jpg") for image in listed(daemon))
    )
    assert len(daemon.post("/v1/search", {"text": "bakery"})["hits"]) >= 1
    assert all(image.get("text") is not None for image in listed(daemon))


def listed(daemon):
    return daemon.get("/v1/images")["images"]


@with_extra
@pytest.mark.nightly  # the recogniser starts once more, for what unit tests know of the queue
def test_an_old_library_is_read_when_it_is_turned_on(start, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    page("PASSPORT").save(folder / "b.png")
    daemon = start(folder)
    daemon.wait_until_indexed(1)
    assert listed(daemon)[0].get("text") is None
    assert daemon.stop() == 0
    again = start(folder, ocr__enabled="true")
    again.wait_until(lambda: listed(again)[0].get("text") == "PASSPORT")


@pytest.mark.long
def test_without_the_extra_all_else_works_and_says_what_is_missing(start, shipped_photos, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), folder / "c.jpg")
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['rapidocr'] = None\n")
    daemon = start(folder, env={"PYTHONPATH": str(without)}, ocr__enabled="true")
    daemon.wait_until_indexed(1)
    assert any("pip install 'imgvecd[ocr]'" in told for told in daemon.status()["warnings"])


@pytest.mark.parametrize(
    ("deed", "reason"),
    [(1, "crash"), (2, "timeout"), (3, "memory"), (4, "crash"), (5, "text")],
)
async def test_a_picture_that_breaks_the_reader_hurts_only_itself(monkeypatch, deed, reason):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    process = TextRecogniserProcess(
        OcrConfig(timeout_s=0.5),
        Priority(),
        fingerprint="any",
        longest=100,
        module="misbehaving_text_reader",
    )
    try:
        with pytest.raises(UnreadableImageError) as raised:
            await process.read(pixels(Image.new("RGB", (4, 4), (deed, 0, 0))))
        assert raised.value.reason == reason
        async with asyncio.timeout(DEADLINE_S):
            assert await process.read(pixels(Image.new("RGB", (4, 4)))) == "all well"
    finally:
        await process.close()
