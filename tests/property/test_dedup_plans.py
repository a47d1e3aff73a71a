"""Random libraries, seen through aliases, and random plans: no picture's last copy ever goes."""

import contextlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from imgvecd.adapters.trash import FreedesktopTrash
from imgvecd.core.duplicates import removal
from imgvecd.core.duplicates.dedup_plan import PlannedFile, PlannedRemovals
from imgvecd.core.duplicates.undo_journal import Journal
from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import BadRequestError
from imgvecd.types import Stamp

_FOLDERS = ("a", "b", "b/deep", "safe", "safe/deep")
_PLANS_A_SEED = 60


@contextlib.contextmanager
def _mounted(*command, at):
    at.mkdir()
    if shutil.which(command[0]) is None:
        yield False
        return
    done = subprocess.run([*command, str(at)], check=False, capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(at)], check=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A library and every folder through which it can be seen, as (path, folder of the library)."""
    top = tmp_path_factory.mktemp("world")
    library = top / "library"
    for folder in _FOLDERS:
        (library / folder).mkdir(parents=True)
    (top / "link").symlink_to(library)
    aliases = [(library, ""), (top / "link", "")]
    with contextlib.ExitStack() as stack:
        for name, command, of in (
            ("bound", ("mount", "--bind", library), ""),
            ("bound-part", ("mount", "--bind", library / "b"), "b"),
            ("bound-safe", ("mount", "--bind", library / "safe/deep"), "safe/deep"),
            ("fuse", ("bindfs", library), ""),
            ("fuse-part", ("bindfs", library / "b"), "b"),
            ("fuse-safe", ("bindfs", library / "safe"), "safe"),
        ):
            if stack.enter_context(_mounted(*map(str, command), at=top / name)):
                aliases.append((top / name, of))
        yield library, aliases


class Library:
    """Files of a few pictures, each in a few versions of its bytes."""

    def __init__(self, chance, folder, aliases, name):
        self.chance, self.folder, self.aliases = chance, folder, aliases
        self.files = []
        for number in range(chance.randint(2, 9)):
            path = folder / chance.choice(_FOLDERS) / f"{name}-{number}.jpg"
            if self.files and chance.random() < 0.15:
                os.link(chance.choice(self.files), path)
            else:
                path.write_bytes(b"%d.%d" % (chance.randrange(2), chance.randrange(2)))
            self.files.append(path)

    def seen_as(self, file):
        """Return the file's path through a random alias."""
        name = file.relative_to(self.folder)
        ways = [(at, of) for at, of in self.aliases if name.is_relative_to(of)]
        at, of = self.chance.choice(ways)
        return os.fsencode(at / name.relative_to(of))

    def plan(self):
        """Return a plan as somebody might write it who takes aliases for further copies."""
        groups = {}
        for picture in (b"0", b"1"):
            files = [file for file in self.files if file.read_bytes().startswith(picture)]
            seen = {self.seen_as(file) for file in files for _ in range(self.chance.randint(0, 3))}
            lines = [
                PlannedFile(self.chance.random() < 0.4, path, hashed(path)) for path in sorted(seen)
            ]
            groups[int(picture)] = tuple(lines)
        return groups

    def edited(self, groups):
        """Return the plan after somebody's hand."""
        every = [(number, file) for number, files in groups.items() for file in files]
        for _ in range(self.chance.randint(0, 3) if every else 0):
            place = self.chance.randrange(len(every))
            number, file = every[place]
            other = self.seen_as(self.chance.choice(self.files))
            every[place] = self.chance.choice(
                (
                    (number, PlannedFile(not file.keep, file.path, file.hash)),
                    (1 - number, file),
                    (number, PlannedFile(file.keep, other, file.hash)),
                    (number, PlannedFile(file.keep, other, hashed(other))),
                    (number, PlannedFile(file.keep, file.path, "0" * 64)),
                )
            )
            if self.chance.random() < 0.3:
                every.append(self.chance.choice(every))
        return {number: tuple(file for at, file in every if at == number) for number in range(2)}

    def disturb(self):
        """Change something behind the plan's back."""
        file = self.chance.choice(self.files)
        if self.chance.random() < 0.3:
            file.write_bytes(b"1.9")

    def pictures(self):
        return {content[:1] for content in self.contents()}

    def contents(self, below=""):
        return [
            (Path(at) / name).read_bytes()
            for at, folders, names in os.walk(self.folder / below)
            for name in names
            if ".Trash" not in at
        ]

    def clear(self):
        for at, folders, names in os.walk(self.folder):
            for name in names:
                (Path(at) / name).unlink()
            for trash in [name for name in folders if name.startswith(".Trash")]:
                shutil.rmtree(Path(at) / trash)
                folders.remove(trash)


def hashed(path):
    return hash_file(path, Stamp.of(os.stat(path))).hex()


@pytest.mark.parametrize("seed", range(5))
def test_no_pictures_last_copy_goes(world, tmp_path, monkeypatch, seed):
    assert _lost(world, tmp_path, monkeypatch, seed, _PLANS_A_SEED) > 0


@pytest.mark.nightly
@pytest.mark.timeout(1_440)  # a quarter of a second a plan, on a machine with other work
@pytest.mark.parametrize("part", range(10))
def test_no_pictures_last_copy_goes_in_ten_thousand_plans(world, tmp_path, monkeypatch, part):
    assert _lost(world, tmp_path, monkeypatch, 1000 + part, 1_000) > 0


def _lost(world, tmp_path, monkeypatch, seed, plans):
    """Return how many files went; fail if a picture did, or a protected file."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder, aliases = world
    went = 0
    for number in range(plans):
        chance = random.Random(seed * 100_000 + number)
        library = Library(chance, folder, aliases, f"{seed}-{number}")
        groups = library.plan()
        written = PlannedRemovals("x", (), groups) if chance.random() < 0.6 else None
        plan = PlannedRemovals("x", (), library.edited(groups) if chance.random() < 0.6 else groups)
        library.disturb()
        protected = [os.fsencode(folder / "safe")] if chance.random() < 0.4 else []
        pictures, safe = library.pictures(), library.contents("safe")
        every = sorted(library.contents())
        journal = Journal(str(tmp_path / "journals"), f"{seed}-{number}")
        with contextlib.closing(journal), contextlib.suppress(BadRequestError):
            done = removal.apply(
                plan, FreedesktopTrash(), journal, protected, lambda _: None, written
            )
            went += len(done.moved)
            assert library.pictures() == pictures, (seed, number)
            if protected:
                assert sorted(library.contents("safe")) == sorted(safe), (seed, number)
            undone = removal.undo(FreedesktopTrash(), journal, lambda _: None)
            assert undone.refused == []
        assert sorted(library.contents()) == every, (seed, number)
        library.clear()
    return went
