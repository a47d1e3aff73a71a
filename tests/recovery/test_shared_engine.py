"""Whatever happens to an engine or to a state directory: in the end they have the same."""

import shutil
import threading
import time

import pytest
from milvus_server import MilvusServer
from postgres_server import PostgresServer
from running import wait_until
from sharing import add_many, restore_catalog, sharing
from stored_library import MODEL

from imgvecd.adapters.postgres.engine import PostgresEngine

AT_NIGHT = [pytest.mark.nightly, pytest.mark.timeout(900)]  # Milvus takes long to start
KINDS = ["postgres", pytest.param("milvus", marks=AT_NIGHT)]


class OwnPostgres:
    """A server of PostgreSQL that may be killed, with one database."""

    def __init__(self):
        server = PostgresServer()
        self._url = server.make_database("photos")
        self.kill, self.start, self.close = server.kill, server.start, server.close

    def engine(self):
        return PostgresEngine(self._url)


class OwnMilvus:
    """The same of Milvus."""

    def __init__(self):
        server = MilvusServer()
        self.engine = server.make_database().engine
        self.kill, self.start, self.close = server.kill, server.start, server.close


@pytest.fixture(params=KINDS)
def own(request):
    server = OwnPostgres() if request.param == "postgres" else OwnMilvus()
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def engine(request):
    """A function that opens an engine, on a database that was empty at first."""
    if request.param == "milvus":
        return request.getfixturevalue("milvus_database").engine
    url = request.getfixturevalue("database")
    return lambda: PostgresEngine(url)


def test_the_engine_is_killed_in_the_middle_of_writes(tmp_path, own):
    with sharing(tmp_path / "state", own.engine()) as library:
        adding = threading.Thread(target=add_many, args=(library, range(1, 1000), 20))
        adding.start()
        for _ in range(3):
            wait_until(lambda: library.publisher.number is not None)
            time.sleep(0.4)  # somewhere among the writes
            own.kill()
            own.start()
        adding.join()
        library.wait_until_published()
        (source,) = library.engine.sources()
        assert (source.images, source.vectors) == (999, {MODEL.fingerprint: 999})


def test_a_start_without_the_engine_works_and_catches_up_alone(tmp_path, own):
    own.kill()
    with sharing(tmp_path / "state", own.engine()) as library:
        library.add(1, 2, 3)
        wait_until(lambda: library.publisher.error is not None)
        wait_until(lambda: "the shared engine at " in (library.publisher.trouble or ""))
        library.index.catch_up()
        assert library.numbers() == {1, 2, 3}
        wait_until(lambda: library.publisher.waiting() == 3)
        own.start()
        library.wait_until_published()
        wait_until(lambda: library.publisher.trouble is None)


def test_an_older_catalog_is_noticed_and_reconciled(tmp_path, engine):
    state, kept = tmp_path / "state", tmp_path / "kept.sqlite"
    with sharing(state, engine()) as library:
        add_many(library, range(1, 100))
        library.wait_until_published()
    shutil.copy(state / "catalog.sqlite", kept)
    with sharing(state, engine()) as library:
        library.remove(3)
        add_many(library, range(100, 150))
        library.wait_until_published()
        number = library.publisher.number
    restore_catalog(state, kept)
    with sharing(state, engine()) as library:
        library.wait_until_published()
        assert library.publisher.number == number
        assert len(library.feeds.keys("facts")[0]) == 99
        # ids are given to other pictures now than the engine knew them by
        library.add(1001, 1002)
        library.wait_until_published()


def test_a_source_that_was_forgotten_publishes_again(tmp_path, engine):
    with sharing(tmp_path / "state", engine()) as library:
        add_many(library, range(1, 40))
        library.wait_until_published()
        assert library.engine.forget(library.publisher.number) == 39
        library.add(50)
        library.wait_until_published()
        assert [source.images for source in library.engine.sources()] == [40]
