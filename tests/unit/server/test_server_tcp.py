"""The TCP listener: loopback only, nothing without the token, nothing for pages of elsewhere."""

from __future__ import annotations

import asyncio
import http.client
import os
import stat
from pathlib import Path

import msgspec
import pytest
from running import DEADLINE_S

from imgvecd.config.schema import ServerConfig
from imgvecd.core.files.token_file import read_token
from imgvecd.errors import ConfigError


class Tcp:
    """Asks over TCP."""

    def __init__(self, daemon, token_file):
        self.address = daemon.server.addresses[1]
        self.port = self.address[1]
        self.token = Path(token_file).read_text().strip()

    def _ask(self, method, headers):
        connection = http.client.HTTPConnection(*self.address[:2], timeout=DEADLINE_S)
        connection.putrequest(method, "/v1/health", skip_host=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        try:
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    async def ask(self, *headers, method="GET"):
        return await asyncio.to_thread(self._ask, method, headers)


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "config" / "token"


@pytest.fixture
async def tcp(start, token_file):
    daemon = await start(tcp="127.0.0.1:0", token_file=str(token_file))
    return Tcp(daemon, token_file)


def host(tcp):
    return ("Host", f"127.0.0.1:{tcp.port}")


def bearer(tcp):
    return ("Authorization", f"Bearer {tcp.token}")


async def test_the_token_opens(tcp):
    for name in ("127.0.0.1", "localhost"):
        status, headers, _ = await tcp.ask(("Host", f"{name}:{tcp.port}"), bearer(tcp))
        assert status == 200
        assert not [name for name in headers if name.lower().startswith("access-control")]


async def test_the_socket_needs_no_token(start, token_file):
    daemon = await start(tcp="127.0.0.1:0", token_file=str(token_file))
    assert (await daemon.ask("GET", "/v1/health")).status == 200


async def test_the_other_loopback_works_too(start, token_file):
    try:
        daemon = await start(tcp="[::1]:0", token_file=str(token_file))
    except ConfigError as error:
        pytest.skip(f"no IPv6 here: {error}")
    tcp = Tcp(daemon, token_file)
    assert (await tcp.ask(("Host", f"[::1]:{tcp.port}"), bearer(tcp)))[0] == 200


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}"])
async def test_nothing_without_the_token(tcp, given):
    headers = [] if given is None else [("Authorization", given.format(tcp.token))]
    status, answered, body = await tcp.ask(host(tcp), *headers)
    assert (status, msgspec.json.decode(body)["code"]) == (401, "unauthorized")
    assert answered["WWW-Authenticate"] == "Bearer"


async def test_a_token_of_odd_bytes_is_a_wrong_one(tcp):
    assert (await tcp.ask(host(tcp), ("Authorization", b"Bearer \xff\xfe")))[0] == 401


@pytest.mark.parametrize("name", ["evil.example:{}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{}"])
async def test_a_name_that_was_pointed_here_is_refused(tcp, name):
    status, _, body = await tcp.ask(("Host", name.format(tcp.port)), bearer(tcp))
    assert (status, msgspec.json.decode(body)["code"]) == (403, "forbidden")


async def test_a_request_without_a_host_or_with_two_is_refused(tcp):
    assert (await tcp.ask(bearer(tcp)))[0] in {400, 403}
    assert (await tcp.ask(host(tcp), ("Host", "evil.example"), bearer(tcp)))[0] in {400, 403}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"]
)
async def test_pages_of_elsewhere_are_refused(tcp, origin):
    status, headers, _ = await tcp.ask(host(tcp), bearer(tcp), ("Origin", origin))
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_page_of_the_daemons_own_origin_may_ask(tcp):
    own = ("Origin", f"http://127.0.0.1:{tcp.port}")
    assert (await tcp.ask(host(tcp), bearer(tcp), own))[0] == 200


async def test_no_preflight_succeeds(tcp):
    asked = ("Access-Control-Request-Method", "GET")
    status, headers, _ = await tcp.ask(host(tcp), bearer(tcp), asked, method="OPTIONS")
    assert status == 405
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_the_token_is_made_once_and_private(token_file):
    first = read_token(str(token_file))
    assert len(first) >= 40
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert read_token(str(token_file)) == first


def test_a_token_that_others_can_read_is_refused(token_file):
    read_token(str(token_file))
    token_file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(str(token_file))


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"\n"])
def test_a_file_without_a_token_is_refused(token_file, content):
    read_token(str(token_file))
    token_file.write_bytes(content)
    with pytest.raises(ConfigError, match="no token"):
        read_token(str(token_file))


def test_a_link_is_not_followed(token_file, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("secret\n")
    elsewhere.chmod(0o600)
    token_file.parent.mkdir()
    os.symlink(elsewhere, token_file)
    with pytest.raises(ConfigError, match="token_file"):
        read_token(str(token_file))


@pytest.mark.parametrize(
    "address", ["0.0.0.0:80", "192.168.0.5:80", "127.0.0.1", ":80", "[::]:80", "127.0.0.1:99999"]
)
def test_only_loopback_addresses_are_taken(address):
    with pytest.raises(ValueError, match="loopback"):
        ServerConfig(tcp=address)


async def test_a_port_that_is_taken_is_a_clear_error(start, token_file, tmp_path):
    tcp = Tcp(await start(tcp="127.0.0.1:0", token_file=str(token_file)), token_file)
    with pytest.raises(ConfigError, match=rf"server.tcp: .*{tcp.port}"):
        await start(
            tcp=f"127.0.0.1:{tcp.port}",
            token_file=str(token_file),
            socket=str(tmp_path / "other" / "socket"),
        )
