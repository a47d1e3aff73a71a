"""What the kernel does to a watcher: full queues, used-up watches, mounts that come and go."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from photo_world import picture
from running import DEADLINE_S, eventually
from watching import watching

from imgvecd.adapters.watchdog_inotify import InotifyWatcher
from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.types import Coverage, Hint, HintKind

QUEUE_LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")
LONG = (pytest.mark.nightly, pytest.mark.timeout(3600))
TESTS = Path(__file__).parents[1]
BY_EVENTS = WatchConfig(poll_interval_s=86_400)  # nothing is found by looking again


def status_of(watched, root=0):
    return watched.reconciler.status()[watched.rows[root].id]


# Overflow


@pytest.fixture
def flood(tmp_path):
    """A function that makes more events in a folder than the kernel keeps for one watcher."""
    limit = int(QUEUE_LIMIT.read_text())
    if limit > 200_000:
        pytest.skip(f"a queue of {limit} events takes long to fill")

    def fill_queue(folder):
        files = [folder / "flood-0.txt", folder / "flood-1.txt"]
        for file in files:
            file.touch()
        for _ in range(limit):  # twice as many: some are read before the reader stops
            for file in files:
                os.utime(file)

    return fill_queue


class SlowWatcher(InotifyWatcher):
    """Stops reading events while `hold` is cleared, as a paused process does."""

    def __init__(self):
        super().__init__()
        self.hold = threading.Event()
        self.hold.set()
        self.lost = 0

    def start(self, hear):
        def hear_slowly(hint: Hint):
            self.hold.wait()
            self.lost += hint.kind is HintKind.LOST
            hear(hint)

        super().start(hear_slowly)


@pytest.mark.parametrize("runs", [2, pytest.param(100, marks=LONG)])
async def test_nothing_is_missed_when_the_queue_overflows(tmp_path, flood, runs):
    library = tmp_path / "library"
    (library / "old").mkdir(parents=True)
    for number in range(2 * runs):
        (library / "old" / f"{number}.jpg").write_bytes(b"%d" % number)
    watcher = SlowWatcher()
    async with watching(str(tmp_path / "state"), str(library), watcher=watcher) as watched:
        watched.read_all()
        for run in range(runs):
            lost = watcher.lost
            watcher.hold.clear()
            flood(library)
            for number in range(40):
                (library / "old" / f"{run}-{number}.jpg").write_bytes(b"new")
                (library / f"{run}" / f"{number}").mkdir(parents=True)
                (library / f"{run}" / f"{number}" / "deep.jpg").write_bytes(b"new")
            (library / "old" / f"{run}.jpg").unlink()
            (library / "old" / f"{run + runs}.jpg").rename(library / f"{run}" / "moved.jpg")
            watcher.hold.set()
            await eventually(lambda lost=lost: watcher.lost > lost)
            await watched.reconciler.barrier()
            assert watched.agrees()
            assert watched.files()[f"{run}/moved.jpg"].content_id is not None  # recognised
        # folders made during an overflow are heard of afterwards
        (library / "0" / "39" / "heard.jpg").write_bytes(b"x")
        await eventually(lambda: "0/39/heard.jpg" in watched.files())


def test_watches_whose_end_the_kernel_could_not_tell_are_forgotten(tmp_path, flood):
    watcher = SlowWatcher()
    watcher.start(lambda hint: None)
    try:
        folders = [tmp_path / f"{number}" for number in range(50)]
        for folder in (tmp_path, *folders):
            folder.mkdir(exist_ok=True)
            assert watcher.watch(os.fsencode(folder)) is Coverage.EVENTS
        watcher.hold.clear()
        flood(tmp_path)
        for folder in folders:
            watcher.forget(os.fsencode(folder))
        watcher.hold.set()
        deadline = time.monotonic() + DEADLINE_S
        while not (watcher.lost and watcher.told_all()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(watcher._paths.values()) == [{os.fsencode(tmp_path)}]
        assert watcher._inotify._watch_for_wd.keys() == watcher._paths.keys()
    finally:
        watcher.hold.set()
        watcher.stop()


@pytest.mark.long
@pytest.mark.parametrize("runs", [2, pytest.param(100, marks=LONG)])
async def test_a_tree_that_is_copied_in_is_taken_in_whole(tmp_path, runs):
    library, source = tmp_path / "library", tmp_path / "source"
    library.mkdir()
    deep = source
    for number in range(300):
        deep = source / f"{number}" if number % 10 == 0 else deep / f"{number}"
        deep.mkdir(parents=True)
        for name in range(10):
            (deep / f"{name}.jpg").write_bytes(b"%d" % name)
    async with watching(str(tmp_path / "state"), str(library)) as watched:
        for run in range(runs):
            target = library / f"{run}"
            copying = await asyncio.create_subprocess_exec("cp", "-r", source, target)
            assert await copying.wait() == 0
            await watched.reconciler.barrier()
            assert sum(path.startswith(f"{run}/") for path in watched.files()) == 3000
            assert watched.agrees()
            await asyncio.to_thread(shutil.rmtree, target)
        await watched.reconciler.barrier()
        assert watched.files() == {}


@pytest.mark.parametrize("runs", [2, pytest.param(100, marks=LONG)])
def test_a_paused_daemon_misses_nothing(tmp_path, flood, start_fast, runs):
    library = tmp_path / "library"
    (library / "old").mkdir(parents=True)
    numbers = itertools.count()
    daemon = start_fast(library, watch__settle_ms=30)
    for run in range(runs):
        lost = daemon.log.read_bytes().count(b"scanning everything")
        daemon.process.send_signal(signal.SIGSTOP)
        flood(library)
        for number in range(20):
            folder = library / f"{run}" / f"{number}"
            folder.mkdir(parents=True)
            (folder / "deep.png").write_bytes(picture(next(numbers)))
            (library / "old" / f"{number}.png").write_bytes(picture(next(numbers)))
        if run:
            (library / f"{run - 1}").rename(library / f"{run}" / "0" / "moved")
        daemon.process.send_signal(signal.SIGCONT)
        daemon.sync()
        assert daemon.post("/v1/doctor")["healthy"]
        assert daemon.status()["files"]["indexed"] == 20 + 20 * (run + 1)
        assert daemon.log.read_bytes().count(b"scanning everything") > lost
    committed = (tmp_path / "committed").read_text().split()
    assert len(committed) == len(set(committed)) == next(numbers)


# Watch limit


def in_user_namespace(program, tmp_path):
    """Run a program where the limits of inotify can be lowered for it alone."""
    if subprocess.run(["unshare", "-Ur", "true"], check=False).returncode:
        pytest.skip("user namespaces are not permitted")
    places = [tmp_path / "state", tmp_path / "library", TESTS, TESTS.parent]
    return subprocess.run(
        ["unshare", "-Ur", sys.executable, "-c", program, *map(str, places)],
        check=False, capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip


LIMITED = """
import asyncio, sys
sys.path[:0] = sys.argv[3:]
from watching import watching

