"""What doctor says of what is not indexed: folders that nobody can read, and what is left out."""

import os
import subprocess

import pytest
from PIL import Image

pytestmark = pytest.mark.any_encoder

UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search",
                "--inh-caps=-dac_override,-dac_read_search")  # fmt: skip


def picture(path, colour=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (colour, 9, 9)).save(path)


def findings(daemon, kind):
    diagnosis = daemon.post("/v1/doctor")
    found = {f["path"]: f["reason"] for f in diagnosis["findings"] if f["kind"] == kind}
    assert diagnosis["counts"][kind] == len(found)
    return diagnosis["healthy"], found


def test_what_is_left_out_is_named_with_the_reason(start, tmp_path):
    root = tmp_path / "photos"
    picture(root / "a.png")
    for place in ("noimage/.noimage", "android/.nomedia", "cache/CACHEDIR.TAG"):
        picture(root / place.split("/")[0] / "b.png", 2)
        (root / place).touch()
    for name in ("X.photoslibrary/resources", ".Trash-1000/files", "node_modules", ".hidden"):
        picture(root / name / "b.png", 2)
    picture(root / "X.photoslibrary/originals/0/c.png", 3)
    daemon = start(root)
    daemon.wait_until_indexed(2)
    healthy, left_out = findings(daemon, "left_out")
    assert healthy
    names = {os.path.relpath(path, root): reason for path, reason in left_out.items()}
    assert names.keys() == {
        "noimage", "android", "cache", "X.photoslibrary/resources", ".Trash-1000", "node_modules",
        ".hidden",
    }  # fmt: skip
    assert "trash" in names[".Trash-1000"]


@pytest.mark.skipif(
    os.geteuid() == 0 and subprocess.run([*UNPRIVILEGED, "true"], check=False).returncode != 0,
    reason="root reads everything",
)
def test_a_folder_that_cannot_be_read_from_the_start_is_named(start, tmp_path):
    root = tmp_path / "photos"
    picture(root / "a.png")
    picture(root / "locked" / "b.png", 2)
    (root / "locked").chmod(0)
    daemon = start(root, wrapper=UNPRIVILEGED if os.geteuid() == 0 else ())
    daemon.wait_until_indexed(1)
    healthy, unlisted = findings(daemon, "unlisted")
    assert not healthy
    assert list(unlisted) == [str(root / "locked")]
    (root / "locked").chmod(0o755)
    daemon.wait_until_indexed(2)
    assert findings(daemon, "unlisted") == (True, {})


def test_what_lies_deeper_than_a_path_is_long_is_found(start, tmp_path):
    root = tmp_path / "photos"
    picture(root / "a.png")
    picture(tmp_path / "b.png", 2)
    folder = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=folder)
        folder, above = os.open("n" * 250, os.O_RDONLY, dir_fd=folder), folder
        os.close(above)
    with open("b.png", "wb", opener=lambda p, f: os.open(p, f, 0o644, dir_fd=folder)) as file:
        file.write((tmp_path / "b.png").read_bytes())
    os.close(folder)
    daemon = start(root)
    daemon.sync()
    diagnosis = daemon.post("/v1/doctor")
    assert diagnosis["counts"]["in_catalog"] == diagnosis["counts"]["on_disk"] == 2
