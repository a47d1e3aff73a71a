"""Two daemons that share a PostgreSQL server, from their start to finding each other's photos."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fast_serving import serving
from pictures import draw
from ports import free_port
from postgres_server import PostgresServer
from running import DEADLINE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hosts(tmp_path, database):
    """A function that starts a daemon of a name on a folder; all share one database."""
    with serving(tmp_path / "nas") as nas, serving(tmp_path / "desktop") as desktop:
        start = {"nas": nas, "desktop": desktop}

        def host(name, folder, **settings):
            settings = {"shared__url": database, "shared__name": name, **settings}
            return start[name](folder, **settings)

        yield host


def draw_some(folder, numbers):
    for number in numbers:
        draw(folder / f"{number}.png", number)
    return folder


def is_published(daemon):
    shared = daemon.status()["shared"]
    return shared["error"] is None and shared["waiting"] == 0


def find(daemon, **fields):
    request = {"text": "anything", "limit": 100, "all": True, "everywhere": True, **fields}
    return daemon.post("/v1/search", request)


def encoded(tmp_path, name):
    notes = tmp_path / name / "encoded"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


def test_two_hosts_find_photos_of_both_and_encode_each_once(hosts, tmp_path):
    nas = hosts("nas", draw_some(tmp_path / "a", range(20)), shared__publish="paths:metadata")
    nas.wait_until_indexed(20)
    nas.wait_until(lambda: is_published(nas))
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(10, 25)))
    desktop.wait_until_indexed(15)
    desktop.wait_until(lambda: is_published(desktop))
    assert encoded(tmp_path, "nas") == 20
    shared = desktop.status()["shared"]
    assert shared["sources_refused"] == []
    assert encoded(tmp_path, "desktop") == 15 - shared["vectors_taken"]
    assert 1 <= shared["vectors_taken"] <= 7  # some of the ten are compared first

    answer = find(desktop)
    assert answer["notes"] == []
    assert len(answer["hits"]) == 25
    here = [hit for hit in answer["hits"] if "source" not in hit]
    there = [hit for hit in answer["hits"] if hit.get("source") == "nas"]
    assert len(here) == 15
    assert len(there) == 10
    assert sorted(hit["path"] for hit in there) == sorted(
        f"nas:{tmp_path}/a/{number}.png" for number in range(10)
    )
    both = [hit["path"] for hit in here if hit.get("also_in") == ["nas"]]
    assert sorted(both) == sorted(f"{tmp_path}/b/{number}.png" for number in range(10, 20))
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    # what the desktop does not publish, nobody learns
    assert {hit["path"].partition(":")[2][0] for hit in find(nas)["hits"] if "source" in hit} == {
        "#"
    }


@pytest.mark.long
def test_a_source_with_wrong_vectors_is_caught_and_told(hosts, tmp_path, postgres, database):
    nas = hosts("nas", draw_some(tmp_path / "a", range(20)))
    nas.wait_until_indexed(20)
    nas.wait_until(lambda: is_published(nas))
    name = database.partition("@/")[2].partition("?")[0]
    postgres.execute(  # each has that of another, as a host that runs another model would
        "CREATE TABLE public.right_ones AS SELECT key, vector FROM imgvecd.vectors_1;"
        " UPDATE imgvecd.vectors_1 v SET vector = o.vector FROM imgvecd.vectors_1 o WHERE o.key ="
        " (SELECT coalesce(min(key), (SELECT min(key) FROM imgvecd.vectors_1))"
        " FROM imgvecd.vectors_1 WHERE key > v.key)",
        name,
    )
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(20)))
    desktop.wait_until_indexed(20)
    desktop.wait_until(lambda: encoded(tmp_path, "desktop") == 20)
    desktop.wait_until(lambda: is_published(desktop))
    ((uuid,),) = postgres.execute("SELECT uuid::text FROM imgvecd.sources WHERE number = 1", name)
    assert desktop.status()["shared"]["sources_refused"] == [uuid]
    reasons = desktop.get("/v1/health")["reasons"]
    assert any(f"no vectors are taken from source {uuid}" in reason for reason in reasons)
    right = nas.post("/v1/search", {"text": "anything", "limit": 20, "all": True})["hits"]
    found = desktop.post("/v1/search", {"text": "anything", "limit": 20, "all": True})["hits"]
    names = [[hit["path"].rpartition("/")[2] for hit in hits] for hits in (right, found)]
    assert names[0] == names[1]

    desktop.stop()
    draw_some(tmp_path / "a", range(20, 40))
    nas.wait_until_indexed(40)
    nas.wait_until(lambda: is_published(nas))
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(20, 30)))
    desktop.wait_until_indexed(30)
    assert desktop.status()["shared"]["sources_refused"] == [uuid]  # a start forgets nothing
    assert encoded(tmp_path, "desktop") == 30

    flags = ("--set", f"shared.url={database}", "--set", "shared.name=desktop")
    listed = desktop.imgvecd("shared", "status", *flags).stdout.decode()
    assert "nas, number 1, is refused" in listed
    postgres.execute(
        "UPDATE imgvecd.vectors_1 v SET vector = r.vector FROM public.right_ones r"
        " WHERE r.key = v.key",
        name,
    )
    believed = desktop.imgvecd("shared", "believe", "nas", *flags)
    assert b"vectors of nas are taken again" in believed.stdout, believed
    assert b"nas is not refused" in desktop.imgvecd("shared", "believe", "1", *flags).stdout
    draw_some(tmp_path / "b", range(30, 40))
    desktop.wait_until_indexed(40)
    shared = desktop.status()["shared"]
    assert shared["sources_refused"] == []
    assert shared["vectors_taken"] >= 1  # three were compared first
    assert encoded(tmp_path, "desktop") == 40 - shared["vectors_taken"]


@pytest.mark.long
def test_pages_of_everywhere_neither_shift_nor_repeat(hosts, tmp_path):
    nas = hosts("nas", draw_some(tmp_path / "a", range(20)))
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(20, 35)))
    nas.wait_until_indexed(20)
    desktop.wait_until_indexed(15)
    nas.wait_until(lambda: is_published(nas))
    desktop.wait_until(lambda: is_published(desktop))
    whole = [hit["id"] for hit in find(nas)["hits"]]
    assert len(whole) == len(set(whole)) == 35
    paged, cursor = [], None
    while True:
        page = find(nas, limit=4, **({"cursor": cursor} if cursor else {}))
        paged += [hit["id"] for hit in page["hits"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole
    named = find(nas, sources=["desktop"])["hits"]
    assert {hit["source"] for hit in named} == {"desktop"}
    assert len(named) == 15
    assert len(find(nas, everywhere=False)["hits"]) == 20


def test_changes_follow_and_renames_cost_no_vector(hosts, tmp_path):
    photos = draw_some(tmp_path / "a", range(8))
    nas = hosts("nas", photos, shared__publish="paths:metadata")
    desktop = hosts("desktop", draw_some(tmp_path / "b", [100]))
    nas.wait_until_indexed(8)
    desktop.wait_until_indexed(1)

    def seen():
        hits = find(desktop)["hits"]
        return sorted(hit["path"].rpartition("/")[2] for hit in hits if "source" in hit)

    desktop.wait_until(lambda: len(seen()) == 8)
    (photos / "0.png").rename(photos / "renamed.png")
    (photos / "1.png").unlink()
    draw(photos / "new.png", 50)
    wanted = sorted(["renamed.png", "new.png", *(f"{number}.png" for number in range(2, 8))])
    desktop.wait_until(lambda: seen() == wanted)
    assert encoded(tmp_path, "nas") == 9
    image = next(hit["id"] for hit in nas.post("/v1/search", {"text": "x", "all": True})["hits"])
    nas.post("/v1/tags", {"ids": [image], "add": ["Holiday"]})
    desktop.wait_until(lambda: find(desktop, filters={"tags": ["holiday"]})["hits"])
    (tagged,) = find(desktop, filters={"tags": ["holiday"]})["hits"]
    assert tagged["source"] == "nas"


def test_without_the_engine_the_library_is_searched_and_a_note_says_why(
    hosts,
    tmp_path,
    postgres,
):
    nas = hosts("nas", draw_some(tmp_path / "a", range(6)), shared__answer="shared")
    nas.wait_until_indexed(6)
    nas.wait_until(lambda: is_published(nas))
    postgres.kill()
    draw(tmp_path / "a" / "new.png", 50)
    nas.wait_until_indexed(7)
    answer = nas.post("/v1/search", {"text": "anything", "all": True})
    assert len(answer["hits"]) == 7
    assert "Only this library was searched: the shared engine" in answer["notes"][0]
    nas.wait_until(
        lambda: any("wait to be published: 1" in why for why in nas.status().get("warnings", []))
    )
    assert nas.status()["shared"]["error"]
    assert nas.get("/v1/health")["status"] == "degraded"
    postgres.start()
    nas.wait_until(lambda: is_published(nas))
    assert nas.get("/v1/health")["status"] == "ok"
    nas.wait_until(lambda: "Only this library" not in str(find(nas)["notes"]))


def test_nothing_shared_says_so(tmp_path):
    with serving(tmp_path / "home") as start:
        daemon = start(draw_some(tmp_path / "a", range(3)))
        daemon.wait_until_indexed(3)
        assert daemon.status()["shared"] is None
        assert "`shared.url` is not set" in find(daemon)["notes"][0]


@pytest.mark.long
def test_the_command_lists_verifies_and_forgets(hosts, tmp_path, database):
    nas = hosts("nas", draw_some(tmp_path / "a", range(5)))
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(5, 7)))
    nas.wait_until_indexed(5)
    desktop.wait_until_indexed(2)
    nas.wait_until(lambda: is_published(nas))
    desktop.wait_until(lambda: is_published(desktop))
    flags = ("--set", f"shared.url={database}", "--set", "shared.name=nas")

    def shared(*arguments):
        return nas.imgvecd("shared", *arguments, *flags)

    listed = shared("status").stdout.decode()
    assert re.search(r"1 +nas \(this library\) +postgres +5 +5 ", listed), listed
    assert re.search(r"2 +desktop +postgres +2 +2 ", listed), listed
    done = shared("verify")
    assert done.returncode == 0, done
    assert b"facts: 5 images here, 0 missing there, 0 too many" in done.stdout
    assert b"vectors of imgvecd-mini: 5 images here, 0 missing there, 0 too many" in done.stdout
    assert b"recall at 10: 1.000" in done.stdout
    desktop.stop()
    assert b"forgot desktop: 2 images" in shared("forget", "desktop").stdout
    assert shared("forget", "desktop").returncode == 2
    assert b"desktop" not in shared("status").stdout
    found = nas.imgvec("search", "anything", "--all", "--everywhere", "--limit", "50")
    assert len(found.stdout.splitlines()) == 5, found
    nas.stop()
    assert shared("verify").returncode == 0


def test_hits_of_others_are_no_paths_here(hosts, tmp_path):
    nas = hosts("nas", draw_some(tmp_path / "a", range(3)), shared__publish="paths")
    desktop = hosts("desktop", draw_some(tmp_path / "b", range(3, 5)))
    nas.wait_until_indexed(3)
    desktop.wait_until_indexed(2)
    nas.wait_until(lambda: is_published(nas))
    desktop.wait_until(lambda: is_published(desktop))
    done = desktop.imgvec(
        "search", "x", "--all", "--source", "nas", "--link-to", tmp_path / "links"
    )
    lines = done.stdout.decode().splitlines()
    assert sorted(lines) == [f"nas:{tmp_path}/a/{number}.png" for number in range(3)]
    assert list((tmp_path / "links").iterdir()) == []
    hit = find(desktop, sources=["nas"])["hits"][0]
    status, problem = desktop.request("GET", f"/v1/images/{hit['id']}")
    assert (status, problem["code"]) == (404, "not_found")


def test_an_engine_that_never_answers_keeps_nobody_waiting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(tmp_path / "home") as start:
        url = f"postgresql://nas@127.0.0.1:{silent.getsockname()[1]}/photos"
        daemon = start(
            draw_some(tmp_path / "a", range(30)), shared__url=url, shared__answer="shared"
        )
        daemon.wait_until_indexed(30)
        daemon.wait_until(lambda: daemon.status()["shared"]["error"])
        answer = find(daemon)
        assert len(answer["hits"]) == 30
        assert "Only this library was searched" in answer["notes"][0]
        assert daemon.stop() == 0


@pytest.mark.long
def test_the_set_up_of_the_page(tmp_path, networked):
    """The statements of docs/past-one-machine.md, with a role and a password for each host."""
    page = (ROOT / "docs" / "past-one-machine.md").read_text()
    for database, statement in (
        ("postgres", "CREATE ROLE photos LOGIN PASSWORD 'one of its own'"),
        ("postgres", "CREATE DATABASE photos OWNER photos"),
        ("photos", "CREATE EXTENSION vector"),
        ("photos", "REVOKE CONNECT ON DATABASE photos FROM PUBLIC"),
    ):
        assert statement in page
        networked.execute(statement, database)
    address = f"127.0.0.1:{networked.port}/photos"

    def as_owner(*step):
        url = f"postgresql://photos@{address}"
        return run_imgvecd(tmp_path, "shared", *step, "--url", url, PGPASSWORD="one of its own")

    assert as_owner("init").returncode == 0
    daemons = {}
    with serving(tmp_path / "nas") as nas, serving(tmp_path / "desktop") as desktop:
        for number, (name, start) in enumerate({"nas": nas, "desktop": desktop}.items()):
            statements = (
                f"CREATE ROLE {name} LOGIN PASSWORD 'a long one of {name}'",
                f"GRANT CONNECT ON DATABASE photos TO {name}",
            )
            for statement in statements:
                words = statement.replace(f"of {name}", "").replace(name, "nas").split()
                assert all(word.strip("'") in page for word in words), statement
                networked.execute(statement, "photos")
            password = tmp_path / f"{name}-password"
            password.write_text(f"a long one of {name}\n")
            password.chmod(0o600)
            daemons[name] = start(
                draw_some(tmp_path / name / "photos", range(4 * number, 4 * number + 4)),
                shared__url=f"postgresql://{name}@{address}",
                shared__password_file=password,
                shared__name=name,
                shared__publish="paths:metadata",
            )
        for daemon in daemons.values():
            daemon.wait_until_indexed(4)
        for name, daemon in daemons.items():
            (other,) = daemons.keys() - {name}
            daemon.wait_until(lambda a=daemon, b=other: len(find(a, sources=[b])["hits"]) == 4)
    roles = networked.execute("SELECT name, role FROM imgvecd.sources ORDER BY name", "photos")
    assert roles == [("desktop", "desktop"), ("nas", "nas")]

    def as_nas(*step):
        url, file = f"postgresql://nas@{address}", tmp_path / "nas-password"
        flags = ("--set", f"shared.url={url}", "--set", f"shared.password_file={file}")
        return run_imgvecd(tmp_path, "shared", *step, *flags)

    refused = as_nas("forget", "desktop")
    assert refused.returncode == 2
    assert b"as the database's owner" in refused.stderr
    assert b"forgot desktop: 4 images" in as_owner("forget", "desktop").stdout
    assert b"this library has never published" in as_nas("verify").stderr  # of another home
    assert b"forgot nas: 4 images" in as_nas("forget", "nas").stdout
    assert b"nobody has published yet" in as_nas("status").stdout


@pytest.fixture
def networked():
    """A server that listens on this machine, and wants passwords there."""
    server = PostgresServer(port=free_port(), settings=("fsync=off", "listen_addresses=127.0.0.1"))
    (server.data / "pg_hba.conf").write_text(
        "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    server.execute("SELECT pg_reload_conf()")
    yield server
    server.close()


def run_imgvecd(home, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "imgvecd.cli.main", *arguments],
        env={**os.environ, "HOME": str(home), **environment},
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
