"""A database behind a bad network: nothing here waits for it, and in the end it has everything."""

import pytest
from fast_serving import serving
from network_link import SlowLink, namespace
from pictures import draw
from postgres_server import PostgresServer
from sharing import add_many, sharing

pytestmark = pytest.mark.long


@pytest.fixture
def far():
    """A server in another network namespace."""
    with namespace() as (name, address):
        settings = ("fsync=off", f"listen_addresses={address}")
        server = PostgresServer(namespace=name, settings=settings)
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.213.0.0/16 trust\n")
        server.execute("SELECT pg_reload_conf()")
        server.make_database("photos")
        yield server, address
        server.close()


@pytest.fixture
def link(far):
    server, address = far
    link = SlowLink((address, server.port))
    yield link
    link.close()


def url_through(link):
    return f"postgresql://postgres@127.0.0.1:{link.port}/photos"


def test_a_link_that_is_slow_and_loses_connections_carries_everything_in_the_end(
    tmp_path, far, link
):
    link.delay_s, link.loss = 0.005, 0.01
    with sharing(tmp_path / "state", url_through(link)) as library:
        add_many(library, range(1, 400), 20)
        library.index.catch_up()
        assert library.numbers() == set(range(1, 400))
        library.wait_until_published()
    server, _ = far
    assert server.execute("SELECT count(*) FROM imgvecd.images", "photos") == [(399,)]


def test_watching_encoding_and_local_searches_go_on_while_nothing_gets_through(tmp_path, link):
    photos = tmp_path / "a"
    for number in range(6):
        draw(photos / f"{number}.png", number)
    with serving(tmp_path / "home") as start:
        daemon = start(photos, shared__url=url_through(link), shared__name="nas")
        daemon.wait_until_indexed(6)
        daemon.wait_until(lambda: daemon.status()["shared"]["waiting"] == 0)
        link.passing.clear()
        before = link.pieces
        for number in range(6, 12):
            draw(photos / f"{number}.png", number)
        daemon.wait_until_indexed(12)
        (photos / "0.png").unlink()
        daemon.wait_until_indexed(11)
        found = daemon.post("/v1/search", {"text": "anything", "limit": 50, "all": True})
        assert len(found["hits"]) == 11
        assert daemon.status()["shared"]["waiting"] > 0
        assert link.pieces == before  # all of that while nothing got through
        link.passing.set()
        daemon.wait_until(lambda: daemon.status()["shared"]["waiting"] == 0)
