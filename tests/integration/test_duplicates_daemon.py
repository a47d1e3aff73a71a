"""`imgvec duplicates` against a running daemon, and the library beside it."""

import json
import shutil

import pytest
from PIL import Image

from imgvecd import VectorDatabase
from imgvecd.client.sdk import Client
from imgvecd.errors import ImgvecdError


def test_groups_checks_decisions_and_reading_beside(start, shipped_photos, tmp_path):
    original = next(shipped_photos.rglob("cat.jpg"))
    copy = shipped_photos / "line\nbreak.jpg"
    shutil.copy(original, copy)
    turned = shipped_photos / "turned.jpg"
    Image.open(shipped_photos / "motorcycle.jpg").transpose(Image.Transpose.ROTATE_90).save(turned)
    daemon = start(shipped_photos)
    daemon.sync()

    listed = daemon.imgvec("duplicates", "-0", "--protect", shipped_photos / "2023")
    assert listed.returncode == 0
    assert listed.stdout in {bytes(copy) + b"\0", bytes(original) + b"\0"}  # none that was turned
    asked = ("duplicates", "-0", "--kind", "transformed")
    assert daemon.imgvec(*asked).stdout.rstrip(b"\0") in {
        bytes(turned), bytes(shipped_photos / "motorcycle.jpg")
    }  # fmt: skip
    found = json.loads(daemon.imgvec("duplicates", "--json").stdout)
    assert [group["kind"] for group in found["groups"]] == ["same_bytes", "transformed"]
    assert found["images"] == found["compared"]

    for name, change in (("turned", "ROTATE_180"), ("mirror", "FLIP_LEFT_RIGHT")):
        changed = Image.open(original).transpose(Image.Transpose[change])
        changed.save(tmp_path / f"{name}.png")
    have = daemon.imgvec("duplicates", "--check", tmp_path / "turned.png", "-0")
    assert set(have.stdout.split(b"\0")) == {bytes(original), bytes(copy), b""}
    edited = daemon.imgvec("duplicates", "--check", tmp_path / "mirror.png", "-0")
    assert (edited.returncode, edited.stdout) == (1, b"")
    asked = ("--kind", "edited", "-0")
    edited = daemon.imgvec("duplicates", "--check", tmp_path / "mirror.png", *asked)
    assert (edited.returncode, edited.stdout) == (0, have.stdout)
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "noise.png")
    assert daemon.imgvec("duplicates", "--check", tmp_path / "noise.png").returncode == 1

    hashed = found["groups"][1]["files"][0]["hash"]
    other = found["groups"][1]["files"][1]["path"]
    assert daemon.imgvec("duplicates", "--not-duplicates", hashed, other).returncode == 0
    found = daemon.post("/v1/duplicates")
    assert [group["kind"] for group in found["groups"]] == ["same_bytes"]
    assert daemon.imgvec("duplicates", "--keep-both", original, copy).returncode == 0
    assert daemon.post("/v1/duplicates")["groups"] == []
    assert daemon.imgvec("duplicates", "--undecided", original, copy).returncode == 0
    assert b"two files" in daemon.imgvec("duplicates", "--keep-both", original).stderr

    with VectorDatabase(db_path=daemon.state) as database:
        assert database.read_only
        groups = database.find_duplicates()
        assert [file["kind"] for group in groups for file in group] == ["same_bytes"] * 2


def test_plan_apply_and_undo_by_the_daemon(start, shipped_photos):
    copy = shipped_photos / "copy.jpg"
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), copy)
    turned = shipped_photos / "turned.jpg"
    Image.open(shipped_photos / "motorcycle.jpg").transpose(Image.Transpose.ROTATE_90).save(turned)
    before = {path: path.read_bytes() for path in shipped_photos.rglob("*.jpg")}
    daemon = start(shipped_photos)
    daemon.sync()
    with Client(str(daemon.socket)) as client:
        plan = client.plan_dedup()
        assert plan.files == 1
        with pytest.raises(ImgvecdError, match=r"(?i)nothing is moved"):
            client.apply_dedup(plan.text.replace(" /", " /elsewhere/"))
        with pytest.raises(ImgvecdError, match="not a folder"):
            client.plan_dedup(protect=[str(copy)])
        done = client.apply_dedup(plan.text)
        assert (done.files, done.left, done.size_bytes) == (1, (), plan.size_bytes)
        assert len(list(shipped_photos.rglob("*.jpg"))) == len(before) - 1
        assert client.undo_dedup().files == 1
        with pytest.raises(ImgvecdError, match="nothing to undo"):
            client.undo_dedup()
    assert {path: path.read_bytes() for path in shipped_photos.rglob("*.jpg")} == before
