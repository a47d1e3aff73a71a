"""`imgvecd encode-server`: where it may listen, and what is wrong with what it is given."""

import signal
import socket
import subprocess
import sys

import pytest
from certificates import make_certificate
from encode_servers import RunningEncodeServer
from running import DEADLINE_S, flood

from imgvecd.cli.main import main
from imgvecd.cli.program import parser
from imgvecd.config.load import load
from imgvecd.config.schema import is_loopback
from imgvecd.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "IMGVECD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def refused(capsys, *arguments):
    """Return what the command says, having refused to listen."""
    assert main(["encode-server", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.168.1.5:8770", "desktop:8770", "127.0.0.1.nip.io:80"]
)
def test_other_machines_are_listened_to_only_with_tls_and_a_token(home, capsys, address):
    cert, key = make_certificate(home)
    tls = ["--tls-cert", str(cert), "--tls-key", str(key)]
    token = ["--token-file", str(home / "token")]
    listen = ["--listen", address]
    for given in ([], tls, token, tls[:2], [*tls[2:], *token], [*tls[:2], *token]):
        said = refused(capsys, *listen, *given)
        assert "other machines can reach" in said
        for flag in ("--tls-cert", "--tls-key", "--token-file"):
            assert (flag in said.partition("`")[0]) == (flag not in given)
    assert not (home / "token").exists()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8770",
        "127.0.0.1",
        "127.0.0.1:",
        ":8770",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:²",
        "127.0.0.1:" + 5000 * "9",
    ],
)
def test_an_address_that_is_none_is_told(capsys, address):
    assert "expected ADDRESS:PORT" in refused(capsys, "--listen", address)


def test_an_address_that_is_taken_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "--listen", f"127.0.0.1:{port}", "--model", "small")
    assert f"cannot listen on 127.0.0.1 port {port}" in said


def test_what_is_wrong_with_the_files_is_told(home, capsys):
    cert, key = make_certificate(home)
    _, other = make_certificate(home / "other")
    listen = ["--listen", "127.0.0.1:0"]

    def said(cert=cert, key=key, *more):
        return refused(capsys, *listen, "--tls-cert", str(cert), "--tls-key", str(key), *more)

    assert "do not belong together" in said(key=other)
    assert "nowhere.pem: No such file" in said(cert=home / "nowhere.pem")
    assert "do not belong together" in said(cert=key)
    assert "needed together" in refused(capsys, *listen, "--tls-cert", str(cert))
    token = home / "token"
    token.write_text("secret\n")
    token.chmod(0o644)
    assert "chmod 600" in refused(capsys, *listen, "--token-file", str(token))
    key.chmod(0o644)
    assert "chmod 600" in said()


def test_a_model_that_is_none_is_told(capsys):
    said = refused(capsys, "--listen", "127.0.0.1:0", "--model", "no-such-model")
    assert "model.pretrained is missing" in said
    said = refused(capsys, "--listen", "127.0.0.1:0", "--model", "x=/nowhere/model.pt")
    assert "/nowhere/model.pt cannot be read" in said


def test_help_says_how_to_set_it_up(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["encode-server", "--help"])
    said = capsys.readouterr().out
    for part in ("openssl req", "--listen", "encode:", "token_file", "never a photo"):
        assert part in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_makes_its_token_and_stops_cleanly(home, number):
    server = RunningEncodeServer(home / "server")
    server.token_file.unlink()
    server.start()
    try:
        assert len(server.token_file.read_text()) > 40
        assert server.token_file.stat().st_mode & 0o077 == 0
        assert server.stop(number) == 0
    finally:
        server.kill()
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flood_of_signals_ends_it_as_one_does(home, number):
    server = RunningEncodeServer(home / "server")
    server.start()
    try:
        assert flood(server.process, number) == 0
    finally:
        server.kill()
    assert "Traceback" not in server.log.read_text()


