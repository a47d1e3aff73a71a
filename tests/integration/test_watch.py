"""What people and programs do to photo folders, and that the catalog follows."""

import asyncio
import contextlib
import ctypes
import itertools
import mmap
import os
import shutil
import threading
import time

import pytest
from running import DEADLINE_S, eventually
from watching import watching

from imgvecd.adapters.watchdog_inotify import InotifyWatcher
from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import debounce, disk_calls, listing, reconciler
from imgvecd.errors import CatalogError, NotFoundError
from imgvecd.types import Hint, HintKind


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    (folder / "2023" / "trip").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "2023/c.JPG", "2023/trip/d.png", "2023/trip/e.heic"):
        (folder / name).write_bytes(name.encode() * 10)
    return folder


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "state")


BY_EVENTS = WatchConfig(poll_interval_s=86_400)  # nothing is found by looking again
EVERYTHING = {"a.jpg", "b.jpg", "2023/c.JPG", "2023/trip/d.png", "2023/trip/e.heic"}


def ids(watched):
    return {path: row.id for path, row in watched.files().items()}


async def test_first_scan_finds_the_images_and_nothing_else(library, state):
    for name in ("notes.txt", ".hidden.jpg", "._a.jpg", "a.jpg.part", "b.jpg~", "jpg"):
        (library / name).write_bytes(b"no")
    for folder in (".cache", "@eaDir", ".Trash-1000", "#recycle"):
        (library / folder).mkdir()
        (library / folder / "x.jpg").write_bytes(b"no")
    (library / "link.jpg").symlink_to("a.jpg")
    (library / "folder.jpg").mkdir()
    async with watching(state, str(library)) as watched:
        assert watched.files().keys() == EVERYTHING
        assert watched.pending() == EVERYTHING
        assert watched.reconciler.status()[watched.rows[0].id].watching == "events"


