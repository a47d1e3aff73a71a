"""An encode server that goes away, or that one of both sides does not take: no picture fails."""

import json
import signal
from pathlib import Path

import pytest
from certificates import make_certificate
from encode_servers import RunningEncodeServer, encoded_here, no_failures, stored, vectors
from fast_serving import serving as sessions
from kept_state import keep_state
from network_link import SlowLink
from pictures import draw
from running import RunningDaemon

from imgvecd import VectorDatabase


@pytest.fixture
def many(tmp_path):
    """A folder with 150 small pictures."""
    folder = tmp_path / "photos"
    for number in range(150):
        draw(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def server(tmp_path):
    made = RunningEncodeServer(tmp_path / "server")
    yield made
    made.kill()


def server_state(daemon):
    (told,) = daemon.status()["encode_servers"]
    return told


def test_a_library_is_encoded_elsewhere_and_the_same(serve, server, many):
    server.start()
    daemon = serve(many, encode__remote=server.setting(), encode__without_remote="wait")
    daemon.wait_until_indexed(150)
    told = server_state(daemon)
    assert (told["url"], told["state"], told["encoded"]) == (server.url, "ready", 150)
    assert server.encoded() >= 150 + 2  # what it is compared by rides along
    assert not encoded_here(daemon)
    assert daemon.get("/v1/health") == {"status": "ok"}
    assert daemon.search("a text that no tower here can encode", limit=3)
    assert daemon.stop() == 0
    assert not encoded_here(daemon)
    noted = {bytes.fromhex(line) for line in (server.home / "encoded").read_text().split()}
    kept = set(stored(daemon.state).values())
    assert kept <= noted
    assert len(kept) == 150


@pytest.mark.long
def test_a_server_that_is_killed_again_and_again_loses_nothing(serve, server, many):
    server.start()
    daemon = serve(many, encode__remote=server.setting(), encode__without_remote="wait")
    for more in (1, 30, 60):
        server.wait_until(lambda more=more: server.encoded() >= more)
        server.kill()
        daemon.wait_until(lambda: server_state(daemon)["state"] == "unreachable")
        assert "encode server unreachable" in daemon.status()["warnings"][0]
        no_failures(daemon)
        server.start()
        daemon.imgvec("retry")
    daemon.wait_until_indexed(150)
    no_failures(daemon)
    assert not encoded_here(daemon)


@pytest.mark.long
def test_without_its_server_a_daemon_waits_and_says_so(serve, server, photos):
    daemon = serve(photos, encode__remote=server.setting(), encode__without_remote="wait")
    daemon.wait_until(lambda: server_state(daemon)["state"] == "unreachable")
    health = daemon.get("/v1/health")
    assert health["status"] == "degraded"
    assert server.url in health["reasons"][0]
    status, answer = daemon.request("POST", "/v1/search", {"text": "waves"})
    assert status == 503 or answer["hits"] == []
    daemon.stop()
    server.start()
    daemon = serve(photos, encode__remote=server.setting(), encode__without_remote="wait")
    daemon.wait_until_indexed(12)
    server.stop(signal.SIGTERM)
    draw(photos / "new.png", 1000)
    waiting = daemon.wait_until(
        lambda: [
            text for text in daemon.get("/v1/health").get("reasons", []) if "1 files wait" in text
        ]
    )
    assert "unreachable" in waiting[0]
    daemon.stop()
    daemon = serve(photos, encode__remote=server.setting(), encode__without_remote="wait")
    assert daemon.wait_until(lambda: server_state(daemon)["state"] == "unreachable")
    no_failures(daemon)
    server.start()
    daemon.wait_until_indexed(13)
    assert not encoded_here(daemon)


def test_without_its_server_a_daemon_encodes_itself(serve, server, photos):
    daemon = serve(photos, encode__remote=server.setting())
    status = daemon.wait_until_indexed(12)
    assert status["encode_servers"][0]["state"] == "unreachable"
    assert daemon.get("/v1/health")["status"] == "ok"  # nothing waits for it
    assert encoded_here(daemon)
    no_failures(daemon)


def encoded_here_count(daemon):
    return len((daemon.home / "encoded").read_text().split())


def test_with_a_server_a_few_pictures_load_no_model_here(serve, server, photos):
    server.start()
    daemon = serve(photos, encode__remote=server.setting())
    daemon.wait_until_indexed(12)
    assert server_state(daemon)["encoded"] == 12
    assert server_state(daemon)["checks"] >= 1
    assert encoded_here_count(daemon) == 2  # two pictures to compare servers with, once for all
    daemon.stop()
    draw(photos / "new.png", 1000)
    daemon = serve(photos, encode__remote=server.setting())
    daemon.wait_until_indexed(13)
    assert server_state(daemon)["checks"] >= 1
    assert encoded_here_count(daemon) == 2


def right_vectors(*homes):
    """The vectors that were rightly made there, as the catalog keeps them."""
    notes = [home / "encoded" for home in homes]
    lines = [line for note in notes if note.exists() for line in note.read_text().split()]
    return {bytes.fromhex(line) for line in lines}


def test_a_server_that_encodes_wrongly_gives_nothing_and_is_told(serve, server, many):
    server.env["WRONG_AFTER"] = "0"
    server.start()
    daemon = serve(many, encode__remote=server.setting())
    (told,) = daemon.wait_until_indexed(150)["encode_servers"]
    assert (told["state"], told.get("encoded", 0)) == ("refused", 0)
    assert "encodes wrongly" in told["reason"]
    assert "what this machine gives them" in told["reason"]
    assert any("encodes wrongly" in text for text in daemon.get("/v1/health")["reasons"])
    assert b"encodes wrongly" in daemon.imgvec("status").stdout
    no_failures(daemon)
    server.kill()
    del server.env["WRONG_AFTER"]  # mended
    server.start()
    daemon.imgvec("retry")
    draw(many / "new.png", 1000)
    daemon.wait_until_indexed(151)
    assert daemon.stop() == 0
    kept = stored(daemon.state).values()
    assert len(kept) == 151
    assert right_vectors(daemon.home, server.home).issuperset(kept)


def test_what_a_server_gave_since_it_went_wrong_is_encoded_again(serve, server, many, monkeypatch):
    monkeypatch.setenv("CHECKED_EVERY", "40")
    server.env["WRONG_AFTER"] = "60"
    server.start()
    daemon = serve(many, encode__remote=server.setting(), encode__without_remote="wait")
    daemon.wait_until(lambda: server_state(daemon)["state"] == "refused")
    assert f"what {server.url} gave them first" in server_state(daemon)["reason"]
    server.kill()
    del server.env["WRONG_AFTER"]
    server.start()
    daemon.imgvec("retry")
    daemon.wait_until_indexed(150)
    no_failures(daemon)
    assert daemon.stop() == 0
    kept = stored(daemon.state).values()
    assert len(kept) == 150
    assert right_vectors(server.home).issuperset(kept)


def refused(serve, photos, setting, reason):
    """Have a daemon refuse a server for a reason, and encode nothing there."""
    daemon = serve(photos, encode__remote=setting, encode__without_remote="wait")
    told = daemon.wait_until(
        lambda: server_state(daemon) if server_state(daemon)["state"] == "refused" else None
    )
    assert reason in told["reason"], told
    assert told["next_try_s"] > 60
    assert any(reason in text for text in daemon.get("/v1/health")["reasons"])
    no_failures(daemon)
    return daemon


def test_a_wrong_token_is_told_and_can_be_mended(serve, server, photos, tmp_path):
    server.start()
    wrong = tmp_path / "wrong-token"
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    setting = server.setting(token_file=str(wrong))
    daemon = refused(serve, photos, setting, f"the token in {wrong} is not the server's")
    assert server.encoded() == 0
    wrong.write_text(server.token_file.read_text())
    assert daemon.imgvec("retry").returncode == 0
    daemon.wait_until_indexed(12)
    no_failures(daemon)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ({"begun_days_ago": 40}, "certificate has expired"),
        ({"name": "elsewhere.example"}, "Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_not_the_servers_is_told(
    serve, photos, tmp_path, certificate, reason
):
    made = make_certificate(tmp_path / "tls", **certificate)
    server = RunningEncodeServer(tmp_path / "server", certificate=made).start()
    try:
        refused(serve, photos, server.setting(), reason)
        assert server.encoded() == 0
    finally:
        server.kill()


def test_a_server_that_nobody_vouches_for_is_told(serve, server, photos):
    server.start()
    refused(serve, photos, server.setting(ca_file=""), "self-signed certificate")


def test_other_weights_are_refused(serve, photos, tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"weights of somebody")
    server = RunningEncodeServer(tmp_path / "server", models=[f"imgvecd-tiny={own}"]).start()
    try:
        daemon = refused(serve, photos, server.setting(), "does not have imgvecd-mini")
        daemon.stop()
        other = tmp_path / "other.safetensors"
        other.write_bytes(b"other weights")
        home = tmp_path / "second"
        with sessions(home) as start:
            setting = {"model__name": "imgvecd-tiny", "model__pretrained": str(other)}
            daemon = start(
                photos,
                encode__remote=server.setting(),
                encode__without_remote="wait",
                **setting,
            )
            told = daemon.wait_until(
                lambda: server_state(daemon) if server_state(daemon)["state"] == "refused" else None
            )
            assert "other weights" in told["reason"]
        assert server.encoded() == 0
    finally:
        server.kill()


def test_a_slow_network_takes_its_time_and_loses_nothing(serve, server, photos):
    server.start()
    network = SlowLink(("127.0.0.1", server.port), delay_s=0.05, bytes_per_s=50_000)
    try:
        setting = server.setting(url=f"https://localhost:{network.port}")
        daemon = serve(photos, encode__remote=setting, encode__without_remote="wait")
        daemon.wait_until_indexed(12)
        no_failures(daemon)
    finally:
        network.close()


def test_the_machine_is_woken_once(serve, server, photos, tmp_path):
    woken = tmp_path / "woken"
    command = ["sh", "-c", f'echo "$IMGVECD_SERVER" >> {woken}']
    daemon = serve(
        photos,
        encode__remote=server.setting(on_wanted=command),
        encode__without_remote="wait",
    )
    daemon.wait_until(woken.exists)
    assert woken.read_text() == f"{server.url}\n"
    server.start()
    daemon.wait_until_indexed(12)
    assert woken.read_text() == f"{server.url}\n"


@pytest.mark.nightly  # the real model, twice: what goes over the wire is tested by day without it
def test_the_embedded_model_gives_the_same_elsewhere_and_answers_texts_alone(tmp_path):
    photos = Path(__file__).parents[1] / "data" / "photos"
    count = len(list(photos.glob("*.jpg")))
    server = RunningEncodeServer(tmp_path / "server", module="imgvecd.cli.main")
    keep_state(tmp_path / "server" / ".local" / "state" / "imgvecd-encoders", catalog=False)
    local = RunningDaemon(tmp_path / "local", [photos])
    settings = {"encode__without_remote": "wait", "encode__remote": server.setting()}
    elsewhere = RunningDaemon(tmp_path / "elsewhere", [photos], settings, kept=False)
    try:
        elsewhere.wait_until(lambda: server_state(elsewhere)["state"] == "unreachable")
        server.start()
        elsewhere.wait_until_indexed(count)
        local.wait_until_indexed(count)
        found = local.search("a rocket in the sky")
        assert elsewhere.search("a rocket in the sky") == found
        tower = elsewhere.state / "texttower"
        elsewhere.wait_until(lambda: list(tower.glob("*.safetensors")))
        in_a_program = encoded_by_the_library(tmp_path / "db", server, min(photos.glob("*.jpg")))
        assert server.stop(signal.SIGTERM) == 0
        assert elsewhere.search("a cup of coffee") == local.search("a cup of coffee")
        assert not (elsewhere.state / "imagetower").exists()
        no_failures(elsewhere)
        assert elsewhere.stop() == local.stop() == 0
        here, there = vectors(local.state), vectors(elsewhere.state)
        assert here.keys() == there.keys()
        assert min(float(here[each] @ there[each]) for each in here) > 0.9999
        ((content, vector),) = in_a_program.items()
        assert float(here[content] @ vector) > 0.9999
    finally:
        for each in (server, local, elsewhere):
            each.kill()


def encoded_by_the_library(folder, server, photo):
    """Return the vectors, by content hash, of a `VectorDatabase` that never loads a model."""
    encode = {"remote": json.loads(server.setting()), "without_remote": "wait"}
    with VectorDatabase("imgvecd-mini", db_path=folder, encode=encode) as database:
        database.add_image(photo)
    assert not (folder / "imagetower").exists()
    return vectors(folder)
