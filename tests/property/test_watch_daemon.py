"""Whatever happens to folders, mounts and the daemon, a real daemon's index equals the library.

After each quiet point the daemon's own doctor and an independent look at the disk must agree that
every readable image is searchable with the bytes that it has now, that nothing else is, that absent
file systems keep their files, and that no content was ever encoded twice.

The number of operations of the nightly run is $WATCH_OPERATIONS (100,000 without it); what was done
goes to the file $WATCH_LOG, a line for each library. Runs of the same operations, in parts:
`WATCH_OPERATIONS=5000 pytest -m nightly --hypothesis-seed=1 …`, then 2, and so on. With
$WATCH_STARTS, a start comes after so many operations at the least. Where something fails, how the
daemon ended and the end of its log are printed, and its home is kept beside $WATCH_LOG.
"""

import collections
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import hypothesis.internal.conjecture.engine
import hypothesis.stateful
import pytest
import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from photo_world import Disk, can_mount, is_whole, known_files, may, mount, picture, unmount
from running import RunningDaemon

pytestmark = pytest.mark.long

MOST_COPIED = 200  # files and folders
OPERATIONS = int(os.environ.get("WATCH_OPERATIONS", "100000"))
STEPS, STEPS_AT_NIGHT = 60, 2000  # with one library
BETWEEN_JUDGEMENTS = (10, 50)
# Root may read everything, unless it gives up just that.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search",
                "--inh-caps=-dac_override,-dac_read_search")  # fmt: skip
TESTS = Path(__file__).parents[1]

# A plain folder, a file system below it, and a root that is a mount itself.
TOPS = ("library", "library/card", "drive")
FOLDERS = tuple(f"{top}{below}" for top in TOPS for below in ("", "/a", "/a/c", "/b"))
NAMES = (
    "1.jpg", "2.JPG", "3.png", "4.txt", "5.jpg.part", os.fsdecode(b"odd\xff\n6.png"),
    "1.mov", "3.xmp", ".7.jpg",
)  # fmt: skip
WATCHED = (".jpg", ".png", ".mov", ".xmp")
ROOTS = (TOPS[::2], TOPS[::-2], TOPS[:1], TOPS[2:])
EXCLUDES = {
    (): lambda relative: False,
    ("b",): lambda relative: relative.split("/")[-1] == "b",
    ("*.png", "a/c"): lambda relative: relative.endswith(".png") or relative == "a/c",
}

# Not "changed": a name that comes or goes in a folder that cannot be listed, or whose file system
# is away, gives a file another change time; `compare` sees bytes.
DIVERGING = {"not_in_catalog", "not_on_disk", "pending", "not_in_index"}

folders = st.sampled_from(FOLDERS)
places = st.builds(os.path.join, folders, st.sampled_from(NAMES))
shares = st.sampled_from((0, 40, 90))  # bytes of a file that are there
may_start = precondition(
    lambda self: self.counts["operations"] >= self.started + self.between_starts
)


