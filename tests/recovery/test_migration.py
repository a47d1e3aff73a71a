"""A catalog of an older form: backed up first, and usable whenever the change of form is killed."""

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from imgvecd.catalog import Catalog
from imgvecd.catalog.recovery.backups import Backups
from imgvecd.catalog.schema import migrations
from imgvecd.errors import CatalogError

OLD_STEPS = 3
CALLS = "pwrite64,fsync,fdatasync,rename,unlink,ftruncate,openat"
MIGRATE = "import sys; from imgvecd.catalog import Catalog; Catalog(sys.argv[1]).close()"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A state directory that an older program left."""
    state = tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:OLD_STEPS])
        state.mkdir()
        connection = sqlite3.connect(state / "catalog.sqlite", isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA journal_mode=WAL")
            migrations.migrate(connection, str(state / "catalog.sqlite"))
            connection.executemany(
                "INSERT INTO contents (hash, size_bytes, live, clock) VALUES (?, 1, 0, 0)",
                [(bytes([number]) * 32,) for number in range(50)],
            )
    return state


def steps(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM migrations").fetchone()[0]


def assert_migrated(state):
    Catalog(str(state)).close()
    catalog = state / "catalog.sqlite"
    assert steps(catalog) == len(migrations.MIGRATIONS)
    with contextlib.closing(sqlite3.connect(catalog)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM contents").fetchone() == (50,)


def test_an_older_catalog_is_backed_up_first(old):
    assert_migrated(old)
    (backup,) = Backups(str(old)).paths()
    assert f"before-{migrations.MIGRATIONS[OLD_STEPS][0]}" in backup
    assert steps(backup) == OLD_STEPS
    assert Backups(str(old)).sound() == backup


def test_without_space_for_the_backup_nothing_is_changed(old, mounted):
    disk = mounted("-t", "tmpfs", "-o", "size=300k", "tmpfs")
    state = shutil.copytree(old, disk / "state")
    with pytest.raises(CatalogError, match="free some space"):
        Catalog(str(state))
    assert steps(state / "catalog.sqlite") == OLD_STEPS


def killed_at(state, number):
    """Migrate in a process that dies at its n-th call that can change the disk."""
    inject = f"inject={CALLS}:signal=KILL:when={number}"
    watched = ["-P", state, "-P", state / "catalog.sqlite", "-P", state / "catalog.sqlite-wal"]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", *watched, "-e", inject]
    done = subprocess.run([*strace, sys.executable, "-c", MIGRATE, state], check=False)
    return done.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}


def check_kills(old, tmp_path, numbers):
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    killed = 0
    for number in numbers:
        state = shutil.copytree(old, tmp_path / f"killed-{number}")
        if not killed_at(state, number):
            assert_migrated(state)
            break
        killed += 1
        assert_migrated(state)
        assert any(steps(path) == OLD_STEPS for path in Backups(str(state)).paths()), number
        shutil.rmtree(state)
    return killed


@pytest.mark.long
def test_killed_at_some_steps(old, tmp_path):
    assert check_kills(old, tmp_path, [4, 8, 12]) == 3


@pytest.mark.nightly
def test_killed_at_every_step(old, tmp_path):
    killed = check_kills(old, tmp_path, range(1, 1000))
    assert 20 < killed < 999
