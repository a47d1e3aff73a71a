"""A damaged catalog is noticed, kept aside and restored; the rest is found again by scanning."""

import contextlib
import os
import shutil
import signal
import sqlite3

import pytest
from disks import rot
from stored_library import StoredLibrary, expected, opened

from imgvecd.catalog import Catalog, CatalogRecovery
from imgvecd.catalog.integrity.file_check import examine
from imgvecd.catalog.recovery.checksum import matches_checksum
from imgvecd.cli.main import main
from imgvecd.errors import CatalogError
from imgvecd.wiring.assembly import stored_model


def encoded(daemon):
    """Return how many images the encoder has been given since the home directory was made."""
    notes = daemon.home / "encoded"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


@pytest.fixture
def photos(backed_up):
    return backed_up[0]


@pytest.fixture
def state(backed_up, tmp_path):
    """The state directory of a daemon that was stopped, one picture after its backup."""
    shutil.copytree(backed_up[1], tmp_path / "home", ignore=shutil.ignore_patterns("run"))
    return tmp_path / "home" / ".local" / "state" / "imgvecd"


def vector_in(catalog):
    """Return where in the file a vector lies: SQLite would not notice that it has changed."""
    alone = f"file:{catalog}?immutable=1"
    with contextlib.closing(sqlite3.connect(alone, uri=True)) as connection:
        ((vector,),) = connection.execute("SELECT vector FROM embeddings WHERE key & 255 = 7")
    return catalog.read_bytes().index(vector)


def assert_restored(daemon):
    status = daemon.wait_until_indexed(13)
    (warning,) = (line for line in status["warnings"] if "damaged" in line)
    assert "restored from the backup of 20" in warning
    (aside,) = daemon.state.glob("catalog-damaged-*.sqlite")
    assert str(aside) in warning
    assert len(daemon.search("a question", limit=100)) == 13
    assert encoded(daemon) <= 14  # what came after the backup
    assert daemon.imgvecd("doctor").returncode == 0


