"""Whatever happens to Milvus or to a state directory: in the end they have the same."""

import dataclasses
import shutil
import threading
import time
import uuid

import numpy as np
import pytest
from milvus_server import MilvusServer
from sharing import add_many, restore_catalog, sharing, wait_until
from stored_library import MODEL

from imgvecd.core.sharing.vector_engine import FACTS, FactStep, Member, Position
from imgvecd.errors import EngineError, SourceTakenError

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]


@pytest.fixture
def own_server():
    """A server that may be killed."""
    server = MilvusServer()
    yield server
    server.close()


def test_the_engine_is_killed_in_the_middle_of_writes(tmp_path, own_server):
    database = own_server.make_database()
    with sharing(tmp_path / "state", database.engine()) as library:
        adding = threading.Thread(target=add_many, args=(library, range(1, 600), 20))
        adding.start()
        for _ in range(2):
            wait_until(lambda: library.publisher.number is not None)
            time.sleep(1)  # somewhere among the writes
            own_server.kill()
            own_server.start()
        adding.join()
        library.wait_until_published()
        (source,) = library.engine.sources()
        assert (source.images, source.vectors) == (599, {MODEL.fingerprint: 599})


def test_a_start_without_the_engine_works_and_catches_up_alone(tmp_path, own_server):
    database = own_server.make_database()
    own_server.kill()
    with sharing(tmp_path / "state", database.engine()) as library:
        library.add(1, 2, 3)
        wait_until(lambda: library.publisher.error is not None)
        assert "the shared engine at 127.0.0.1" in library.publisher.trouble
        library.index.catch_up()
        assert library.numbers() == {1, 2, 3}
        wait_until(lambda: library.publisher.waiting() == 3)
        own_server.start()
        library.wait_until_published()
        assert library.publisher.trouble is None


def test_an_older_catalog_is_noticed_and_reconciled(tmp_path, milvus_database):
    state, kept = tmp_path / "state", tmp_path / "kept.sqlite"
    with sharing(state, milvus_database.engine()) as library:
        add_many(library, range(1, 100))
        library.wait_until_published()
    shutil.copy(state / "catalog.sqlite", kept)
    with sharing(state, milvus_database.engine()) as library:
        library.remove(3)
        add_many(library, range(100, 150))
        library.wait_until_published()
        number = library.publisher.number
    restore_catalog(state, kept)
    with sharing(state, milvus_database.engine()) as library:
        library.wait_until_published()
        assert library.publisher.number == number
        assert len(library.feeds.keys("facts")[0]) == 99


def test_a_source_that_was_forgotten_publishes_again(tmp_path, milvus_database):
    with sharing(tmp_path / "state", milvus_database.engine()) as library:
        add_many(library, range(1, 40))
        library.wait_until_published()
        assert library.engine.forget(library.publisher.number) == 39
        library.add(50)
        library.wait_until_published()
        assert [source.images for source in library.engine.sources()] == [40]


def test_a_process_that_was_replaced_writes_no_more(milvus_database):
    first, second = milvus_database.engine(), milvus_database.engine()
    member = Member(str(uuid.uuid4()), "nas", "here")
    number, _ = first.join(member)
    assert second.join(member)[0] == number  # the state directory has a lock: the first has ended
    with pytest.raises(EngineError, match="another process"):
        first.write(FACTS, Position(), Position(1, "x"), FactStep(1, ()))
    second.write(FACTS, Position(), Position(1, "y"), FactStep(1, ()))
    assert second.position(FACTS) == Position(1, "y")
    for engine in (first, second):
        engine.close()


def test_a_copy_of_a_state_directory_waits_to_see_whether_the_other_goes_on(milvus_database):
    first, copy = milvus_database.engine(), milvus_database.engine()
    member = Member(str(uuid.uuid4()), "nas", "here")
    number, _ = first.join(member)
    elsewhere = dataclasses.replace(member, writer="elsewhere")
    with pytest.raises(EngineError, match="or was until a moment ago"):
        copy.join(elsewhere)
    first.write(FACTS, Position(), Position(1, "x"), FactStep(1, ()))
    with pytest.raises(SourceTakenError):
        copy.join(elsewhere)
    first.close()  # which lets go of the source: the state directory may have moved
    assert copy.join(elsewhere)[0] == number
    assert copy.position(FACTS) == Position(1, "x")
    copy.close()


def test_a_wrong_password_is_told_and_nothing_is_published(tmp_path, milvus_database, milvus):
    engine = milvus_database.engine()
    right = milvus.password.read_text()
    milvus.password.write_text("wrong")
    try:
        wrong = milvus_database.engine()
    finally:
        milvus.password.write_text(right)
    with pytest.raises(EngineError, match="are user and password right"):
        wrong.search("model", np.ones(4, np.float32), 1, None)
    engine.prepare()
    for each in (engine, wrong):
        each.close()