class DaemonMachine(RuleBasedStateMachine):
    """Random things done to a real library under a real daemon.

    Attributes:
        between_starts: operations, at the least; a start takes as long as a hundred of them.
    """

    between_starts = 15

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="imgvecd-daemon-"))
        self.base.chmod(0o755)
        self.home = self.base / "home"
        self.notes = self.base / "home" / "notes"
        self.taken = self.base / "taken"
        self.unplugged = self.base / "unplugged"
        self.numbers = iter(range(1, 1 << 24))
        self.exclude = ()
        self.roots = ROOTS[0]
        self.writer = None
        self.mounts = {}
        self.kept = {}  # top that is away → what was known of it
        self.daemon = None
        self.counts = collections.Counter(divergences=0)
        self.started = self.judged = 0  # at which operation

    # Life

    @initialize()
    def begin(self):
        for folder in FOLDERS:
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        self.home.mkdir()
        if can_mount(str(self.base / "drive")):
            self.mounts = {"drive": self.base / "disk", "library/card": self.base / "disk2"}
            for top, disk in self.mounts.items():
                disk.mkdir()
                mount("-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk)
                mount("--bind", disk, self.base / top)
        self.start()

    def start(self):
        self.counts["starts"] += 1
        self.started = self.counts["operations"]
        self.configure()
        self.daemon = RunningDaemon(
            self.home,
            (),
            {"model": "imgvecd-mini"},
            module="fast_daemon",
            wrapper=UNPRIVILEGED if os.geteuid() == 0 else (),
            env={
                "COMMITTED": str(self.notes),
                "ENCODED": str(self.home / "encoded"),
                "PYTHONPATH": f"{TESTS}:{TESTS.parent}",
            },
        )

    def configure(self):
        file = self.home / ".config" / "imgvecd" / "imgvecd.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        roots = [str(self.base / root) for root in self.roots]
        watch = {"settle_ms": 30}
        file.write_text(
            yaml.safe_dump({"roots": roots, "exclude": list(self.exclude), "watch": watch})
        )

    def stop(self, *, kill=False):
        if kill:
            self.counts["kills"] += 1
            self.daemon.kill()
        else:
            assert self.daemon.stop() == 0

    @invariant()
    def count(self):
        self.counts["operations"] += 1
        if self.since_judged >= BETWEEN_JUDGEMENTS[1]:
            self.quiet()

    @property
    def since_judged(self):
        return self.counts["operations"] - self.judged

    def teardown(self):
        try:
            if self.daemon is not None:
                self.unlock()
                self.quiet()
                assert self.daemon.imgvecd("doctor").returncode == 0
                self.stop()
        finally:
            self.note()
            if self.daemon is not None:
                self.daemon.kill()
            if self.writer is not None:
                self.writer.close()
            for place in (*self.mounts, *(disk.name for disk in self.mounts.values())):
                for top in (place, place.replace("library", "unplugged")):
                    subprocess.run(
                        ["umount", "-l", self.base / top], check=False, capture_output=True
                    )
            shutil.rmtree(self.base)

    def note(self):
        if file := os.environ.get("WATCH_LOG"):
            with open(file, "a") as log:
                log.write(json.dumps(self.counts) + "\n")

    def at(self, place):
        return self.base / place

    def to_write(self, place):
        """Return a path; PermissionError for another name of a file where nobody sees it used."""
        path = self.at(place)
        if path.exists() and not self.is_watched(path.resolve()) and path.stat().st_nlink > 1:
            raise PermissionError(path)
        return path

    def is_watched(self, path):
        above = [self.base / folder for folder in path.relative_to(self.base).parents]
        return (
            all(may(folder.stat(), 5) for folder in above)
            and not any((folder / ".nomedia").exists() for folder in above)
            and any(path.is_relative_to(self.at(root)) for root in self.roots)
            and not any(path.is_relative_to(self.at(top)) for top in self.kept)
            and not self.left_out(str(path.parent))
        )

    @property
    def plugged(self):
        return not self.unplugged.exists()

    # Files

    @rule(place=places)
    def write(self, place):
        with contextlib.suppress(OSError):
            self.to_write(place).write_bytes(picture(next(self.numbers)))

    @rule(place=places, share=shares)
    def write_part(self, place, share):
        with contextlib.suppress(OSError):
            self.to_write(place).write_bytes(picture(next(self.numbers))[:share])

    @rule(place=places, share=shares)
    def truncate(self, place, share):
        with contextlib.suppress(OSError):
            os.truncate(self.to_write(place), share)

    @rule(place=places)
    def open_and_write_half(self, place):
        self.finish_writing()
        with contextlib.suppress(OSError):
            self.writer = self.to_write(place).open("wb", buffering=0)
            self.rest = picture(next(self.numbers))
            self.writer.write(self.rest[:50])

    @precondition(lambda self: self.writer is not None)
    @rule()
    def finish_writing(self):
        if self.writer is not None:
            with contextlib.suppress(OSError):  # the file system is full
                self.writer.write(self.rest[50:])
            self.writer.close()
            self.writer = None

    @rule(place=places)
    def overwrite_and_restore_the_time(self, place):
        with contextlib.suppress(OSError):
            status = self.to_write(place).stat()
            with self.at(place).open("r+b") as file:
                file.write(picture(next(self.numbers))[: status.st_size])
            os.utime(self.at(place), ns=(status.st_atime_ns, status.st_mtime_ns))

    @rule(place=places, year=st.sampled_from((1970, 2100)))
    def set_time(self, place, year):
        with contextlib.suppress(OSError):
            os.utime(self.at(place), ((year - 1970) * 31_556_952,) * 2)

    @rule(place=places)
    def save_by_rename(self, place):
        with contextlib.suppress(OSError):
            aside = self.at(place).with_name(".editing.swp")
            aside.write_bytes(picture(next(self.numbers)))
            aside.rename(self.at(place))

    @rule(place=places)
    def delete(self, place):
        with contextlib.suppress(OSError):
            self.at(place).unlink()

    @rule(old=places, new=places)
    def rename(self, old, new):
        with contextlib.suppress(OSError):
            self.at(old).rename(self.at(new))

    @rule(one=places, other=places)
    def swap(self, one, other):
        if self.at(one).is_file() and self.at(other).is_file() and one != other:
            with contextlib.suppress(OSError):
                self.at(one).rename(self.at(one).with_name("aside"))
                self.at(other).rename(self.at(one))
                self.at(one).with_name("aside").rename(self.at(other))

    def copy_file(self, old, new):
        return shutil.copy2(old, self.to_write(new))

    @rule(old=places, new=places)
    def copy(self, old, new):
        with contextlib.suppress(OSError, shutil.SameFileError):
            self.copy_file(self.at(old), new)

    @rule(old=places, new=places)
    def link(self, old, new):
        with contextlib.suppress(OSError):
            os.link(self.at(old), self.at(new))

    @rule(place=places, other=places, end=st.sampled_from(("removed", "moved out", "left out")))
    def write_by_another_name_that_goes(self, place, other, end):
        if end != "left out" and not self.at(other).name.lower().endswith(WATCHED):
            return  # nobody can tell: see the known limits in docs/watching.md
        with contextlib.suppress(OSError):
            os.link(self.to_write(place), self.at(other))
            self.to_write(other)
            with self.at(other).open("r+b") as file:
                file.write(picture(next(self.numbers)))
                file.truncate()
            if end == "removed":
                self.at(other).unlink()
            elif end == "moved out":
                self.at(other).rename(self.base / "away")
            else:
                self.at(other).rename(self.at(other).with_name(".hidden"))

    @rule(place=places, other=st.sampled_from(("1.mov", "3.xmp", "4.txt", "1.jpg")))
    def take_another_extension(self, place, other):
        with contextlib.suppress(OSError):
            self.at(place).rename(self.at(place).with_name(other))

    @rule(place=places, aim=places)
    def symlink(self, place, aim):
        with contextlib.suppress(OSError):
            self.at(place).symlink_to(self.at(aim))

    @rule(place=st.one_of(places, folders), mode=st.sampled_from((0o000, 0o755)))
    def change_mode(self, place, mode):
        if place not in TOPS and not self.at(place).is_symlink():
            with contextlib.suppress(OSError):
                self.at(place).chmod(mode)

    @rule(start=st.integers(0, 50))
    def burst(self, start):
        with contextlib.suppress(OSError):
            for number in range(start, start + 20):
                place = self.at("library/a") / f"burst-{number}.jpg"
                place.unlink() if place.exists() else place.write_bytes(picture(next(self.numbers)))

    # Folders

    @rule(old=folders, new=folders)
    def move_folder(self, old, new):
        if old not in TOPS:
            with contextlib.suppress(OSError):
                self.at(old).rename(self.at(new) / "moved")

    @rule(folder=folders)
    def make_folders_with_files(self, folder):
        with contextlib.suppress(OSError):
            if not self.at(folder).is_dir():
                return
            (self.at(folder) / "moved" / "deeper").mkdir(parents=True, exist_ok=True)
            (self.at(folder) / "moved" / "deeper" / "6.jpg").write_bytes(
                picture(next(self.numbers))
            )

    @rule(old=folders, new=folders)
    def copy_folder(self, old, new):
        if not (self.at(old).is_dir() and self.at(new).is_dir()) or new.startswith(old):
            return
        # copies of copies would fill the disk
        entries = list(itertools.islice(self.at(old).rglob("*"), MOST_COPIED + 1))
        if len(entries) <= MOST_COPIED:
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(
                    self.at(old),
                    self.at(new) / "copied",
                    symlinks=True,
                    copy_function=self.copy_file,
                    dirs_exist_ok=True,
                )

    @rule(folder=folders)
    def delete_folder(self, folder):
        if folder not in TOPS:
            shutil.rmtree(self.at(folder), ignore_errors=True)

    @rule(folder=folders)
    def empty_folder(self, folder):
        with contextlib.suppress(OSError):
            for entry in list(self.at(folder).iterdir()):
                if entry != self.at("library/card"):
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()

    @rule(folder=folders)
    def restore_folder(self, folder):
        if self.plugged:
            with contextlib.suppress(OSError):
                self.at(folder).mkdir(parents=True, exist_ok=True)

    @rule(folder=folders)
    def move_out(self, folder):
        if folder not in TOPS and not self.taken.exists() and self.at(folder).is_dir():
            with contextlib.suppress(OSError):
                shutil.move(self.at(folder), self.taken)
                (self.taken / "1.jpg").write_bytes(picture(next(self.numbers)))

    @rule(folder=folders)
    def move_in(self, folder):
        if self.taken.exists() and self.at(folder).is_dir():
            with contextlib.suppress(OSError):
                self.taken.rename(self.at(folder) / "back")

    @rule(folder=folders)
    def toggle_nomedia(self, folder):
        marker = self.at(folder) / ".nomedia"
        if folder not in TOPS:
            with contextlib.suppress(OSError):
                marker.unlink() if marker.exists() else marker.touch()

    # Roots and mounts

    @precondition(lambda self: self.mounts and self.plugged)
    @rule(top=st.sampled_from(("drive", "library/card")), lazy=st.booleans())
    def unmount(self, top, lazy):
        if top not in self.kept:
            self.finish_writing()
            self.keep(top)
            unmount(self.at(top), lazy=lazy)

    @precondition(lambda self: self.plugged and (self.kept.keys() & self.mounts.keys()))
    @rule()
    def mount(self):
        for top in self.kept.keys() & self.mounts.keys():
            self.at(top).mkdir(parents=True, exist_ok=True)
            mount("--bind", self.mounts[top], self.at(top))
            del self.kept[top]
        self.see_it_come_back()

    def see_it_come_back(self):
        """Have the daemon look: emptied before anybody has, it might be an empty mount point."""
        if self.daemon.process.poll() is None:
            self.daemon.sync()

    @precondition(lambda self: self.plugged)
    @rule()
    def unplug(self):
        self.finish_writing()
        self.keep("library")
        self.at("library").rename(self.unplugged)

    @precondition(lambda self: not self.plugged)
    @rule()
    def plug(self):
        if self.at("library").exists():  # by our own moves and copies
            shutil.rmtree(self.at("library"))
        self.unplugged.rename(self.at("library"))
        del self.kept["library"]
        self.see_it_come_back()

    def keep(self, top):
        # Of a root that holds nothing, nobody can say whether another folder is it.
        (self.at(top) / "anchor.jpg").write_bytes(picture(next(self.numbers)))
        known = self.quiet()
        prefix = f"{self.base}/{top}/"
        self.kept[top] = {path: at for path, at in known.items() if path.startswith(prefix)}

    # The daemon

    @may_start
    @rule(kill=st.booleans())
    def restart(self, kill):
        self.stop(kill=kill)
        self.start()

    @may_start
    @rule(old=folders, place=places, other=places, kill=st.booleans())
    def change_things_while_it_is_down(self, old, place, other, kill):
        self.stop(kill=kill)
        self.write(place)
        self.rename(place, other)
        self.move_folder(old, "library")
        self.delete("library/b/1.jpg")
        mounting = self.mounts and self.plugged and self.kept.keys() & self.mounts.keys()
        if mounting:
            self.mount()
        self.start()
        if mounting:
            self.see_it_come_back()

    @may_start
    @precondition(lambda self: self.mounts and self.plugged and not self.kept)
    @rule(top=st.sampled_from(("drive", "library/card")))
    def unmount_while_it_is_down(self, top):
        self.finish_writing()
        self.keep(top)
        self.stop()
        unmount(self.at(top))
        self.start()

    @rule(exclude=st.sampled_from(list(EXCLUDES)))
    def reload(self, exclude):
        self.exclude = exclude
        self.hang_up()
        if self.kept:  # what is left out of what is away goes before the next settings come
            self.daemon.sync()
        for top, files in self.kept.items():
            self.kept[top] = {path: at for path, at in files.items() if not self.left_out(path)}

    def left_out(self, path):
        (root,) = (root for root in self.roots if f"{path}/".startswith(f"{self.base}/{root}/"))
        parts = os.path.relpath(path, self.at(root)).split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return any(map(EXCLUDES[self.exclude], above))

    @precondition(lambda self: not self.kept)
    @rule(roots=st.sampled_from(ROOTS), others=st.sampled_from(ROOTS))
    def reload_roots(self, roots, others):
        """Take other roots, twice in a row: what is dropped may come back at once."""
        for self.roots in (others, roots):
            self.hang_up()

    def hang_up(self):
        told = self.daemon.log.stat().st_size
        self.configure()
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_until(lambda: b"read again" in self.daemon.log.read_bytes()[told:])

    @rule()
    def pause_while_things_happen(self):
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            for number in range(5):
                self.make_folders_with_files(FOLDERS[number])
                self.move_folder(f"{FOLDERS[number]}/moved", FOLDERS[-number])
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)

    # What must hold

    @precondition(lambda self: self.since_judged >= BETWEEN_JUDGEMENTS[0])
    @rule()
    def examine(self):
        self.quiet()

    def quiet(self):
        """Return what the daemon knows, which must be what the disk holds."""
        self.counts["judgements"] += 1
        self.judged = self.counts["operations"]
        try:
            return self.judge()
        except AssertionError:
            self.counts["divergences"] += 1
            self.keep_evidence()
            raise
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"no answer: {self.keep_evidence()}") from error

    def keep_evidence(self):
        """Print how the daemon fares and keep its home; return its exit status, None if it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.process.wait(0 if self.daemon.answers() else 60)
        status = self.daemon.process.poll()
        print(f"exit status {status}\n{self.daemon.tail()}")
        if file := os.environ.get("WATCH_LOG"):
            number = len(list(Path(file).parent.glob(f"{Path(file).name}.*")))
            subprocess.run(["cp", "-r", self.home, f"{file}.{number}"], check=False)
        return status

    def judge(self):
        self.daemon.sync()
        known = known_files(self.daemon)
        self.compare(known)
        diagnosis = self.daemon.post("/v1/doctor")
        # what cannot be read, and never could, is told of, and is nobody's fault
        unseen = diagnosis["counts"]["unlisted"] or self.kept
        kinds = {finding["kind"] for finding in diagnosis["findings"]}
        assert diagnosis["healthy"] or (unseen and not kinds & DIVERGING), json.dumps(diagnosis)
        assert diagnosis["counts"]["stray_in_index"] == 0
        self.check_encoded_once()
        return known

    def compare(self, known):
        away = {f"{self.base}/{top}/": files for top, files in self.kept.items()}
        expected = {}
        unknown = []
        for root in self.roots:
            if root not in self.kept:
                passed_over = [str(self.at(top)) for top in self.kept]
                disk = Disk(str(self.at(root)), EXCLUDES[self.exclude], passed_over=passed_over)
                expected |= disk.files
                unknown += disk.unknown
        seen = {
            path: at
            for path, at in known.items()
            if not path.startswith((*away, *unknown))
            and (at[0] is not None or not path.endswith(".xmp"))  # a sidecar that cannot be read
        }
        assert {path: at[0] for path, at in seen.items()} == expected
        for path, (digest, searchable, _) in seen.items():
            assert searchable or digest is None or not is_whole(path), path
        for prefix, files in away.items():
            now = {path for path in known if path.startswith(prefix)}
            assert now == files.keys()

    def unlock(self):
        for folder in [folder for top in TOPS for folder in (self.at(top), *self.below(top))]:
            with contextlib.suppress(OSError):
                folder.chmod(0o755)

    def below(self, top):
        for folder, names, _ in os.walk(self.at(top)):
            for name in names:
                Path(folder, name).chmod(0o755)
                yield Path(folder, name)

    def check_encoded_once(self):
        if self.notes.exists():
            counts = collections.Counter(self.notes.read_text().split())
            assert not [content for content, times in counts.items() if times > 1]


SETTINGS = {
    "phases": (Phase.generate,),
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}

TestDaemon = DaemonMachine.TestCase
# the same operations each time: surprises belong to the night
TestDaemon.settings = settings(
    max_examples=3, derandomize=True, stateful_step_count=STEPS, **SETTINGS
)


class BusyDaemonMachine(DaemonMachine):
    """With most operations following each other without a start."""

    between_starts = int(os.environ.get("WATCH_STARTS", "300"))


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3600)
class TestDaemonForLong(BusyDaemonMachine.TestCase):
    """At least $WATCH_OPERATIONS operations."""

    settings = settings(
        max_examples=1 - (-OPERATIONS // STEPS_AT_NIGHT),
        stateful_step_count=STEPS_AT_NIGHT,
        **SETTINGS,
    )

    @pytest.fixture(autouse=True)
    def long_libraries(self, monkeypatch):
        """Have Hypothesis go on beyond the 8 KiB of choices at which it ends an example."""
        for module in (hypothesis.stateful, hypothesis.internal.conjecture.engine):
            monkeypatch.setattr(module, "BUFFER_SIZE", 1 << 20)