@pytest.mark.long
def test_one_changed_byte_that_sqlite_does_not_notice(photos, state, serve):
    catalog = state / "catalog.sqlite"
    alone = f"file:{catalog}?immutable=1"
    rot(catalog, vector_in(catalog))
    with contextlib.closing(sqlite3.connect(alone, uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert_restored(serve(photos))


def test_a_catalog_cut_short_after_a_kill(photos, state, serve):
    daemon = serve(photos)
    daemon.wait_until_indexed(13)
    daemon.kill()
    os.truncate(state / "catalog.sqlite", 20_000)
    assert_restored(serve(photos))


def test_bytes_that_change_under_a_running_daemon(photos, state, serve):
    daemon = serve(photos, catalog__check_interval_d=1 / 86_400)
    daemon.wait_until_indexed(13)
    # past the first pages, which the daemon holds in memory
    catalog = state / "catalog.sqlite"
    rot(catalog, 8192, catalog.stat().st_size - 8192)
    daemon.wait_until(lambda: list(daemon.state.glob("catalog-damaged-*.sqlite")))
    daemon.wait_until(daemon.answers)
    assert_restored(daemon)
    assert daemon.stop() == 0


@pytest.mark.long
def test_what_a_reload_put_in_force_stays_when_a_backup_takes_over(photos, state, serve, tmp_path):
    daemon = serve(photos, catalog__check_interval_d=1 / 86_400)
    daemon.wait_until_indexed(13)
    excluded = min(path.name for path in photos.rglob("*") if path.is_file())
    config = tmp_path / "home" / ".config" / "imgvecd" / "imgvecd.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"exclude: ['{excluded}']\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until_indexed(12)
    catalog = state / "catalog.sqlite"
    rot(catalog, 8192, catalog.stat().st_size - 8192)
    daemon.wait_until(lambda: list(daemon.state.glob("catalog-damaged-*.sqlite")))
    daemon.wait_until(daemon.answers)
    daemon.sync()
    assert daemon.wait_until_indexed(12)["files"]["seen"] == 12
    assert daemon.stop() == 0


def test_rows_that_cannot_be_embeddings(photos, state, serve):
    daemon = serve(photos)
    daemon.wait_until_indexed(13)
    with contextlib.closing(sqlite3.connect(state / "catalog.sqlite")) as connection, connection:
        for image, vector in enumerate((b"half", bytes(64), b"\xff" * 64, b"\0\x3c" * 32), 5):
            connection.execute(
                "UPDATE embeddings SET vector = ? WHERE key & 255 = ?", (vector, image)
            )
    before = encoded(daemon)
    daemon.post("/v1/rebuild")
    daemon.wait_until(lambda: encoded(daemon) == before + 4)
    daemon.wait_until_indexed(13)
    assert len(daemon.search("a question", limit=100)) == 13
    assert daemon.imgvecd("doctor").returncode == 0
    assert "4 embeddings in the catalog are damaged (images [5, 6, 7, 8])" in daemon.tail()
    assert daemon.stop() == 0
    assert daemon.imgvecd("check").returncode == 0


@pytest.mark.nightly
def test_a_row_that_cannot_be_read_under_a_running_daemon(photos, state, serve):
    daemon = serve(photos)
    daemon.wait_until_indexed(13)
    with contextlib.closing(sqlite3.connect(state / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE contents SET metadata = '{\"a' WHERE id = 7")
    assert daemon.request("GET", "/v1/images/7")[0] == 503
    daemon.wait_until(lambda: list(daemon.state.glob("catalog-damaged-*.sqlite")))
    daemon.wait_until(daemon.answers)
    assert_restored(daemon)
    assert daemon.stop() == 0


def test_without_a_backup_all_is_looked_at_anew(photos, state, serve):
    shutil.rmtree(state / "backups")
    rot(state / "catalog.sqlite", 100, 4000)
    daemon = serve(photos)
    status = daemon.wait_until_indexed(13)
    assert any("no sound backup" in line for line in status["warnings"])
    assert daemon.imgvecd("doctor").returncode == 0


@pytest.mark.parametrize("damage", [None, b"", b"noise", "half"])
def test_the_library_restores_a_catalog_before_it_asks_it_for_its_model(state, damage):
    catalog = state / "catalog.sqlite"
    before = stored_model(str(state))
    assert before is not None
    match damage:
        case None:
            catalog.unlink()
        case "half":
            os.truncate(catalog, 20_000)
        case _:
            catalog.write_bytes(damage)
    assert stored_model(str(state), restore=True) == before
    assert bool(list(state.glob("catalog-damaged-*.sqlite"))) == bool(damage)


def test_a_database_that_was_killed_while_it_was_made(tmp_path):
    for size in (0, 4096):
        with contextlib.closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
            if size:
                connection.execute("PRAGMA journal_mode=WAL")
        assert os.path.getsize(tmp_path / "catalog.sqlite") == size
        assert stored_model(str(tmp_path), restore=True) is None


@contextlib.contextmanager
def another_user():
    """Root may read everything; nobody may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    "hidden", ["catalog.sqlite", "backups", "backups/*.sqlite", "backups/*.seal"]
)
def test_what_may_not_be_read_is_neither_damaged_nor_gone(state, scratch, hidden):
    place = scratch / "state"
    shutil.copytree(state, place)
    if hidden != "catalog.sqlite":
        (place / "catalog.sqlite").write_bytes(b"noise")
    for path in (scratch, place, *place.rglob("*")):
        os.chown(path, 65534, 65534)
        path.chmod(0o700)
    (unreadable,) = place.glob(hidden)
    unreadable.chmod(0)
    for _ in range(2):  # what the first start leaves must not have the second begin anew
        with another_user(), pytest.raises(CatalogError, match=r"Permission denied.*chown"):
            CatalogRecovery(str(place)).prepare()
    unreadable.chmod(0o700)
    recovery = CatalogRecovery(str(place))
    recovery.prepare()
    assert hidden == "catalog.sqlite" or "restored from the backup" in recovery.report
    assert stored_model(str(place)) is not None


def test_the_file_just_kept_aside_is_not_the_one_that_goes(state):
    for day in "12":
        (state / f"catalog-damaged-2099010{day}T000000Z.sqlite").touch()
    (state / "catalog.sqlite").write_bytes(b"noise")
    recovery = CatalogRecovery(str(state))
    recovery.prepare()
    assert os.path.exists(recovery.aside)
    assert len(list(state.glob("catalog-damaged-*.sqlite"))) == 2


def test_what_is_no_file_is_never_replaced(state):
    catalog = state / "catalog.sqlite"
    catalog.rename(state / "elsewhere")
    catalog.symlink_to(state / "a disk" / "catalog.sqlite")  # which is not mounted
    with pytest.raises(CatalogError, match="is a disk missing"):
        CatalogRecovery(str(state)).prepare()
    assert catalog.is_symlink()
    catalog.unlink()
    catalog.mkdir()
    with pytest.raises(CatalogError, match="is not a file: move it away"):
        CatalogRecovery(str(state)).prepare()


@pytest.mark.parametrize("damaged", [False, True])
def test_a_large_catalog_is_compared_with_its_seal_beside_the_work(state, monkeypatch, damaged):
    monkeypatch.setattr("imgvecd.catalog.recovery.recovery.SMALL_BYTES", 0)
    path = state / "catalog.sqlite"
    if damaged:
        rot(path, vector_in(path))
    before = path.read_bytes()
    recovery = CatalogRecovery(str(state))
    recovery.prepare()
    assert recovery.report is None
    catalog = Catalog(str(state))
    assert catalog.hold(recovery.unread)
    for number in range(1200):  # more than SQLite lets its log grow without need
        catalog.files.set_roots([b"/%d" % number])
    assert path.read_bytes() == before
    assert bool(catalog.examine()) == damaged
    assert catalog.damaged == damaged
    catalog.files.set_roots([b"/photos"])
    assert path.read_bytes() != before
    assert not catalog.hold(recovery.unread)  # it has been written to
    catalog.close()
    if not damaged:
        recovery.write_checksum()
        assert matches_checksum(str(path))


def test_an_older_copy_in_the_catalogs_place_disowns_its_index(tmp_path):
    state = tmp_path / "state"
    library = StoredLibrary(state)
    library.add(*range(1, 41))
    library.make_sound()
    library.checkpoint()
    library.close()
    copy = shutil.copy(state / "catalog.sqlite", tmp_path)
    library = StoredLibrary(state)
    library.add(*range(41, 45))
    library.checkpoint()
    library.close()
    newer_index = shutil.copytree(state / "index", tmp_path / "index")
    os.replace(copy, state / "catalog.sqlite")
    library = StoredLibrary(state)
    for number in range(51, 54):  # with the ids of the pictures that the index has
        library.add(number)
    library.drop()
    # killed before the index was written, and the clock has passed the index's by now
    shutil.rmtree(state / "index")
    newer_index.rename(state / "index")
    with opened(state) as library:
        assert library.answers() == expected([*range(1, 41), *range(51, 54)])


def test_one_changed_bit_without_a_backup_does_not_cost_everything(state, capsys):
    shutil.rmtree(state / "backups")
    catalog = state / "catalog.sqlite"
    rot(catalog, catalog.read_bytes().index(b"png") + 1)
    assert main(["repair", "--state-dir", str(state)]) == 1
    assert "use it as it is: there is no sound backup" in capsys.readouterr().out
    recovery = CatalogRecovery(str(state))
    recovery.prepare()
    assert "is used all the same" in recovery.report
    assert not list(state.glob("catalog-damaged-*"))
    opened_again = Catalog(str(state))
    assert opened_again.images.stats(0).images == 13
    opened_again.close()


def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path):
    (tmp_path / "catalog.sqlite").mkdir()
    with pytest.raises(CatalogError, match="unable to open"):
        examine(str(tmp_path / "catalog.sqlite"))


def test_the_very_first_start_was_killed(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    recovery = CatalogRecovery(str(tmp_path))
    recovery.prepare()
    assert recovery.report is None


@pytest.mark.nightly
def test_a_damaged_backup_is_passed_over(photos, state, serve):
    (good,) = state.glob("backups/*.sqlite")
    bad = good.with_name("catalog-20990101T000000Z.sqlite")
    shutil.copy(good, bad)
    shutil.copy(f"{good}.seal", f"{bad}.seal")
    rot(bad, 5000)
    rot(state / "catalog.sqlite", 5000)
    assert_restored(serve(photos))


@pytest.mark.nightly
def test_a_lost_catalog_is_restored(photos, state, serve):
    (state / "catalog.sqlite").unlink()
    daemon = serve(photos)
    status = daemon.wait_until_indexed(13)
    assert any("was lost; it was restored" in line for line in status["warnings"])
    assert encoded(daemon) <= 14
    assert daemon.imgvecd("doctor").returncode == 0