async def test_new_changed_and_deleted_files_are_noticed_without_asking(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        (library / "new.jpg").write_bytes(b"new")
        await eventually(lambda: watched.pending() == {"new.jpg"})
        watched.read_all()
        (library / "a.jpg").write_bytes(b"other bytes")
        await eventually(lambda: watched.pending() == {"a.jpg"})
        (library / "2023" / "c.JPG").unlink()
        await eventually(lambda: "2023/c.JPG" not in watched.files())
        assert watched.agrees()


async def test_a_closed_file_is_pending_soon(tmp_path, state):
    an_hour = WatchConfig(settle_ms=3_600_000)  # what a file has to rest that nobody closed
    folder = tmp_path / "empty"
    folder.mkdir()
    async with watching(state, str(folder), watch=an_hour) as watched:
        for number in range(3):
            (folder / f"n{number}.jpg").write_bytes(b"new")
            await eventually(lambda name=f"n{number}.jpg": name in watched.files())


async def test_a_file_written_in_bursts_is_pending_once(library, state, monkeypatch):
    # longer than a machine does other things
    monkeypatch.setattr(debounce, "CLOSED_QUIET_S", 3.0)
    async with watching(state, str(library), watch=WatchConfig(settle_ms=3000)) as watched:
        changes = watched.changes
        for _ in range(10):
            with (library / "burst.jpg").open("ab") as file:
                file.write(b"more")
            await asyncio.sleep(0.02)  # the pace of the writer, nothing that is waited for
        await eventually(lambda: "burst.jpg" in watched.files())
        assert watched.files()["burst.jpg"].stamp.size_bytes == 40
        assert watched.changes <= changes + 1


async def test_an_open_file_is_left_alone_until_it_is_closed(library, state):
    settle = WatchConfig(settle_ms=400)
    async with watching(state, str(library), watch=settle) as watched:
        with (library / "slow.jpg").open("wb") as file:
            written_at = time.monotonic()
            file.write(b"first half")
            file.flush()
            (library / "marker.jpg").write_bytes(b"later than the half file")
            await asyncio.sleep(0.6)  # longer than settle_ms
            await eventually(lambda: "marker.jpg" in watched.files())
            taken = "slow.jpg" in watched.files()
            patience_s = 0.4 * debounce.OPEN_FACTOR  # which a busy machine may use up
            assert not taken or time.monotonic() - written_at > patience_s
            file.write(b"second half")
        await eventually(lambda: "slow.jpg" in watched.files())
        assert watched.files()["slow.jpg"].stamp.size_bytes == 21


async def test_a_file_that_nobody_closes_is_taken_in_the_end(library, state):
    async with watching(state, str(library), watch=WatchConfig(settle_ms=50)) as watched:
        with (library / "open.jpg").open("wb") as file:
            file.write(b"all there is")
            file.flush()
            await eventually(lambda: "open.jpg" in watched.files())


async def test_renames_keep_ids_and_only_what_was_itself_renamed_is_read(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / "a.jpg").rename(library / "2023" / "renamed.jpg")
        (library / "2023" / "trip").rename(library / "2024")
        await watched.reconciler.barrier()
        assert watched.pending() == {"2023/renamed.jpg"}
        assert watched.files()["2023/renamed.jpg"].content_id is not None  # searchable meanwhile
        assert ids(watched) == {
            "2023/renamed.jpg": before["a.jpg"],
            "b.jpg": before["b.jpg"],
            "2023/c.JPG": before["2023/c.JPG"],
            "2024/d.png": before["2023/trip/d.png"],
            "2024/e.heic": before["2023/trip/e.heic"],
        }


async def test_renames_while_nobody_watched(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
    (library / "2023").rename(library / "0000")
    (library / "b.jpg").unlink()
    async with watching(state, str(library)) as watched:
        assert watched.pending() == set()
        assert ids(watched) == {
            "a.jpg": before["a.jpg"],
            "0000/c.JPG": before["2023/c.JPG"],
            "0000/trip/d.png": before["2023/trip/d.png"],
            "0000/trip/e.heic": before["2023/trip/e.heic"],
        }


async def test_swaps_and_cycles(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)

        def rotate(*names):
            (library / names[-1]).rename(library / "aside")
            for old, new in reversed(list(itertools.pairwise(names))):
                (library / old).rename(library / new)
            (library / "aside").rename(library / names[0])

        rotate("a.jpg", "b.jpg")
        await watched.reconciler.barrier()
        assert ids(watched) == before | {"a.jpg": before["b.jpg"], "b.jpg": before["a.jpg"]}
        rotate("a.jpg", "b.jpg")
        await watched.reconciler.barrier()
        rotate("a.jpg", "2023/c.JPG", "2023/trip/d.png")
        await watched.reconciler.barrier()
        assert ids(watched) == before | {
            "2023/c.JPG": before["a.jpg"],
            "2023/trip/d.png": before["2023/c.JPG"],
            "a.jpg": before["2023/trip/d.png"],
        }


async def test_folders_that_trade_places(library, state):
    (library / "2022").mkdir()
    (library / "2022" / "c.JPG").write_bytes(b"another c")
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / "2022").rename(library / "aside")
        (library / "2023").rename(library / "2022")
        (library / "aside").rename(library / "2023")
        await watched.reconciler.barrier()
        assert watched.agrees()
        assert watched.pending() == set()
        assert watched.files()["2022/c.JPG"].id == before["2023/c.JPG"]
        assert watched.files()["2023/c.JPG"].id == before["2022/c.JPG"]


async def test_a_rename_over_another_file(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / "a.jpg").rename(library / "b.jpg")
        await watched.reconciler.barrier()
        assert watched.files()["b.jpg"].id == before["a.jpg"]
        assert "a.jpg" not in watched.files()


async def test_save_by_rename_makes_one_file_pending(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / ".a.jpg.swp").write_bytes(b"edited")
        (library / ".a.jpg.swp").rename(library / "a.jpg")
        await watched.reconciler.barrier()
        assert watched.pending() == {"a.jpg"}
        assert ids(watched) == before


async def test_hard_links_share_a_content_and_change_together(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        os.link(library / "a.jpg", library / "2023" / "also-a.jpg")
        await watched.reconciler.barrier()
        contents = watched.contents()
        assert contents["2023/also-a.jpg"] == contents["a.jpg"]
        with (library / "a.jpg").open("r+b") as file:
            file.write(b"X")
        await watched.reconciler.barrier()
        assert watched.pending() == {"a.jpg", "2023/also-a.jpg"}


@pytest.mark.parametrize("end", ["removed", "moved away", "left out", "replaced", "folder gone"])
async def test_a_write_by_a_name_that_goes_shows_by_the_other_name(library, state, end, tmp_path):
    os.link(library / "a.jpg", library / "2023" / "other.jpg")
    async with watching(state, str(library), exclude=("out",)) as watched:
        watched.read_all()
        (library / "out").mkdir()
        name = library / "2023" / "other.jpg"
        with name.open("r+b") as file:
            file.write(b"X")
        if end == "removed":
            name.unlink()
        elif end == "moved away":
            name.rename(tmp_path / "other.jpg")
        elif end == "left out":
            name.rename(library / "out" / "other.jpg")
        elif end == "replaced":
            (library / "b.png").write_bytes(b"new")
            (library / "b.png").rename(name)
        else:
            shutil.rmtree(library / "2023")
        await watched.reconciler.barrier()
        assert "a.jpg" in watched.pending()
        assert watched.agrees()


async def test_an_image_that_is_renamed_to_a_film_is_none(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        (library / "a.jpg").rename(library / "a.mov")
        await watched.reconciler.barrier()
        assert watched.files()["a.mov"].content_id is None
        assert "a.jpg" not in watched.files()
        (library / "a.mov").rename(library / "a.jpg")
        await watched.reconciler.barrier()
        assert watched.pending() == {"a.jpg"}


async def test_same_size_and_restored_mtime(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        status = (library / "a.jpg").stat()
        (library / "a.jpg").write_bytes(b"?" * status.st_size)
        os.utime(library / "a.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
        await watched.reconciler.barrier()
        assert watched.pending() == {"a.jpg"}


@pytest.mark.parametrize("hide", ["rename", "link", "swap"])
async def test_a_write_hidden_by_a_restored_mtime_and_a_new_name(library, state, hide):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = watched.contents()
    status = (library / "a.jpg").stat()
    with (library / "a.jpg").open("r+b") as file:
        file.write(b"?" * status.st_size)
    os.utime(library / "a.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    if hide == "rename":
        (library / "a.jpg").rename(library / "c.jpg")
    elif hide == "link":
        os.link(library / "a.jpg", library / "c.jpg")
    else:
        exchange(library / "a.jpg", library / "b.jpg")
    async with watching(state, str(library)) as watched:
        written = "b.jpg" if hide == "swap" else "c.jpg"
        assert watched.contents()[written] != before["a.jpg"]
        assert watched.agrees()


def exchange(one, other):
    """Swap two names in one step, as renameat2(2) does."""
    at_cwd, rename_exchange = -100, 2
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), at_cwd, os.fsencode(other)
    if libc.renameat2(at_cwd, *names, rename_exchange):
        raise OSError(ctypes.get_errno(), "renameat2")


async def test_names_exchanged_in_one_step(library, state):
    async with watching(state, str(library)) as watched:
        before = watched.contents()
        exchange(library / "a.jpg", library / "b.jpg")
        await watched.reconciler.barrier()
        now = watched.contents()
        assert (now["a.jpg"], now["b.jpg"]) == (before["b.jpg"], before["a.jpg"])
        (library / "other").mkdir()
        (library / "other" / "x.jpg").write_bytes(b"x")
        await watched.reconciler.barrier()
        exchange(library / "2023", library / "other")
        await watched.reconciler.barrier()
        assert watched.agrees()
        (library / "other" / "trip" / "y.jpg").write_bytes(b"heard of under its new name")
        await eventually(lambda: "other/trip/y.jpg" in watched.files())


async def test_folders_moved_out_and_in(library, state, tmp_path):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        outside = tmp_path / "outside"
        (library / "2023").rename(outside)
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg"}
        (outside / "late.jpg").write_bytes(b"not ours")
        (outside / "trip" / "later.jpg").write_bytes(b"not ours")
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg"}
        outside.rename(library / "back")
        await watched.reconciler.barrier()
        assert watched.agrees()
        (library / "back" / "trip" / "x.jpg").write_bytes(b"heard of again")
        await eventually(lambda: "back/trip/x.jpg" in watched.files())


async def test_several_roots_and_a_move_between_them(library, state, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    async with watching(state, str(library), str(other)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / "2023").rename(other / "moved")
        await watched.reconciler.barrier()
        assert watched.agrees(0)
        assert watched.agrees(1)
        assert watched.pending() == set()
        assert watched.files(1)["moved/trip/d.png"].id == before["2023/trip/d.png"]


async def test_nested_roots_share_no_file(library, state):
    async with watching(state, str(library), str(library / "2023" / "trip")) as watched:
        assert watched.files(0).keys() == {"a.jpg", "b.jpg", "2023/c.JPG"}
        assert watched.files(1).keys() == {"d.png", "e.heic"}
        (library / "2023" / "trip" / "new.jpg").write_bytes(b"new")
        await watched.reconciler.barrier()
        assert "new.jpg" in watched.files(1)
        assert "2023/trip/new.jpg" not in watched.files(0)


@pytest.mark.parametrize(
    "name",
    [b"not-utf8-\xff\xfe.jpg", b"new\nline.jpg", b"x" * 251 + b".jpg", "é.jpg".encode(),
     "e\u0301.jpg".encode(), b"blank .jpg", b"-rf.jpg"],
)  # fmt: skip
async def test_odd_names(library, state, name):
    async with watching(state, str(library)) as watched:
        with open(os.path.join(os.fsencode(library), b"2023", name), "wb") as file:
            file.write(b"odd")
        await watched.reconciler.barrier()
        assert os.fsdecode(b"2023/" + name) in watched.files()
        assert watched.agrees()


async def test_case_only_renames(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        before = ids(watched)
        (library / "a.jpg").rename(library / "A.JPG")
        await watched.reconciler.barrier()
        assert watched.files()["A.JPG"].id == before["a.jpg"]


async def test_changed_excludes_apply_both_ways(library, state):
    async with watching(state, str(library), exclude=("trip", "b.*")) as watched:
        assert watched.files().keys() == {"a.jpg", "2023/c.JPG"}
        watched.read_all()
        await watched.reload(watched.configs, watched.watch, ("2023/*.JPG",))
        await watched.reconciler.barrier()
        assert watched.files().keys() == EVERYTHING - {"2023/c.JPG"}
        assert watched.agrees()
        (library / "2023" / "trip" / "new.jpg").write_bytes(b"in a folder newly let in")
        await eventually(lambda: "2023/trip/new.jpg" in watched.files())


async def test_nomedia_leaves_a_folder_out_while_it_is_there(library, state):
    async with watching(state, str(library)) as watched:
        (library / "2023" / ".nomedia").touch()
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg"}
        (library / "2023" / "new.jpg").write_bytes(b"not wanted")
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg"}
        (library / "2023" / ".nomedia").unlink()
        await watched.reconciler.barrier()
        assert watched.files().keys() == EVERYTHING | {"2023/new.jpg"}


async def test_size_limits(library, state):
    (library / "big.jpg").write_bytes(b"x" * 5000)
    (library / "empty.jpg").touch()
    limits = WatchConfig(min_size_bytes=1, max_size_bytes=4000)
    async with watching(state, str(library), watch=limits) as watched:
        assert watched.files().keys() == EVERYTHING
        (library / "a.jpg").write_bytes(b"x" * 5000)
        await watched.reconciler.barrier()
        assert "a.jpg" not in watched.files()


async def test_links_are_followed_only_if_asked_and_never_in_circles(library, state, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.jpg").write_bytes(b"outside")
    (library / "out").symlink_to(outside)
    (library / "2023" / "up").symlink_to(library)
    (library / "trip").symlink_to(library / "2023" / "trip")
    (library / "same.jpg").symlink_to("a.jpg")
    (library / "dangling.jpg").symlink_to("nowhere")
    followed = EVERYTHING | {"trip/d.png", "trip/e.heic", "same.jpg"}
    async with watching(state, RootConfig(path=str(library), follow_symlinks=True)) as watched:
        assert watched.files().keys() == followed
        (library / "2023" / "trip" / "new.jpg").write_bytes(b"seen under both names")
        await watched.reconciler.barrier()
        assert watched.files().keys() == followed | {"2023/trip/new.jpg", "trip/new.jpg"}
        assert watched.agrees()
    async with watching(state, str(library)) as watched:
        assert watched.files().keys() == EVERYTHING | {"2023/trip/new.jpg"}


async def test_links_out_of_the_root_are_followed_if_that_is_asked_for(library, state, tmp_path):
    outside = tmp_path / "disk" / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "x.jpg").write_bytes(b"outside")
    (outside / "deep" / "y.jpg").write_bytes(b"further outside")
    (outside / "deep" / "back").symlink_to(library)
    (tmp_path / "disk" / "z.jpg").write_bytes(b"a file")
    (library / "out").symlink_to(outside)
    (library / "z.jpg").symlink_to(tmp_path / "disk" / "z.jpg")
    root = RootConfig(path=str(library), follow_symlinks_outside=True)
    through = {"out/x.jpg", "out/deep/y.jpg", "z.jpg"}
    async with watching(state, root) as watched:
        assert watched.files().keys() == EVERYTHING | through
        (outside / "deep" / "new.jpg").write_bytes(b"heard of through the link")
        await eventually(lambda: "out/deep/new.jpg" in watched.files())
        before = watched.files()
        (tmp_path / "disk").rename(tmp_path / "unplugged")
        await watched.reconciler.rescan()
        assert watched.files() == before
        (tmp_path / "unplugged").rename(tmp_path / "disk")
        await watched.reconciler.rescan()
        assert watched.files() == before
        (library / "out").unlink()
        await watched.reconciler.barrier()
        assert watched.files().keys() == EVERYTHING | {"z.jpg"}


async def test_a_root_that_goes_away_and_comes_back(library, state):
    async with watching(state, str(library), watch=BY_EVENTS) as watched:
        watched.read_all()
        before = watched.files()
        library.rename(library.with_name("away"))
        root_id = watched.rows[0].id
        await eventually(lambda: not watched.reconciler.status()[root_id].online)
        status = watched.reconciler.status()[root_id]
        assert status.reason == "the folder is missing"
        assert status.watching == "none"
        await eventually(lambda: not watched.catalog.files.roots()[0].online)
        (library.with_name("away") / "a.jpg").unlink()
        assert watched.files() == before
        library.with_name("away").rename(library)
        await eventually(lambda: watched.reconciler.status()[root_id].online)
        await watched.reconciler.barrier()
        assert watched.files().keys() == EVERYTHING - {"a.jpg"}
        assert watched.pending() == set()


async def test_a_folder_above_the_root_that_is_renamed(state, tmp_path):
    library = tmp_path / "disk" / "deeper" / "library"
    library.mkdir(parents=True)
    (library / "x.jpg").write_bytes(b"x")
    async with watching(state, str(library), watch=BY_EVENTS) as watched:
        root_id = watched.rows[0].id
        for _ in range(2):  # it is heard of again after it has come back
            (tmp_path / "disk").rename(tmp_path / "unplugged")
            await eventually(lambda: not watched.reconciler.status()[root_id].online)
            assert watched.files().keys() == {"x.jpg"}
            (tmp_path / "unplugged").rename(tmp_path / "disk")
            await eventually(lambda: watched.reconciler.status()[root_id].online)


async def test_a_file_that_is_saved_without_end(library, state):
    async with watching(state, str(library), watch=WatchConfig(settle_ms=50)) as watched:
        stop = asyncio.Event()

        async def webcam():
            while not stop.is_set():
                (library / "now.jpg").write_bytes(os.urandom(10))
                await asyncio.sleep(0.01)  # the pace of the camera, nothing that is waited for

        saving = asyncio.create_task(webcam())
        await eventually(lambda: "now.jpg" in watched.files())
        async with asyncio.timeout(DEADLINE_S):
            await watched.reconciler.barrier()
        stop.set()
        await saving


async def test_a_write_through_a_memory_map(library, state):
    async with watching(state, str(library)) as watched:
        before = watched.contents()
        with (library / "a.jpg").open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            view[:5] = b"other"
        await eventually(lambda: watched.pending() == {"a.jpg"})
        assert watched.contents()["a.jpg"] != before["a.jpg"]


async def test_a_hard_link_written_by_its_name_outside(library, state, tmp_path):
    os.link(library / "a.jpg", tmp_path / "outside.jpg")
    often = WatchConfig(rescan_interval_s=0.2)
    async with watching(state, str(library), watch=often) as watched:
        before = watched.contents()
        with (tmp_path / "outside.jpg").open("r+b") as file:
            file.write(b"other")
        await eventually(lambda: watched.pending() == {"a.jpg"})
        assert watched.contents()["a.jpg"] != before["a.jpg"]


@pytest.mark.parametrize("end", ["as it is", "hidden", "cut short"])
async def test_a_hard_link_written_by_a_name_that_is_no_images(library, state, end):
    async with watching(state, str(library)) as watched:
        before = watched.contents()
        os.link(library / "a.jpg", library / "a.txt")
        if end == "cut short":
            await watched.reconciler.barrier()
            before = watched.contents()
            os.truncate(library / "a.txt", 3)  # which closes nothing
        else:
            (library / "a.txt").write_bytes(b"other")
        if end == "hidden":
            (library / "a.txt").rename(library / ".a")
        await watched.reconciler.barrier()
        assert watched.contents()["a.jpg"] != before["a.jpg"]


@pytest.mark.parametrize("name", ["new.jpg", "b.jpg", "2023/new.mov"])
@pytest.mark.parametrize("moved", [False, True])
async def test_a_hard_link_that_is_made_and_written_at_once(library, state, name, moved):
    async with watching(state, str(library)) as watched:
        before = watched.contents()
        (library / name).unlink(missing_ok=True)
        os.link(library / "a.jpg", library / name)
        with (library / name).open("r+b") as file:
            file.write(b"other")
        if moved:
            (library / "2023").rename(library / "2024")
        await watched.reconciler.barrier()
        assert watched.contents()["a.jpg"] != before["a.jpg"]


@pytest.mark.parametrize("name", ["new.jpg", "2023/new.jpg", "2023/new.mov"])
@pytest.mark.parametrize("end", ["removed", "moved out", "moved and removed"])
@pytest.mark.parametrize("root", ["library", "other"])
async def test_a_hard_link_that_is_written_and_gone_again_at_once(
    library, state, tmp_path, name, end, root
):
    (tmp_path / "other").mkdir(exist_ok=True)
    (tmp_path / "other" / "2023").mkdir(exist_ok=True)
    async with watching(state, str(library), str(tmp_path / "other")) as watched:
        before = watched.contents()
        link = (library if root == "library" else tmp_path / "other") / name
        for turn in range(2):  # the second time at once after the first
            os.link(library / "a.jpg", link)
            with link.open("r+b") as file:
                file.write(b"other%d" % turn)
            if end == "moved and removed":
                link = link.rename(link.with_name("moved.jpg"))
            if end == "moved out":
                link.rename(tmp_path / "away.jpg")
            else:
                link.unlink()
            await watched.reconciler.barrier()
            after = watched.contents()
            assert after["a.jpg"] != before["a.jpg"]
            before = after


@pytest.mark.parametrize("folder", ["2023", "2023/trip/deeper"])
@pytest.mark.parametrize("end", ["removed", "moved out", "moved away", "made again", "left out"])
async def test_a_hard_link_that_is_written_and_gone_with_its_folder(
    library, state, tmp_path, folder, end
):
    place = library / folder
    place.mkdir(exist_ok=True)
    async with watching(state, str(library)) as watched:
        for turn in range(3):  # the watcher may be quick enough to see the name
            before = watched.contents()
            os.link(library / "a.jpg", place / "new.jpg")
            with (place / "new.jpg").open("r+b") as file:
                file.write(b"other%d" % turn)
            if end == "left out":
                (place / ".nomedia").touch()
            elif end in ("removed", "made again"):
                shutil.rmtree(place)
            else:
                away = library if end == "moved away" else tmp_path
                place.rename(away / f"gone-{turn}")
            if end == "made again":
                place.mkdir()
            await watched.reconciler.barrier()
            assert watched.contents()["a.jpg"] != before["a.jpg"]
            if end == "left out":
                (place / "new.jpg").unlink()
                (place / ".nomedia").unlink()
            place.mkdir(exist_ok=True)
            await watched.reconciler.barrier()


@pytest.mark.parametrize("folder", ["2023", "2023/trip/deeper"])
@pytest.mark.parametrize("end", ["removed", "moved out", "moved away", "made again"])
async def test_what_happened_in_a_folder_counts_when_its_end_is_seen_before_it_is_told(
    library, state, tmp_path, folder, end
):
    watcher = _Late()
    place = library / folder
    place.mkdir(exist_ok=True)
    async with watching(state, str(library), watcher=watcher) as watched:
        before = watched.contents()
        watcher.tells.clear()
        os.link(library / "a.jpg", place / "new.jpg")
        with (place / "new.jpg").open("r+b") as file:
            file.write(b"other")
        if end in ("removed", "made again"):
            shutil.rmtree(place)
        else:
            place.rename((library if end == "moved away" else tmp_path) / "gone")
        if end == "made again":
            place.mkdir()
        await watched.reconciler.rescan(os.fsencode(place))
        watcher.tells.set()
        await watched.reconciler.barrier()
        assert watched.contents()["a.jpg"] != before["a.jpg"]


class _Late(InotifyWatcher):
    """Hears of everything, but not at once."""

    def __init__(self):
        super().__init__()
        self.tells = threading.Event()
        self.tells.set()

    def on_event(self, event):
        self.tells.wait(DEADLINE_S)
        super().on_event(event)


async def test_a_program_with_passing_files_costs_little(library, state, monkeypatch):
    scans = []
    async with watching(state, str(library)) as watched:
        step = watched.reconciler._scan_step
        seek = step.look_for_unseen_links

        def seek_and_note():
            scans.append(time.monotonic())
            seek()

        monkeypatch.setattr(step, "look_for_unseen_links", seek_and_note)
        monkeypatch.setattr("imgvecd.core.watch.reconciler.DOUBT_PAUSES", 1_000_000)
        for number in range(5):
            (library / f"passing-{number}.jpg").write_bytes(b"passing")
            (library / f"passing-{number}.jpg").unlink()
            await asyncio.sleep(0.1)
        assert len(scans) <= 2  # of five; the machine may be slow
        await watched.reconciler.barrier()
        assert len(scans) <= 3
        (library / "part.jpg").write_bytes(b"saved by way of another name")
        (library / "part.jpg").rename(library / "whole.jpg")
        await watched.reconciler.barrier()
        assert len(scans) <= 3
        assert "whole.jpg" in watched.files()


@pytest.mark.parametrize("other", ["b.jpg", "2023/new.png", "2023/trip/d.mov"])
async def test_hard_links_that_are_left_out_from_now_on_hold_up_nothing(library, state, other):
    (library / other).unlink(missing_ok=True)
    os.link(library / "a.jpg", library / other)
    async with watching(state, str(library)) as watched:
        assert {"a.jpg", other} <= watched.files().keys()
        (library / "a.jpg").write_bytes(b"changed meanwhile")
        await watched.reload(watched.configs, watched.watch, ("*.jpg", "*.png"))
        async with asyncio.timeout(DEADLINE_S):
            await watched.reconciler.barrier()
        assert watched.agrees()


async def test_a_root_that_appears_later(state, tmp_path):
    async with watching(state, str(tmp_path / "later")) as watched:
        assert not watched.reconciler.status()[watched.rows[0].id].online
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "x.jpg").write_bytes(b"x")
        await eventually(lambda: watched.files().keys() == {"x.jpg"})


async def test_a_root_deleted_and_made_again(library, state):
    async with watching(state, str(library)) as watched:
        watched.read_all()
        root_id = watched.rows[0].id
        shutil.rmtree(library)
        await eventually(lambda: not watched.reconciler.status()[root_id].online)
        kept = watched.files().keys()
        library.mkdir()
        await watched.reconciler.barrier()
        # Empty, it may just as well be a mount point without its disk.
        assert not watched.reconciler.status()[root_id].online
        assert watched.files().keys() == kept
        (library / "new.jpg").write_bytes(b"new")
        await eventually(lambda: watched.reconciler.status()[root_id].online)
        await eventually(lambda: watched.files().keys() == {"new.jpg"})


async def test_an_empty_root_is_accepted_on_request(library, state):
    async with watching(state, str(library)) as watched:
        library.rename(library.with_name("away"))
        library.mkdir()
        await watched.reconciler.rescan()
        assert watched.files().keys() == EVERYTHING
        await watched.reconciler.rescan(os.fsencode(library))
        assert watched.files() == {}
        assert watched.reconciler.status()[watched.rows[0].id].online


async def test_emptying_a_root_is_a_deletion(library, state):
    async with watching(state, str(library)) as watched:
        for entry in library.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        await watched.reconciler.barrier()
        assert watched.files() == {}


async def test_rescan_finds_what_no_event_told_of(library, state):
    polled = RootConfig(path=str(library), watch="poll")
    async with watching(state, polled) as watched:
        assert watched.reconciler.status()[watched.rows[0].id].watching == "poll"
        (library / "2023" / "trip" / "x.jpg").write_bytes(b"x")
        (library / "b.jpg").unlink()
        await watched.reconciler.rescan(os.fsencode(library / "2023") + b"/")
        assert watched.files().keys() == EVERYTHING | {"2023/trip/x.jpg"}
        await watched.reconciler.rescan()
        assert watched.agrees()
        with pytest.raises(NotFoundError):
            await watched.reconciler.rescan(b"/nowhere")


async def test_polled_roots_are_scanned_by_themselves(library, state):
    polled = RootConfig(path=str(library), watch="poll")
    async with watching(state, polled, watch=WatchConfig(poll_interval_s=0.1)) as watched:
        (library / "2023" / "new").mkdir()
        (library / "2023" / "new" / "x.jpg").write_bytes(b"x")
        (library / "b.jpg").unlink()
        await eventually(watched.agrees)


async def test_the_periodic_scan_needs_no_events(library, state):
    often = WatchConfig(rescan_interval_s=0.2)
    async with watching(state, RootConfig(path=str(library), watch="poll"), watch=often) as watched:
        (library / "x.jpg").write_bytes(b"x")
        await eventually(watched.agrees)


async def test_a_folder_that_may_not_be_read_keeps_its_files(library, state, monkeypatch):
    scandir = os.scandir
    locked = os.stat(library / "2023").st_ino

    def refuse(descriptor):
        if os.fstat(descriptor).st_ino == locked:
            raise PermissionError(13, "Permission denied")
        return scandir(descriptor)

    async with watching(state, str(library)) as watched:
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", refuse)
            await watched.reconciler.rescan()
            assert watched.files().keys() == EVERYTHING
            status = watched.reconciler.status()[watched.rows[0].id]
            assert status.watching == "mixed"
            assert "1 of 3 folders cannot be watched or read" in status.warning
        await watched.reconciler.rescan()
        assert watched.reconciler.status()[watched.rows[0].id].warning is None


async def test_a_replaced_folder_that_may_not_be_read_at_first_keeps_nothing(
    library, state, monkeypatch
):
    plainly = listing.open_beneath

    def refuse(root, relative, flags, links):
        if relative.startswith(b"2023"):
            raise PermissionError(13, "Permission denied")
        return plainly(root, relative, flags, links)

    async with watching(state, str(library)) as watched:
        with monkeypatch.context() as patch:
            patch.setattr(listing, "open_beneath", refuse)
            (library / "2023").rename(library.parent / "elsewhere")
            (library / "2023").mkdir()
            await watched.reconciler.barrier()
            assert watched.files().keys() == EVERYTHING
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg"}


async def test_idle_means_idle(library, state):
    others = set(os.listdir("/proc/self/task"))
    async with watching(state, str(library)) as watched:
        changes = watched.changes
        async with asyncio.timeout(DEADLINE_S):  # what the start has begun comes to its end first
            while True:
                woken = times_woken(set(os.listdir("/proc/self/task")) - others)
                await asyncio.sleep(1)  # what is measured
                if (
                    sum(times_woken(woken).values()) <= sum(woken.values()) + 4
                ):  # looks at the roots
                    break
        assert watched.changes == changes


def times_woken(threads):
    """Return how often each thread woke up, whatever else the machine did."""
    found = {}
    for thread in threads:
        with (
            contextlib.suppress(FileNotFoundError),  # it has ended
            open(f"/proc/self/task/{thread}/status") as status,
        ):
            (line,) = (line for line in status if line.startswith("voluntary_ctxt_switches"))
            found[thread] = int(line.split()[1])
    return found


class Answer(threading.Event):
    """Of a folder that hangs.

    Attributes:
        reached: set once somebody waits for it.
    """

    def __init__(self):
        super().__init__()
        self.reached = threading.Event()


@pytest.fixture
def hanging(monkeypatch):
    """Folders named `hang` do not answer until the event is set."""
    answer = Answer()
    plainly = listing.open_beneath

    def open_or_hang(folder, relative, flags, links):
        if relative.split(b"/")[-1] == b"hang":
            answer.reached.set()
            answer.wait(DEADLINE_S)
        return plainly(folder, relative, flags, links)

    monkeypatch.setattr(listing, "open_beneath", open_or_hang)
    monkeypatch.setattr(disk_calls, "STALL_S", 0.3)
    yield answer
    answer.set()


async def test_a_folder_that_does_not_answer_holds_up_nothing_else(library, state, hanging):
    (library / "hang").mkdir()
    (library / "hang" / "late.jpg").write_bytes(b"late")
    (library / "z").mkdir()
    (library / "z" / "z.jpg").write_bytes(b"z")
    watch = WatchConfig(poll_interval_s=0.2)
    async with watching(state, str(library), watch=watch) as watched:
        # a folder that is listed slowly is passed over for a while, as one that hangs
        await eventually(lambda: watched.files().keys() == EVERYTHING | {"z/z.jpg"})
        (library / "new.jpg").write_bytes(b"new")
        await eventually(lambda: "new.jpg" in watched.files())
        assert threads().count("list") <= disk_calls.MOST_STUCK + 1  # slow ones may be among them
        hanging.set()
        await eventually(lambda: "hang/late.jpg" in watched.files())


async def test_a_stop_does_not_wait_for_a_folder_that_hangs(library, state, hanging, monkeypatch):
    monkeypatch.setattr(disk_calls, "STALL_S", DEADLINE_S)
    monkeypatch.setattr(reconciler, "LEAVE_S", 0.2)
    async with watching(state, str(library)) as watched:
        (library / "hang").mkdir()
        syncing = asyncio.create_task(watched.reconciler.barrier())
        await eventually(hanging.reached.is_set)
    assert "list" in threads()  # which hangs as before
    syncing.cancel()
    hanging.set()
    await asyncio.wait([syncing])
    await eventually(lambda: "reconcile" not in threads())


def threads():
    return [thread.name for thread in threading.enumerate()]


# What is behind


class DeafWatcher(InotifyWatcher):
    """Hears nothing but what a test says."""

    def start(self, on_hint):
        super().start(lambda _: None)
        self.tell = on_hint


def write(library, number):
    (library / f"{number}.jpg").write_bytes(b"new" * 100)


def write_slowly(library, number):
    with open(library / f"{number}.jpg", "wb") as file:
        for _ in range(3):
            file.write(b"new" * 100)
            file.flush()


def move_a_folder_in(library, number):
    fresh = library.with_name("fresh")
    fresh.mkdir()
    (fresh / "new.jpg").write_bytes(b"new" * 100)
    fresh.rename(library / f"{number}")


def rename(library, number):
    write(library, number)
    (library / f"{number}.jpg").rename(library / f"{number} renamed.jpg")


@pytest.mark.parametrize("change", [write, write_slowly, move_a_folder_in, rename])
async def test_once_it_is_not_behind_everything_is_in_the_catalog(library, state, change):
    async with watching(state, str(library), watch=BY_EVENTS) as watched:
        await eventually(lambda: not watched.reconciler.behind)
        for number in range(3):
            change(library, number)
            await eventually(lambda: not watched.reconciler.behind)
            assert watched.agrees()


async def test_a_scan_is_behind_until_new_files_have_come_to_rest(library, state):
    watcher = DeafWatcher()
    async with watching(state, str(library), watch=BY_EVENTS, watcher=watcher) as watched:
        for number in range(3):
            write(library, number)
            watcher.tell(Hint(HintKind.LOST))
            await eventually(lambda: not watched.reconciler.behind)
            assert watched.agrees()


async def test_it_is_behind_until_what_failed_is_scanned(library, state, monkeypatch):
    monkeypatch.setattr(reconciler, "RETRY_S", (0.1, 0.1))
    async with watching(state, str(library), watch=BY_EVENTS) as watched:
        store, apply, failed = watched.catalog.files, watched.catalog.files.apply, []

        def fail_once(changes):
            if not failed:
                failed.append(changes)
                raise CatalogError("the disk is full")
            return apply(changes)

        monkeypatch.setattr(store, "apply", fail_once)
        write(library, 1)
        await eventually(lambda: failed and not watched.reconciler.behind)
        assert watched.agrees()
