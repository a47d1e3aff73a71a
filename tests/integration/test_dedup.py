"""`imgvecd dedup`: plan, apply, undo, on real files; nothing is ever lost."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from PIL import Image

from imgvecd.adapters.trash import FreedesktopTrash
from imgvecd.core.duplicates import removal
from imgvecd.core.duplicates.dedup_plan import parse
from imgvecd.core.duplicates.undo_journal import Journal
from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import BadRequestError
from imgvecd.types import Stamp

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    return home


def line(verb, group, path):
    raw = os.fsencode(path)
    digest = hash_file(raw, Stamp.of(os.stat(raw))).hex()
    return f"{verb} {group} - - - {digest} {os.fsdecode(raw)}"


@pytest.fixture
def apply(tmp_path, home):
    """Apply a plan of lines and return what became of it."""

    def apply(*lines, protected=(), moved=lambda _: None):
        plan = parse("\n".join(("plan test", *lines)), "plan")
        journal = Journal(str(home / "journals"), plan.name)
        with contextlib.closing(journal):
            return removal.apply(plan, FreedesktopTrash(), journal, protected, moved)

    return apply


def undo(home):
    with contextlib.closing(Journal(str(home / "journals"), "test")) as journal:
        return removal.undo(FreedesktopTrash(), journal, lambda _: None)


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        shutil.copy(PHOTOS / "cat.jpg", folder / name)
    return folder


def reasons(outcome):
    return [reason for _, reason in outcome.refused]


def test_beside_a_daemon_from_the_plan_to_the_trash_and_back(start, shipped_photos, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(shipped_photos) + b"/caf\xe9 \\ line\nbreak .jpg"))
    shutil.copy(shipped_photos / "motorcycle.jpg", odd)
    small = shipped_photos / "small.jpg"
    with Image.open(shipped_photos / "grass.jpg") as image:
        image.resize((200, 200 * image.height // image.width)).save(small)
    protected = shipped_photos / "originals"
    protected.mkdir()
    shutil.copy(shipped_photos / "brick.jpg", protected)
    before = snapshot(shipped_photos)
    daemon = start(shipped_photos)
    daemon.sync()

    plan = tmp_path / "plan.txt"
    done = daemon.imgvecd("dedup", "plan", plan, "--protect", protected)
    assert done.returncode == 0, done.stderr
    assert b"3 files could go" in done.stdout
    assert snapshot(shipped_photos) == before
    assert b"--force" in daemon.imgvecd("dedup", "plan", plan).stderr
    assert b"--yes" in daemon.imgvecd("dedup", "apply", plan).stderr
    assert snapshot(shipped_photos) == before

    # as a person edits it: small.jpg stays after all
    lines = plan.read_text().splitlines()
    plan.write_text("\n".join("# " + one if one.endswith("small.jpg") else one for one in lines))
    done = daemon.imgvecd("dedup", "apply", plan, "--yes")
    assert (done.returncode, done.stderr) == (0, b"")
    after = snapshot(shipped_photos)
    assert set(before) - set(after) == {
        odd.relative_to(shipped_photos) if not odd.exists() else Path("motorcycle.jpg"),
        Path("brick.jpg"),
    }
    again = daemon.imgvecd("dedup", "apply", plan, "--yes")
    assert (again.returncode, b"2 were not there" in again.stdout) == (0, True)
    daemon.sync()
    assert daemon.get("/v1/stats")["files"] == len(after)

    listed = daemon.imgvecd("dedup", "undo", "--list").stdout
    assert b"     2 files in the trash" in listed
    assert daemon.imgvecd("dedup", "undo").returncode == 0
    assert snapshot(shipped_photos) == before
    assert b"nothing to undo" in daemon.imgvecd("dedup", "undo").stderr


def test_the_note_in_the_trash_is_as_the_specification_has_it(apply, home, folder):
    strange = folder / "a b%ü.jpg"
    (folder / "b.jpg").rename(strange)
    done = apply(line("keep", 1, folder / "a.jpg"), line("trash", 1, strange))
    assert done.moved == [os.fsencode(strange)]
    assert (home / "data/Trash/files" / strange.name).is_file()
    note = (home / "data/Trash/info" / f"{strange.name}.trashinfo").read_text().splitlines()
    assert note[0] == "[Trash Info]"
    assert note[1] == "Path=" + urllib.parse.quote(str(strange))
    assert note[2].startswith("DeletionDate=20")
    # a second file of the same name goes beside it
    shutil.copy(PHOTOS / "cat.jpg", strange)
    apply(line("keep", 1, folder / "a.jpg"), line("trash", 1, strange))
    assert (home / "data/Trash/files/a b%ü 2.jpg").is_file()


def test_the_last_copy_never_goes(apply, home, folder):
    a, b, c = (folder / name for name in ("a.jpg", "b.jpg", "c.jpg"))
    before = snapshot(folder)
    assert (
        reasons(apply(line("trash", 1, a), line("trash", 1, b)))
        == ["no file of its group is to be kept"] * 2
    )
    lines = line("keep", 1, a), line("trash", 1, b)
    a.write_bytes(a.read_bytes() + b"x")
    assert "not those of the plan" in reasons(apply(*lines))[0]
    a.unlink()
    assert "not there any more" in reasons(apply(*lines))[0]
    a.symlink_to(b)
    assert "is a link" in reasons(apply(*lines))[0]
    a.unlink()
    # two plans against each other: the second finds its keeper gone
    shutil.copy(c, a)
    done = apply(line("keep", 1, a), line("trash", 1, b), line("keep", 2, b), line("trash", 2, a))
    assert done.moved == [os.fsencode(b)]
    assert "not there any more" in reasons(done)[0]
    # one file under two names is no copy
    (folder / "also").symlink_to(folder)
    done = apply(line("keep", 1, a), line("trash", 1, folder / "also" / "a.jpg"))
    assert "very file" in reasons(done)[0]
    undo(home)
    (folder / "also").unlink()
    assert snapshot(folder) == before


def test_what_has_changed_or_is_protected_stays(apply, folder, tmp_path):
    a, b, c = (folder / name for name in ("a.jpg", "b.jpg", "c.jpg"))
    lines = line("keep", 1, a), line("trash", 1, b), line("trash", 1, c)
    stamp = os.stat(b)
    b.write_bytes(b.read_bytes()[:-1] + b"\0")
    os.utime(b, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = apply(*lines, protected=[os.fsencode(tmp_path / "elsewhere")])
    assert done.moved == [os.fsencode(c)]
    assert reasons(done) == ["its bytes are not those of the plan any more"]
    shutil.copy(a, c)
    (tmp_path / "link").symlink_to(folder)
    done = apply(f"protect {tmp_path}/link", line("keep", 1, a), line("trash", 1, c))
    assert reasons(done) == ["it lies in a protected folder"]
    assert reasons(apply(lines[0], lines[2], protected=[os.fsencode(folder)])) == [
        "it lies in a protected folder"
    ]


def test_undo_overwrites_nothing(apply, home, folder):
    apply(line("keep", 1, folder / "a.jpg"), line("trash", 1, folder / "b.jpg"))
    (folder / "b.jpg").write_text("something else")
    assert reasons(undo(home)) == ["something else is there now"]
    assert (folder / "b.jpg").read_text() == "something else"
    (folder / "b.jpg").unlink()
    shutil.rmtree(folder)
    assert undo(home).moved == [os.fsencode(folder / "b.jpg")]
    assert (folder / "b.jpg").read_bytes() == (PHOTOS / "cat.jpg").read_bytes()
    assert list((home / "data/Trash/info").iterdir()) == []


_KILLED = """
import os, signal, sys
from imgvecd.cli import main
from imgvecd.adapters import trash
real, left = os.{call}, [{after}]
def dying(*arguments, **more):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **more)
os.{call} = dying
main.main(sys.argv[1:])
"""


@pytest.mark.long
@pytest.mark.parametrize(("call", "after"), [("rename", 0), ("rename", 2), ("fsync", 1)])
def test_killed_anywhere_it_goes_on_and_can_be_undone(home, folder, tmp_path, call, after):
    for number in range(4):
        shutil.copy(PHOTOS / "cat.jpg", folder / f"copy {number}.jpg")
    before = snapshot(folder)
    copies = sorted(folder.glob("copy*"))
    plan = tmp_path / "plan.txt"
    lines = [line("trash", 1, copy) for copy in copies]
    plan.write_text("\n".join(["plan killed", line("keep", 1, folder / "a.jpg"), *lines]))
    state = ["--state-dir", str(home / "state")]
    command = ["dedup", "apply", str(plan), "--yes", *state]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED.format(call=call, after=after), *command], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    trash = home / "data/Trash"
    assert snapshot(folder).keys() | {Path(name) for name in os.listdir(trash / "files")} == set(
        before
    )
    run = [sys.executable, "-m", "imgvecd.cli.main"]
    assert subprocess.run([*run, *command], check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert not any(copy.exists() for copy in copies)
    assert sorted(os.listdir(trash / "info")) == [f"{copy.name}.trashinfo" for copy in copies]
    journal = (home / "state/dedup/killed.jsonl").read_text().splitlines()
    assert {json.loads(entry)["what"] for entry in journal} <= {"trash", "undone"}
    undone = subprocess.run([*run, "dedup", "undo", *state], check=False, capture_output=True)
    assert undone.returncode == 0, undone.stderr
    assert snapshot(folder) == before


def test_another_file_system_has_its_own_trash(apply, home, tmp_path):
    mount = tmp_path / "stick"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "none", str(mount)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        (mount / "deep").mkdir()
        for name in ("a.jpg", "b.jpg"):
            shutil.copy(PHOTOS / "cat.jpg", mount / "deep" / name)
        a, b = mount / "deep/a.jpg", mount / "deep/b.jpg"
        apply(line("keep", 1, a), line("trash", 1, b))
        trash = mount / f".Trash-{os.getuid()}"
        assert (trash / "files/b.jpg").is_file()
        assert "Path=deep/b.jpg\n" in (trash / "info/b.jpg.trashinfo").read_text()
        assert undo(home).moved == [os.fsencode(b)]
        (mount / ".Trash").mkdir(mode=0o777)
        (mount / ".Trash").chmod(0o1777)
        apply(line("keep", 1, a), line("trash", 1, b))
        assert (mount / f".Trash/{os.getuid()}/files/b.jpg").is_file()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_bind_mount_is_not_written_across(apply, home, tmp_path):
    source, mount = tmp_path / "source", tmp_path / "bound"
    source.mkdir()
    mount.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(PHOTOS / "cat.jpg", source / name)
    bound = subprocess.run(
        ["mount", "--bind", str(source), str(mount)], check=False, capture_output=True
    )
    if bound.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        done = apply(line("keep", 1, mount / "a.jpg"), line("trash", 1, mount / "b.jpg"))
        assert done.refused == []
        assert (mount / f".Trash-{os.getuid()}/files/b.jpg").is_file()
        assert list((home / "data/Trash/info").iterdir()) == []
        assert undo(home).moved == [os.fsencode(mount / "b.jpg")]
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_plan_that_makes_no_sense_is_named():
    with pytest.raises(BadRequestError, match=r"p\.txt, line 2: expected `keep` or `trash`"):
        parse("plan x\nremove 1 /a", "p.txt")
    with pytest.raises(BadRequestError, match="is not a plan"):
        parse("# nothing", "p.txt")
    with pytest.raises(BadRequestError, match="line 1: the path is not absolute"):
        parse(f"trash 1 - - - {'0' * 64} a.jpg", "p.txt")
