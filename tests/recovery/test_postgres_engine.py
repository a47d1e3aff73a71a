"""What happens to PostgreSQL alone, or to who publishes there: in the end they have the same."""

import shutil

import pytest
from postgres_server import PostgresServer
from running import wait_until
from sharing import add_many, restore_catalog, sharing


@pytest.fixture
def own_server():
    """A server that may be stopped."""
    server = PostgresServer()
    yield server
    server.close()


def test_an_older_catalog_that_has_overtaken_the_engine_is_noticed(tmp_path, own_server):
    url = own_server.make_database("photos")
    state, kept = tmp_path / "state", tmp_path / "kept.sqlite"
    with sharing(state, url) as library:
        add_many(library, range(1, 60))
        library.wait_until_published()
    shutil.copy(state / "catalog.sqlite", kept)
    with sharing(state, url) as library:
        add_many(library, range(100, 120))
        library.wait_until_published()
    restore_catalog(state, kept)
    own_server.stop()
    with sharing(state, url) as library:
        add_many(library, range(200, 260), 10)
        own_server.start()
        library.wait_until_published()
        assert len(library.feeds.keys("facts")[0]) == 59 + 60


def test_a_copy_of_a_state_directory_becomes_a_source_of_its_own(tmp_path, database):
    with sharing(tmp_path / "state", database) as library:
        library.add(1, 2, 3)
        library.wait_until_published()
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    with (
        sharing(tmp_path / "state", database) as library,
        sharing(tmp_path / "copy", database, name="copy") as copy,
    ):
        library.wait_until_published()
        copy.wait_until_published()
        library.add(4)
        copy.add(5, 6)
        library.wait_until_published()
        copy.wait_until_published()
        assert library.publisher.number != copy.publisher.number
        counts = {s.name: s.images for s in library.engine.sources()}
        assert counts == {"nas": 4, "copy": 5}


def test_a_failover_that_lost_the_last_writes_heals(tmp_path):
    first = PostgresServer(port=5433)
    second = None
    try:
        first.make_database("photos")
        first.execute("ALTER SYSTEM SET synchronous_commit = 'local'")
        second = PostgresServer(copy_of=first, port=5434)
        url = (
            f"postgresql://postgres@/photos?host={first.folder},{second.folder}&port=5433,5434"
            "&target_session_attrs=read-write"
        )
        with sharing(tmp_path / "state", url) as library:
            add_many(library, range(1, 300))
            library.wait_until_published()
            wait_until(
                lambda: second.execute("SELECT count(*) FROM imgvecd.images", "photos") == [(299,)]
            )
            second.execute("ALTER SYSTEM SET primary_conninfo = ''")  # it falls behind
            second.execute("SELECT pg_reload_conf()")
            wait_until(lambda: not second.execute("SELECT pid FROM pg_stat_wal_receiver"))
            add_many(library, range(300, 511))
            library.wait_until_published()
            first.kill()
            behind = second.execute("SELECT count(*) FROM imgvecd.images", "photos")
            assert behind == [(299,)]
            second.run("pg_ctl", "-D", second.data, "-w", "promote")
            library.add(511)
            library.wait_until_published()
            rows = second.execute("SELECT count(*) FROM imgvecd.images", "photos")
            assert rows == [(511,)]
    finally:
        first.close()
        if second is not None:
            second.close()
