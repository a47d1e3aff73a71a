"""Files that need an extra wait for it, visibly."""

import pytest
from PIL import Image
from raw_files import dng

pytestmark = pytest.mark.long

imagecodecs = pytest.importorskip("imagecodecs")
pytest.importorskip("pillow_jxl")
pytest.importorskip("rawpy")


def test_files_that_need_an_extra_are_tried_again_once_it_is_installed(
    start, shipped_photos, tmp_path
):
    cat = next(shipped_photos.rglob("cat.jpg"))
    with Image.open(cat) as image:
        photo = image.convert("RGB").resize((256, 256))
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "a.DNG").write_bytes(dng(photo))
    (folder / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(photo, lossless=True))
    without = tmp_path / "without"
    without.mkdir()
    hidden = "".join(f"sys.modules[{name!r}] = None\n" for name in ("rawpy", "pillow_jxl"))
    (without / "sitecustomize.py").write_text("import sys\n" + hidden)

    daemon = start(folder, env={"PYTHONPATH": str(without)})
    daemon.wait_until(lambda: daemon.status()["files"]["failed"] == 2)
    failures = daemon.get("/v1/failures")["failures"]
    assert {failure["reason"] for failure in failures} == {"needs_raw", "needs_jxl"}
    listed = daemon.imgvec("failures", "--json").stdout.decode()
    for extra in ("raw", "jxl"):
        assert f"pip install 'imgvecd[{extra}]'" in listed
    assert daemon.stop() == 0

    again = start(folder)
    again.wait_until_indexed(2)
    images = again.get("/v1/images")["images"]
    assert {image["format"] for image in images} == {"raw", "jpegxl"}
    assert len(again.search("a photo of a cat")) == 2