async def main(state, library):
    async with watching(state, library) as watched:
        root = watched.reconciler.status()[watched.rows[0].id]
        assert root.watching == "mixed", root
        assert "fs.inotify.max_user_watches" in root.warning, root.warning
        print(root.warning)
        with open(library + "/79/new.jpg", "wb") as file:
            file.write(b"new")
        with open(library + "/0/new.jpg", "wb") as file:
            file.write(b"new")
        await watched.reconciler.barrier()
        assert watched.agrees()
        open("/proc/sys/user/max_inotify_watches", "w").write("1000")
        await watched.reconciler.rescan()
        root = watched.reconciler.status()[watched.rows[0].id]
        assert (root.watching, root.warning) == ("events", None), root

open("/proc/sys/user/max_inotify_watches", "w").write("40")
asyncio.run(main(*sys.argv[1:3]))
"""


def test_folders_beyond_the_watch_limit_are_polled_with_a_warning(tmp_path):
    for number in range(100):
        folder = tmp_path / "library" / f"{number}"
        folder.mkdir(parents=True)
        (folder / "x.jpg").write_bytes(b"x")
    done = in_user_namespace(LIMITED, tmp_path)
    assert done.returncode == 0, done.stderr
    # of the 40 watches that there are, the folders above the root take one each
    beyond = 101 - 40 + len((tmp_path / "library").parents)
    assert f"{beyond} of 101 folders are scanned every 60 s instead" in done.stdout


DEAF = """
import asyncio, sys
sys.path[:0] = sys.argv[3:]
from watching import watching
from imgvecd.adapters.watchdog_platform import make_watcher
from imgvecd.config.schema import WatchConfig