def test_settings_do_what_flags_do(home):
    (home / "imgvecd.yaml").write_text(
        f"encode_server:\n  listen: 127.0.0.1:0\n  models: [imgvecd-mini]\n"
        f"  token_file: {home}/token\n"
    )
    command = [sys.executable, "-m", "fast_daemon", "encode-server", "--config"]
    server = RunningEncodeServer(home / "server")
    with subprocess.Popen(
        [*command, str(home / "imgvecd.yaml")],
        env=server.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline().startswith("imgvecd encode-server: http://127.0.0.1:")
            assert (home / "token").exists()
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("http://desktop:8770", "not encrypted"),
        ("http://192.168.1.5:8770", "not encrypted"),
        ("http://127.0.0.1.example.com:8770", "not encrypted"),
        ("ftp://desktop", "expected https://NAME:PORT"),
        ("https://", "expected https://NAME:PORT"),
        ("desktop:8770", "expected https://NAME:PORT"),
        ("https://desktop:99999", "expected https://NAME:PORT"),
        ("https://user:secret@desktop", "expected https://NAME:PORT"),
        ("https://desktop/path", "expected https://NAME:PORT"),
        ("https://desktop?x", "expected https://NAME:PORT"),
        ("https://[::1", "expected https://NAME:PORT"),
    ],
)
def test_servers_that_are_none_are_refused(setting, said):
    with pytest.raises(ConfigError, match=said):
        load("/dev/null", {"encode.remote": f'[{{url: "{setting}"}}]'})


def test_servers_are_read_from_file_and_flag(home):
    path = home / "imgvecd.yaml"
    path.write_text(
        "encode:\n  without_remote: wait\n  remote:\n    - url: https://desktop:8770\n"
        "      on_wanted: wakeonlan '00:11:22:33:44:55'\n"
    )
    (server,) = load(str(path)).encode.remote
    assert server.command() == ("wakeonlan", "00:11:22:33:44:55")
    given = '[{url: "https://a"}, {url: "http://localhost:1", on_wanted: [a, "b c"]}]'
    first, second = load("/dev/null", {"encode.remote": given}).encode.remote
    assert (first.url, second.command()) == ("https://a", ("a", "b c"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("encode:\n  without_remote: wait\n", "needs a server to wait for"),
        ("encode:\n  remote: [{url: https://a}, {url: https://a/}]\n", "given twice"),
        ('encode:\n  remote: [{url: https://a, on_wanted: "x \'y"}]\n', "on_wanted"),
        ("encode:\n  remote: [{token_file: x}]\n", "missing required field `url`"),
        ("encode:\n  precision: int8\n  device: cuda\n", "device must be auto or cpu"),
        ("encode:\n  precision: int8\n  runtime: torch\n", "runtime must be auto"),
        ("encode:\n  without_remote: sometimes\n", "valid are wait, local"),
    ],
)
def test_settings_that_make_no_sense_name_their_key(home, text, said):
    path = home / "imgvecd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as told:
        load(str(path))
    assert "encode" in str(told.value)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104  # what is refused
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machines_own(host, own):
    assert is_loopback(host) is own


def test_a_model_that_cannot_be_had_keeps_no_other_from_being_offered(home):
    models = ["imgvecd-mini", "ViT-B-32=no_such_tag"]
    server = RunningEncodeServer(home / "server", module="half_daemon", models=models).start()
    try:
        server.wait_until(lambda: "no_such_tag" in server.log.read_text())
        assert server.stop(signal.SIGTERM) == 0
    finally:
        server.kill()


def test_without_any_model_it_says_why_and_ends(home):
    server = RunningEncodeServer(
        home / "server", module="half_daemon", models=["ViT-B-32=no_such_tag"]
    ).start(wait=False)
    try:
        assert server.process.wait(DEADLINE_S) == 2
    finally:
        server.kill()
    assert "no_such_tag" in server.log.read_text()
