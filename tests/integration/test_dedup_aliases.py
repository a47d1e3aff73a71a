"""`dedup` and files that are there twice by name only, and input that somebody has changed."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imgvecd.adapters.trash import FreedesktopTrash
from imgvecd.core.duplicates import removal
from imgvecd.core.duplicates.dedup_plan import decoded, parse
from imgvecd.core.duplicates.folder_set import FolderSet
from imgvecd.core.duplicates.undo_journal import Journal, TrashPlace
from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import BadRequestError
from imgvecd.types import Stamp

PHOTO = Path(__file__).parents[1] / "data" / "photos" / "cat.jpg"


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    return home


@pytest.fixture
def mount(tmp_path):
    """Mount something for as long as the test runs; skip the test where that is not permitted."""
    with contextlib.ExitStack() as stack:

        def mount(name, *command):
            at = tmp_path / name
            at.mkdir()
            if shutil.which(command[0]) is None:
                pytest.skip(f"{command[0]} is not installed")
            done = subprocess.run([*map(str, command), str(at)], check=False, capture_output=True)
            if done.returncode != 0:
                pytest.skip(f"mounting is not permitted here: {done.stderr}")
            stack.callback(subprocess.run, ["umount", str(at)], check=True)
            return at

        yield mount


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "2024").mkdir(parents=True)
    shutil.copy(PHOTO, folder / "2024/cat.jpg")
    return folder


def line(verb, path, group=1):
    raw = os.fsencode(path)
    digest = hash_file(raw, Stamp.of(os.stat(raw))).hex()
    return f"{verb} {group} - - - {digest} {os.fsdecode(raw)}"


def apply(home, *lines, protected=(), trash=None, written=()):
    plan = parse("\n".join(("plan test", *lines)), "plan")
    recorded = parse("\n".join(("plan test", *written)), "plan") if written else None
    with contextlib.closing(Journal(str(home / "journals"), "test")) as journal:
        return removal.apply(
            plan, trash or FreedesktopTrash(), journal, protected, lambda _: None, recorded
        )


def undo(home):
    with contextlib.closing(Journal(str(home / "journals"), "test")) as journal:
        return removal.undo(FreedesktopTrash(), journal, lambda _: None)


def reason(outcome):
    ((_, reason),) = outcome.refused
    return reason


@pytest.mark.parametrize("command", [("mount", "--bind"), ("bindfs",)])
@pytest.mark.parametrize("links", [1, 2])
def test_a_file_seen_through_a_mount_is_no_copy(home, photos, mount, tmp_path, command, links):
    if links == 2:
        os.link(photos / "2024/cat.jpg", tmp_path / "backup.jpg")
    alias = mount("alias", *command, photos)
    for kept, going in ((photos, alias), (alias, photos)):
        done = apply(
            home, line("keep", kept / "2024/cat.jpg"), line("trash", going / "2024/cat.jpg")
        )
        assert done.moved == []
        assert "very file" in reason(done)
    assert (photos / "2024/cat.jpg").is_file()


def test_a_file_seen_through_an_overlay_is_no_copy(home, photos, mount, tmp_path):
    # the layers on a file system of their own: an overlay cannot be on another overlay
    layers = mount("layers", "mount", "-t", "tmpfs", "none")
    for layer in ("upper", "lower", "work"):
        (layers / layer).mkdir()
    for name in ("upper/a.jpg", "lower/b.jpg"):
        shutil.copy(PHOTO, layers / name)
    options = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
    merged = mount("merged", "mount", "-t", "overlay", "none", "-o", options)
    for name in ("upper/a.jpg", "lower/b.jpg"):
        seen = merged / Path(name).name
        done = apply(home, line("keep", seen), line("trash", layers / name))
        assert done.moved == []
        assert seen.is_file()


@pytest.mark.parametrize("inode", ["256", "128"])  # bytes; the smaller ones hold no birth
def test_a_file_of_a_disk_that_is_mounted_by_way_of_two_devices_is_no_copy(
    home, mount, tmp_path, inode
):
    disk = tmp_path / "disk"
    with open(disk, "wb") as file:
        file.truncate(8 << 20)
    if shutil.which("mkfs.ext4") is None or shutil.which("losetup") is None:
        pytest.skip("mkfs.ext4 or losetup is not installed")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-I", inode, disk], check=True)
    first = mount("first", "mount", "-o", "loop", disk)
    shutil.copy(PHOTO, first / "cat.jpg")
    os.sync()
    loop = subprocess.run(
        ["losetup", "--find", "--show", "--read-only", disk], check=True, capture_output=True
    ).stdout.strip()
    try:
        second = mount("second", "mount", "-o", "ro,noload", os.fsdecode(loop))
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)  # once it is not mounted
    for _ in range(2):  # also after the first try has changed times that one of them has read
        done = apply(home, line("keep", second / "cat.jpg"), line("trash", first / "cat.jpg"))
        assert "very file" in reason(done)


def test_a_hard_link_is_no_copy(home, photos, tmp_path):
    os.link(photos / "2024/cat.jpg", tmp_path / "link.jpg")
    done = apply(home, line("keep", photos / "2024/cat.jpg"), line("trash", tmp_path / "link.jpg"))
    assert "very file" in reason(done)


class Snatching(FreedesktopTrash):
    """A trash whose moves take another file away, or change it."""

    def __init__(self, also):
        self.also = also

    def move(self, path, place):
        super().move(path, place)
        self.also()


def test_when_the_file_that_stays_goes_as_well_the_other_comes_back(home, photos):
    kept = photos / "2024/cat.jpg"
    copies = [photos / "b.jpg", photos / "c.jpg"]
    for copy in copies:
        shutil.copy(kept, copy)
    lines = [line("keep", kept), *(line("trash", copy) for copy in copies)]
    status = os.stat(kept)

    def change():
        kept.write_bytes(kept.read_bytes()[:-1] + b"\0")
        os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))

    for snatch, also in (("went or changed", kept.unlink), ("went or changed", change)):
        done = apply(home, *lines, trash=Snatching(also))
        assert done.moved == []
        assert snatch in done.refused[0][1]
        assert done.refused[1][1].startswith("its group is left alone")
        assert all(copy.read_bytes() == PHOTO.read_bytes() for copy in copies)
        shutil.copy(PHOTO, kept)
    assert undo(home).moved == []


@pytest.mark.parametrize("command", [("mount", "--bind"), ("bindfs",)])
@pytest.mark.parametrize("part", ["", "2024"])
def test_a_protected_folder_loses_nothing_through_a_mount(home, photos, mount, command, part):
    alias = mount("alias", *command, photos / part)
    shutil.copy(PHOTO, photos.parent / "copy.jpg")
    seen = alias / ("cat.jpg" if part else "2024/cat.jpg")
    done = apply(
        home,
        line("keep", photos.parent / "copy.jpg"),
        line("trash", seen),
        protected=[os.fsencode(photos)],
    )
    assert reason(done) == "it lies in a protected folder"
    assert seen.is_file()


@pytest.mark.parametrize(
    "place",
    ["home/data/Trash/files/x/cat.jpg", ".Trash-0/files/cat.jpg", "#recycle/cat.jpg",
     "@Recycle/a/cat.jpg", ".Trashes/501/cat.jpg", "$RECYCLE.BIN/S-1-5/cat.jpg",
     ".recycle/ada/cat.jpg", ".Recycle.Bin/cat.jpg", "RECYCLED/cat.jpg", ".dtrash/files/cat.jpg",
     "files_trashbin/files/cat.jpg", ".debris/cat.jpg", "old/trash/files/a/cat.jpg",
     "2024/.trashed-1700000000-cat.jpg"],
)  # fmt: skip
def test_what_lies_in_a_trash_is_no_copy_that_stays(home, photos, tmp_path, place):
    kept = tmp_path / place
    kept.parent.mkdir(parents=True)
    shutil.copy(PHOTO, kept)
    if "Trash/files" in place:
        (home / "data/Trash/info").mkdir()
        (home / "data/Trash/info/x.trashinfo").write_text("[Trash Info]\nPath=/x\n")
    done = apply(home, line("keep", kept), line("trash", photos / "2024/cat.jpg"))
    assert "in a trash" in reason(done)


def test_nor_is_what_lies_in_a_trash_by_another_name(home, photos, mount):
    files = home / "data/Trash/files"
    files.mkdir(parents=True)
    shutil.copy(PHOTO, files / "old.jpg")
    alias = mount("alias", "bindfs", files)
    done = apply(home, line("keep", alias / "old.jpg"), line("trash", photos / "2024/cat.jpg"))
    assert "in the trash itself" in reason(done)
    assert (photos / "2024/cat.jpg").is_file()


def test_an_edited_plan_names_only_files_of_its_groups(home, photos, tmp_path):
    small, other = photos / "small.jpg", photos / "other.jpg"
    small.write_bytes(b"the same picture, saved anew")
    other.write_bytes(b"something else")
    written = (line("keep", photos / "2024/cat.jpg"), line("trash", small))
    for edited in (
        (*written, line("trash", other)),
        (line("keep", other), written[1]),
        (written[0], written[1].replace(small.name, other.name)),
        (written[0], written[1].replace(" 1 ", " 2 "), line("keep", other, 2)),
    ):
        with pytest.raises(BadRequestError, match=r"(?i)nothing is moved"):
            apply(home, *edited, written=written)
    assert small.is_file()
    # nobody wrote it here: then only equal bytes are copies for certain
    assert "nobody wrote such a plan" in reason(apply(home, *written))
    assert apply(home, *written, written=written).moved == [os.fsencode(small)]


def test_a_keeper_swapped_after_planning_saves_its_group(home, photos):
    shutil.copy(PHOTO, photos / "b.jpg")
    lines = (line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg"))
    (photos / "2024/cat.jpg").write_bytes(b"another picture")
    assert "not those of the plan" in reason(apply(home, *lines))


def entry(**fields):
    return json.dumps({"what": "trash", **fields}) + "\n"


def test_a_journal_edited_by_hand_moves_nothing(home, photos, tmp_path):
    shutil.copy(PHOTO, photos / "b.jpg")
    apply(home, line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg"))
    journal = home / "journals/test.jsonl"
    good = journal.read_text()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    told = json.loads(good)
    for edited in (
        entry(path=f"{tmp_path}/new", file=str(victim), info=str(victim)),
        entry(path=f"{tmp_path}/new", file=told["file"], info=str(victim)),
        entry(path=f"{tmp_path}/new", file=told["file"], info=told["info"]),
        entry(path=f"{tmp_path}/x\\x00", file=told["file"], info=told["info"]),
        entry(path=f"{tmp_path}/new", file=f"{home}/data/Trash/files/../../../victim", info=""),
        entry(path=5, file=told["file"], info=told["info"]),
        '["trash"]\n',
        '{"what": "explode", "path": "/"}\n',
        "x" * 200_000 + "\n",
    ):
        journal.write_text(good + edited)
        with pytest.raises(BadRequestError, match=r"journal|line"):
            undo(home)
        assert victim.read_text() == "mine"
        assert not (photos / "b.jpg").exists()
    journal.write_text(good)
    trashed = Path(told["file"])
    trashed.write_bytes(b"swapped")
    assert "not those of the plan" in reason(undo(home))
    trashed.write_bytes(PHOTO.read_bytes())
    assert undo(home).moved == [os.fsencode(photos / "b.jpg")]


def test_paths_that_make_no_sense_are_named():
    for path in ("/a\\x00b", "/a/../b"):
        with pytest.raises(BadRequestError, match="p, line 2: a path cannot contain"):
            parse(f"plan x\ntrash 1 - - - {'0' * 64} {path}", "p")
    with pytest.raises(BadRequestError, match="line 1"):
        parse("plan " + "x" * 300, "p")


def test_a_plan_is_read_however_an_editor_saved_it(home, photos):
    shutil.copy(PHOTO, photos / "b.jpg")
    lines = ("plan test", line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg"))
    plain = parse("\n".join(lines), "p")
    for ending in ("\r\n", "\r"):
        data = ("\ufeff# saved by an editor\n" + ending.join(lines)).encode()
        assert parse(decoded(data, "p"), "p") == plain
    text = "\n".join(lines)
    for data, why in (
        (text.encode("utf-16"), "p is saved as UTF-16; save it as UTF-8"),
        (text.encode("utf-16-le"), "p holds NUL"),
        (text.encode() + b"\n# caf\xe9", "p, line 4: it is not UTF-8 there"),
    ):
        with pytest.raises(BadRequestError, match=why):
            decoded(data, "p")
    with pytest.raises(BadRequestError, match=r"line 3: .* cut off here"):
        parse(text[: text.rindex("trash") + 40], "p")
    written = lines[1:]
    for edited in (written[1] + ",", written[1][:-3]):
        with pytest.raises(BadRequestError, match=r"that hash was of .*jpg\. Nothing is moved"):
            apply(home, written[0], edited, written=written)
    assert (photos / "b.jpg").is_file()


def test_a_full_disk_leaves_everything_as_it_was(home, photos, mount):
    shutil.copy(PHOTO, photos / "b.jpg")
    lines = line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg")
    small = mount("small", "mount", "-t", "tmpfs", "-o", "size=16k", "none")
    (small / "journals").mkdir()
    fill(small)
    assert "No space left" in reason(apply(small, *lines))
    assert list((home / "data/Trash/info").iterdir()) == []
    (small / "fill").unlink()
    assert apply(small, *lines).moved == [os.fsencode(photos / "b.jpg")]
    fill(small)
    journal = small / "journals/test.jsonl"
    with open(journal, "a") as file:  # to the end of its last block
        file.write("\n" * (-journal.stat().st_size % 4096))
    assert undo(small).moved == [os.fsencode(photos / "b.jpg")]
    assert undo(small).moved == []


def fill(folder):
    with contextlib.suppress(OSError), open(folder / "fill", "wb", 0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_trash_keeps_no_note_of_what_did_not_go(home, photos, mount):
    stick = mount("stick", "mount", "-t", "tmpfs", "-o", "size=64k", "none")
    shutil.copy(PHOTO, stick / "b.jpg")
    fill(stick)
    done = apply(home, line("keep", photos / "2024/cat.jpg"), line("trash", stick / "b.jpg"))
    assert "No space left" in reason(done)
    assert [path.name for path in stick.rglob("*") if path.is_file()] == ["fill", "b.jpg"]


def test_a_trash_that_cannot_be_used_is_named(home, photos, tmp_path):
    shutil.copy(PHOTO, photos / "b.jpg")
    lines = line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg")
    (home / "data").mkdir()
    trash = home / "data/Trash"
    trash.write_text("a file")
    assert reason(apply(home, *lines)) == f"File exists: {trash}"
    trash.unlink()
    trash.symlink_to(tmp_path)
    assert reason(apply(home, *lines)) == f"{trash} is a link, or not yours"
    assert (photos / "b.jpg").is_file()


@pytest.mark.parametrize("told", ["data", "{home}/x/..//data"])
def test_wherever_the_trash_is_said_to_be_the_way_back_is_found(home, photos, monkeypatch, told):
    shutil.copy(PHOTO, photos / "b.jpg")
    (home / "x").mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_DATA_HOME", told.format(home=home))
    apply(home, line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg"))
    relative = told == "data"  # by the specification not to be heeded
    trash = home / ".local/share/Trash" if relative else home / "data/Trash"
    assert (trash / "files/b.jpg").is_file()
    assert undo(home).moved == [os.fsencode(photos / "b.jpg")]


def test_what_others_did_in_the_trash_holds_up_no_other_file(home, photos):
    names = ("b.jpg", "c.jpg", "d.jpg")
    for name in names:
        shutil.copy(PHOTO, photos / name)
    trashed = [line("trash", photos / name) for name in names]
    apply(home, line("keep", photos / "2024/cat.jpg"), *trashed)
    trash = home / "data/Trash"
    (trash / "files/b.jpg").write_text("of another folder, after the trash was emptied")
    (trash / "info/b.jpg.trashinfo").write_text("[Trash Info]\nPath=/elsewhere/b.jpg\n")
    (trash / "info/c.jpg.trashinfo").unlink()
    done = undo(home)
    assert sorted(done.moved) == [os.fsencode(photos / name) for name in names[1:]]
    assert "not those of the plan" in reason(done)
    assert (trash / "files/b.jpg").read_text().startswith("of another folder")


def test_undo_killed_before_the_note_is_dropped_drops_it_the_next_time(home, photos, monkeypatch):
    shutil.copy(PHOTO, photos / "b.jpg")
    apply(home, line("keep", photos / "2024/cat.jpg"), line("trash", photos / "b.jpg"))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FreedesktopTrash, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            undo(home)
    assert (photos / "b.jpg").is_file()
    assert undo(home).moved == []
    assert list((home / "data/Trash/info").iterdir()) == []


def test_undo_killed_halfway_goes_on_where_links_have_other_inodes(home, photos, mount, tmp_path):
    branch = tmp_path / "branch"
    shutil.copytree(photos, branch)
    pool = mount("pool", "mergerfs", branch)
    shutil.copy(PHOTO, pool / "b.jpg")
    apply(home, line("keep", pool / "2024/cat.jpg"), line("trash", pool / "b.jpg"))
    (trashed,) = pool.glob(".Trash-*/files/b.jpg")
    os.link(trashed, pool / "b.jpg")
    assert undo(home).moved == [os.fsencode(pool / "b.jpg")]
    assert not trashed.exists()


def test_a_file_that_is_back_under_its_only_name_keeps_that(photos, tmp_path):
    (tmp_path / "trash").symlink_to(photos / "2024")  # as a mount of the trash can turn out to be
    place = TrashPlace(os.fsencode(tmp_path / "trash/cat.jpg"), b"")
    with pytest.raises(FileExistsError):
        FreedesktopTrash().put_back(place, os.fsencode(photos / "2024/cat.jpg"))
    assert (photos / "2024/cat.jpg").is_file()


def test_a_copy_whose_place_is_taken_while_it_goes_is_told_of_and_can_be_had_back(home, photos):
    kept, copy = photos / "2024/cat.jpg", photos / "b.jpg"
    shutil.copy(PHOTO, copy)

    def take():
        kept.unlink()
        copy.write_text("new")

    done = apply(home, line("keep", kept), line("trash", copy), trash=Snatching(take))
    assert "cannot be put back" in reason(done)
    copy.unlink()
    assert undo(home).moved == [os.fsencode(copy)]
    assert copy.read_bytes() == PHOTO.read_bytes()


def test_a_copy_is_back_when_its_folder_turns_into_that_of_the_file_that_stays(
    home, photos, mount, tmp_path
):
    mount("probe", "mount", "-t", "tmpfs", "none")  # or skip
    other = tmp_path / "other"
    other.mkdir()
    for path in (other / "b.jpg", photos / "2024/b.jpg"):
        shutil.copy(PHOTO, path)

    class Mounting(FreedesktopTrash):
        def move(self, path, place):
            subprocess.run(["mount", "--bind", photos / "2024", other], check=True)
            super().move(path, place)

    try:
        done = apply(
            home, line("keep", other / "b.jpg"), line("trash", photos / "2024/b.jpg"),
            trash=Mounting(),
        )  # fmt: skip
    finally:
        subprocess.run(["umount", other], check=True)
    assert "went or changed with it" in reason(done)
    assert (photos / "2024/b.jpg").read_bytes() == PHOTO.read_bytes()


def test_a_protected_file_is_known_by_a_name_in_another_case_or_composition(photos):
    shutil.copy(PHOTO, photos / "2024/CAFE\u0301.JPG")
    found = FolderSet([os.fsencode(photos)]).namesakes({"caf\u00e9.jpg".encode()})
    assert found == {"caf\u00e9.jpg".encode(): [os.fsencode(photos / "2024/CAFE\u0301.JPG")]}