async def main(state, library):
    often = WatchConfig(poll_interval_s=0.1)
    async with watching(state, library, watch=often, watcher=make_watcher()) as watched:
        root = watched.reconciler.status()[watched.rows[0].id]
        assert root.watching == "poll", root
        assert "fs.inotify.max_user_instances" in root.warning, root.warning
        with open(library + "/new.jpg", "wb") as file:
            file.write(b"new")
        async with asyncio.timeout(100):
            while not watched.agrees():
                await asyncio.sleep(0.01)

open("/proc/sys/user/max_inotify_instances", "w").write("0")
asyncio.run(main(*sys.argv[1:3]))
"""


def test_without_any_inotify_instance_everything_is_polled(tmp_path):
    fill(tmp_path / "library")
    done = in_user_namespace(DEAF, tmp_path)
    assert done.returncode == 0, done.stderr


# Mounts


@pytest.fixture
def mount(tmp_path):
    """A function that mounts; everything is unmounted at the end."""
    mounted = []

    def run(*arguments, at):
        done = subprocess.run(["mount", *arguments, at], check=False, capture_output=True)
        if done.returncode:
            pytest.skip("mounting is not permitted")
        mounted.append(at)

    yield run
    for at in reversed(mounted):
        while (
            subprocess.run(["umount", "-l", at], check=False, capture_output=True).returncode == 0
        ):
            pass


def unmount(folder, *flags):
    # A look in progress keeps the file system busy for a moment.
    for _ in range(500):
        if (
            subprocess.run(["umount", *flags, folder], check=False, capture_output=True).returncode
            == 0
        ):
            return
    raise AssertionError(f"{folder} stays busy")


def fill(folder):
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
@pytest.mark.parametrize("flags", [(), ("-l",)], ids=["plain", "lazy"])
@pytest.mark.parametrize("times", [3, pytest.param(50, marks=LONG)])
async def test_a_mounted_root_goes_offline_as_soon_as_it_goes(tmp_path, mount, kind, flags, times):
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    if kind == "tmpfs":  # mounted here and there, so that it outlives the one at the root
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(source))
    fill(source)
    root.mkdir()
    mount("--bind", str(source), at=str(root))
    async with watching(str(tmp_path / "state"), str(root), watch=BY_EVENTS) as watched:
        watched.read_all()
        before = watched.files()
        assert before.keys() == {"a.jpg", "b.jpg", "sub/c.jpg"}
        for _ in range(times):
            unmount(str(root), *flags)
            await eventually(lambda: not status_of(watched).online)
            await watched.reconciler.rescan()
            assert watched.files() == before
            mount("--bind", str(source), at=str(root))
            await eventually(lambda: status_of(watched).online)
            await watched.reconciler.barrier()
            assert watched.files() == before
        assert watched.pending() == set()  # nothing is read again, let alone encoded


async def test_a_file_system_comes_back_under_other_numbers(tmp_path, mount):
    root = tmp_path / "root"
    root.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(root))
    fill(root)
    async with watching(str(tmp_path / "state"), str(root), watch=BY_EVENTS) as watched:
        ids = {path: row.id for path, row in watched.files().items()}
        shutil.copytree(root, tmp_path / "backup")
        unmount(str(root))
        await eventually(lambda: not status_of(watched).online)
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(root))
        await watched.reconciler.barrier()
        assert not status_of(watched).online  # an empty file system is not the library
        shutil.copytree(tmp_path / "backup", root, dirs_exist_ok=True)
        await eventually(lambda: status_of(watched).online)
        await watched.reconciler.barrier()
        assert {path: row.id for path, row in watched.files().items()} == ids


async def test_another_disk_in_the_same_place_is_not_the_library(tmp_path, mount):
    root = tmp_path / "root"
    fill(root)
    async with watching(str(tmp_path / "state"), str(root), watch=BY_EVENTS) as watched:
        before = watched.files()
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(root))
        (root / "other.jpg").write_bytes(b"other")
        await eventually(lambda: not status_of(watched).online)
        assert "another file system" in status_of(watched).reason
        assert watched.files() == before
        unmount(str(root))
        await eventually(lambda: status_of(watched).online)
        await watched.reconciler.barrier()
        assert watched.files() == before


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@pytest.mark.parametrize("leaves", ["an empty folder", "nothing"])
async def test_a_mount_below_the_root_keeps_its_files_when_it_goes(tmp_path, mount, kind, leaves):
    root, card, source = tmp_path / "root", tmp_path / "root" / "card", tmp_path / "source"
    fill(root)
    card.mkdir()
    fill(source)
    if kind == "bind":
        mount("--bind", str(source), at=str(card))
    else:
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(card))
        fill(card)
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        watched.read_all()
        before = watched.files()
        assert len(before) == 6
        unmount(str(card))
        if leaves == "nothing":
            card.rmdir()
        await watched.reconciler.rescan()
        assert watched.files() == before
        card.mkdir(exist_ok=True)
        await watched.reconciler.barrier()
        assert watched.files() == before
        if kind == "bind":
            mount("--bind", str(source), at=str(card))
            (card / "new.jpg").write_bytes(b"new")
            await eventually(lambda: "card/new.jpg" in watched.files())
            assert watched.pending() == {"card/new.jpg"}
        else:
            await watched.reconciler.rescan(os.fsencode(card))  # asked for: it is as it is now
            assert len(watched.files()) == 3


async def test_a_mount_below_the_root_that_is_gone_at_the_start_keeps_its_files(tmp_path, mount):
    root, card, source = tmp_path / "root", tmp_path / "root" / "card", tmp_path / "source"
    fill(root)
    fill(source)
    card.mkdir()
    mount("--bind", str(source), at=str(card))
    state = str(tmp_path / "state")
    async with watching(state, str(root)) as watched:
        watched.read_all()
        before = watched.files()
        assert len(before) == 6
    unmount(str(card))
    (card / "underneath.jpg").write_bytes(b"not of the card")
    async with watching(state, str(root)) as watched:
        assert watched.files() == before
        assert "nothing is mounted there" in status_of(watched).warning
        mount("--bind", str(source), at=str(card))
        await eventually(lambda: status_of(watched).warning is None)
        (card / "a.jpg").unlink()
        await eventually(lambda: "card/a.jpg" not in watched.files())
        assert watched.pending() == set()
    unmount(str(card))
    (card / "underneath.jpg").unlink()
    card.rmdir()
    async with watching(state, str(root)) as watched:
        assert "card/b.jpg" in watched.files()
        await watched.reconciler.rescan(os.fsencode(card))  # asked for: it is gone for good
        assert watched.files().keys() == {"a.jpg", "b.jpg", "sub/c.jpg"}
        assert status_of(watched).warning is None


async def test_another_card_in_the_same_place_is_not_the_library(tmp_path, mount):
    root, card = tmp_path / "root", tmp_path / "root" / "card"
    fill(root)
    card.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(card))
    fill(card)
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        before = watched.files()
        unmount(str(card), "-l")
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(card))
        (card / "other.jpg").write_bytes(b"of another card")
        await watched.reconciler.rescan()
        assert watched.files() == before
        assert "another file system" in status_of(watched).warning
        await watched.reconciler.rescan(os.fsencode(card))  # asked for: this one is meant
        assert watched.files().keys() == {"a.jpg", "b.jpg", "sub/c.jpg", "card/other.jpg"}


async def test_a_mount_that_is_excluded_keeps_nothing(tmp_path, mount):
    root, card, source = tmp_path / "root", tmp_path / "root" / "card", tmp_path / "source"
    fill(root)
    fill(source)
    card.mkdir()
    mount("--bind", str(source), at=str(card))
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        unmount(str(card))
        await watched.reconciler.barrier()
        assert len(watched.files()) == 6
        await watched.reload(watched.configs, watched.watch, ("card",))
        await watched.reconciler.barrier()
        assert watched.files().keys() == {"a.jpg", "b.jpg", "sub/c.jpg"}


@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
@pytest.mark.parametrize("below", ["", "photos"])
@pytest.mark.parametrize("copied", [False, True], ids=["of its size", "its very bytes"])
async def test_what_lies_below_an_unmounted_root_is_not_the_library(
    tmp_path, mount, kind, below, copied
):
    disk, place = tmp_path / "disk", tmp_path / "place"
    disk.mkdir()
    place.mkdir()
    if kind == "tmpfs":
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=str(disk))
    fill(disk / below)
    mount("--bind", str(disk), at=str(place))
    root = place / below
    state = str(tmp_path / "state")
    async with watching(state, str(root), watch=BY_EVENTS) as watched:
        watched.read_all()
        before = watched.files()
        unmount(str(place))
        await eventually(lambda: not status_of(watched).online)
        root.mkdir(exist_ok=True)
        for name in ("a.jpg", "b.jpg"):
            if copied:
                shutil.copy2(disk / below / name, root)
            else:
                (root / name).write_bytes(b"other")
        await watched.reconciler.rescan()
        assert watched.files() == before
    async with watching(state, str(root)) as watched:
        assert watched.files() == before
        assert not status_of(watched).online
        mount("--bind", str(disk), at=str(place))
        await eventually(lambda: status_of(watched).online)
        await watched.reconciler.barrier()
        assert watched.files() == before
        assert watched.pending() == set()


async def test_another_folder_is_taken_for_the_root_when_the_user_says_so(tmp_path, mount):
    disk, root = tmp_path / "disk", tmp_path / "root"
    fill(disk)
    root.mkdir()
    mount("--bind", str(disk), at=str(root))
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        unmount(str(root))
        (root / "new.jpg").write_bytes(b"new")
        await watched.reconciler.barrier()
        assert "nothing is mounted" in status_of(watched).reason
        await watched.reconciler.rescan(os.fsencode(root))
        assert watched.files().keys() == {"new.jpg"}


async def test_a_mount_that_goes_together_with_the_folder_that_it_was_in(tmp_path, mount):
    root, source = tmp_path / "root", tmp_path / "source"
    fill(root)
    fill(source)
    card = root / "user" / "card"
    card.mkdir(parents=True)
    (root / "user" / "plain.jpg").write_bytes(b"plain")
    mount("--bind", str(source), at=str(card))
    state = str(tmp_path / "state")
    async with watching(state, str(root)) as watched:
        before = watched.files()
        unmount(str(card))
        shutil.rmtree(root / "user")
        await eventually(lambda: "user/plain.jpg" not in watched.files())
        await watched.reconciler.rescan()
        kept = {path for path in before if path.startswith("user/card/")}
        assert len(kept) == 3
        assert watched.files().keys() == before.keys() - {"user/plain.jpg"}
    async with watching(state, str(root)) as watched:
        assert kept < watched.files().keys()
        card.mkdir(parents=True)
        mount("--bind", str(source), at=str(card))
        await eventually(lambda: status_of(watched).warning is None)
        await watched.reconciler.barrier()
        assert {path: watched.files()[path] for path in kept} == {
            path: before[path] for path in kept
        }
        await watched.reload(watched.configs, watched.watch, ("card",))
        await watched.reconciler.barrier()
        assert not kept & watched.files().keys()


async def test_a_link_to_a_file_that_is_away_does_not_move_it(tmp_path, mount):
    root, card, source = tmp_path / "root", tmp_path / "root" / "card", tmp_path / "source"
    fill(root)
    fill(source)
    card.mkdir()
    mount("--bind", str(source), at=str(card))
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        watched.read_all()
        before = watched.files()
        unmount(str(card))
        await eventually(lambda: status_of(watched).warning)
        os.link(source / "a.jpg", root / "linked.jpg")
        await watched.reconciler.barrier()
        assert watched.files().keys() == before.keys() | {"linked.jpg"}


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_file_system_that_is_mounted_elsewhere_takes_its_files_along(
    tmp_path, mount, at_once
):
    root, card, source = tmp_path / "root", tmp_path / "root" / "card", tmp_path / "source"
    fill(root)
    fill(source)
    card.mkdir()
    (root / "other").mkdir()
    mount("--bind", str(source), at=str(card))
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        watched.read_all()
        before = watched.files()
        unmount(str(card))
        if not at_once:
            await eventually(lambda: status_of(watched).warning)
        mount("--bind", str(source), at=str(root / "other"))
        await eventually(lambda: "other/sub/c.jpg" in watched.files())
        await watched.reconciler.barrier()
        after = watched.files()
        assert after["other/sub/c.jpg"].id == before["card/sub/c.jpg"].id
        assert not [path for path in after if path.startswith("card/")]
        assert status_of(watched).warning is None
        assert watched.pending() == set()


@pytest.mark.parametrize("away", ["a mount", "the root"])
@pytest.mark.parametrize("how", ["reload", "start"])
async def test_what_is_left_out_is_left_out_of_what_is_away(tmp_path, mount, away, how):
    root, source = tmp_path / "root", tmp_path / "source"
    place = root / "card" if away == "a mount" else root
    fill(source)
    place.mkdir(parents=True)
    mount("--bind", str(source), at=str(place))
    (source / "sub" / "deeper").mkdir()
    (source / "sub" / "deeper" / "d.png").write_bytes(b"d")
    state, config = str(tmp_path / "state"), RootConfig(path=str(root))
    async with watching(state, config) as watched:
        before = {path.removeprefix("card/") for path in watched.files()}
        assert before == {"a.jpg", "b.jpg", "sub/c.jpg", "sub/deeper/d.png"}
        unmount(str(place))
        await watched.reconciler.barrier()
        if how == "reload":
            await watched.reload(watched.configs, watched.watch, ("b.jpg", "deeper"))
            await watched.reconciler.barrier()
            assert {path.removeprefix("card/") for path in watched.files()} == {
                "a.jpg", "sub/c.jpg",
            }  # fmt: skip
    async with watching(state, config, exclude=("b.jpg", "deeper")) as watched:
        await watched.reconciler.barrier()
        assert {path.removeprefix("card/") for path in watched.files()} == {"a.jpg", "sub/c.jpg"}
    async with watching(state, config) as watched:
        mount("--bind", str(source), at=str(place))
        await eventually(lambda: len(watched.files()) == 4)


async def test_a_mount_below_a_root_that_is_reached_by_a_link(tmp_path, mount):
    root, link, source = tmp_path / "root", tmp_path / "link", tmp_path / "source"
    fill(root)
    fill(source)
    (root / "card").mkdir()
    link.symlink_to(root)
    mount("--bind", str(source), at=str(root / "card"))
    async with watching(str(tmp_path / "state"), str(link), watch=BY_EVENTS) as watched:
        before = watched.files()
        assert len(before) == 6
        unmount(str(root / "card"))
        await eventually(lambda: status_of(watched).warning)
        await watched.reconciler.rescan()
        assert watched.files() == before


async def test_a_mount_that_appears_below_the_root_is_picked_up(tmp_path, mount):
    root, source = tmp_path / "root", tmp_path / "source"
    fill(root)
    fill(source)
    (root / "card").mkdir()
    async with watching(str(tmp_path / "state"), str(root)) as watched:
        mount("--bind", str(source), at=str(root / "card"))
        await eventually(lambda: len(watched.files()) == 6)


# The watcher itself


def test_reading_images_is_not_heard(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    hints = []
    watcher = InotifyWatcher()
    watcher.start(hints.append)
    try:
        assert watcher.watch(os.fsencode(tmp_path)) is Coverage.EVENTS
        for _ in range(100):
            (tmp_path / "a.jpg").read_bytes()
        assert watcher.flush(5)
        assert hints == []
        (tmp_path / "a.jpg").write_bytes(b"b")
        assert watcher.flush(5)
        assert {hint.kind for hint in hints} == {HintKind.WRITTEN, HintKind.CLOSED}
    finally:
        watcher.stop()


def test_what_the_kernel_holds_and_what_is_being_told_is_not_told_yet(tmp_path):
    told, go_on = threading.Event(), threading.Event()

    def hear(_):
        told.set()
        assert go_on.wait(DEADLINE_S)

    watcher = InotifyWatcher()
    watcher.start(hear)
    try:
        watcher.watch(os.fsencode(tmp_path))
        assert watcher.told_all()
        os.mkdir(tmp_path / "one")
        assert not watcher.told_all()
        assert told.wait(DEADLINE_S)
        assert not watcher.told_all()  # the queue is empty
        os.mkdir(tmp_path / "two")
        assert not watcher.told_all()
        go_on.set()
        assert watcher.flush(DEADLINE_S)
        began = time.monotonic()
        while not watcher.told_all():
            assert time.monotonic() < began + DEADLINE_S
    finally:
        go_on.set()
        watcher.stop()


def test_network_file_systems_are_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "imgvecd.adapters.watchdog_inotify.filesystem_type", lambda path, mounts: "nfs4"
    )
    watcher = InotifyWatcher()
    assert watcher.watch(os.fsencode(tmp_path)) is Coverage.FILESYSTEM
    watcher.stop()
