"""`imgvecd check` finds what is wrong; `imgvecd repair` says what it would do, or does it."""

import contextlib
import os
import shutil
import sqlite3

import pytest
from disks import rot

from imgvecd.cli.main import main
from imgvecd.core.library.state_lock import StateLock
from imgvecd.errors import CatalogError


@pytest.fixture
def state(backed_up, tmp_path):
    shutil.copytree(backed_up[1], tmp_path / "home", ignore=shutil.ignore_patterns("run"))
    return tmp_path / "home" / ".local" / "state" / "imgvecd"


@pytest.fixture
def command(capsys, state):
    """A function that runs `imgvecd`; returns (exit code, what it printed)."""

    def run(*arguments):
        code = main([*arguments, "--state-dir", str(state)])
        return code, "".join(capsys.readouterr())

    return run


def change(state, statement):
    """Write to the catalog as a program would that is not imgvecd."""
    (state / "catalog.sqlite.seal").unlink()
    with contextlib.closing(sqlite3.connect(state / "catalog.sqlite")) as connection, connection:
        connection.execute(statement)


def put_file(folder):
    shutil.rmtree(folder)
    folder.write_text("not what you think")


def put_folder(path):
    path.unlink()
    path.mkdir()


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_sound_is_left_alone(state, command):
    before = contents(state)
    assert command("check") == (0, "sound\n")
    assert command("repair", "--apply") == (0, "sound\n")
    changed = {path.name for path, data in contents(state).items() if before.get(path) != data}
    assert changed <= {"lock", "catalog.sqlite-wal", "catalog.sqlite-shm"}


DAMAGES = {
    "a changed byte": (
        lambda state: rot(state / "catalog.sqlite", 5000),
        "catalog.sqlite: its bytes have changed since it was closed",
        "keep it aside, and put the backup of",
    ),
    "no catalog": (
        lambda state: (state / "catalog.sqlite").unlink(),
        "catalog.sqlite: it is missing",
        "put the backup of",
    ),
    "half an embedding": (
        lambda state: change(state, "UPDATE embeddings SET vector = x'0102' WHERE key & 255 = 7"),
        "1 embeddings are not unit vectors",
        "have the images encoded anew",
    ),
    "no queue": (
        lambda state: change(state, "DELETE FROM embeddings WHERE key & 255 = 7"),
        "1 images lack their embedding and do not wait for it",
        "have them encoded",
    ),
    "a stray embedding": (
        lambda state: change(state, "UPDATE embeddings SET key = key + 1000 WHERE key & 255 = 7"),
        "1 embeddings belong to no image or no model",
        "delete them",
    ),
    "alive without a file": (
        lambda state: change(state, "UPDATE contents SET live = 0 WHERE id = 7"),
        "1 images are searchable without a file, or have a file and are not",
        "go by their files",
    ),
    "another vector": (
        lambda state: change(
            state,
            "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE key & 255 = 8)"
            " WHERE key & 255 = 7",
        ),
        "1 vectors are not those of the catalog",
        "build it anew from the catalog",
    ),
    "an index cut short": (
        lambda state: next(state.rglob("index.faiss")).write_bytes(b"half"),
        "index.faiss has 4 bytes instead of",
        "build it anew from the catalog",
    ),
    "a file in the place of all indexes": (
        lambda state: put_file(state / "index"),
        "index: it is no folder",
        "delete it",
    ),
    "a file in the place of an index": (
        lambda state: put_file(next((state / "index").iterdir())),
        "the index's manifest cannot be read",
        "build it anew from the catalog",
    ),
    "a folder in the place of a manifest": (
        lambda state: put_folder(next(state.rglob("manifest.json"))),
        "the index's manifest cannot be read",
        "build it anew from the catalog",
    ),
    "a pipe in the place of a manifest": (
        lambda state: put_pipe(next(state.rglob("manifest.json"))),
        "the index's manifest is damaged",
        "build it anew from the catalog",
    ),
    "a stray index": (
        lambda state: (state / "index" / "abc").mkdir(),
        "it belongs to no model of the catalog",
        "delete it",
    ),
    "a damaged backup": (
        lambda state: next(state.glob("backups/*.sqlite")).write_bytes(b"half"),
        "it is damaged",
        "delete it",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_said_and_mended(state, command, name):
    damage, what, remedy = DAMAGES[name]
    damage(state)
    code, printed = command("check")
    assert code == 1
    assert what in printed
    assert remedy in printed
    before = contents(state)
    code, printed = command("repair")
    assert code == 1
    assert remedy in printed
    assert "Nothing was changed" in printed
    kept = {path for path in before if "-wal" not in path.name and "-shm" not in path.name}
    after = contents(state)
    assert [path.name for path in kept if before[path] != after.get(path)] in ([], ["lock"])
    code, printed = command("repair", "--apply")
    assert (code, printed[-6:]) == (0, "sound\n"), printed
    assert command("check") == (0, "sound\n")


def test_not_beside_a_daemon(backed_up, state, command, serve):
    daemon = serve(backed_up[0])
    code, printed = command("check")
    assert code == 2
    assert f"in use by process {daemon.process.pid}" in printed


def test_nobody_waits_for_a_pipe_nor_counts_folders(state, command):
    (state / "catalog.sqlite.seal").unlink()
    os.mkfifo(state / "catalog.sqlite.seal")
    (state / "backups" / "catalog-20260101T000000Z.sqlite").mkdir()
    assert command("check") == (0, "sound\n")


def test_a_state_directory_on_a_disk_that_is_missing(state, command):
    state.rename(state.with_name("elsewhere"))
    state.symlink_to(state.with_name("gone"))
    code, printed = command("check")
    assert code == 2
    assert "is not there: is a disk missing?" in printed
    with pytest.raises(CatalogError, match="is a disk missing"):
        StateLock(str(state))


def test_without_a_state_directory(command, state):
    shutil.rmtree(state)
    code, printed = command("check")
    assert code == 2
    assert "there is no state directory" in printed
