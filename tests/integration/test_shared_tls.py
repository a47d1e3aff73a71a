"""Over the network an engine is believed only with a certificate that is good for its name."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ports import free_port
from postgres_server import PostgresServer

from imgvecd.adapters.postgres.engine import PostgresEngine
from imgvecd.errors import EngineError

pytestmark = pytest.mark.long

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with an authority's certificate, and a function that makes certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments):
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "30"),
    )

    def make(name, *, expired=False):
        """Return (certificate, key) for a host."""
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}"),
        )
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        days = ("-days", "-1") if expired else ("-days", "30")
        openssl(
            *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", "server.pem", "-extfile", "names", *days),
        )
        return folder / "server.pem", folder / "server.key"

    return folder, make


@pytest.fixture(scope="module")
def server():
    if not DEBIAN:
        pytest.skip("Debian's PostgreSQL is not installed; the one of the wheel has no TLS")
    server = PostgresServer(programs_in=DEBIAN[-1], settings=("fsync=off",), port=free_port())
    yield server
    server.close()


def serve_with(server, certificate, key):
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        target = server.data / name
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        shutil.chown(target, server.data.owner(), server.data.group())
    server.stop()
    server.settings = ("fsync=off", "ssl=on", "listen_addresses=127.0.0.1")
    (server.data / "pg_hba.conf").write_text(
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    )
    server.start()


def attempt(server, host, authority, tmp_path, word="right"):
    file = tmp_path / "password"
    file.write_text(word)
    file.chmod(0o600)
    url = (
        f"postgresql://nas@{host}:{server.port}/postgres"
        f"?hostaddr=127.0.0.1&sslrootcert={authority}/ca.pem"
    )
    engine = PostgresEngine(url, str(file))
    try:
        with pytest.raises(EngineError) as caught:
            engine.prepare()
    finally:
        engine.close()
    return str(caught.value)


def test_names_dates_and_passwords_are_verified(server, authority, tmp_path):
    folder, make = authority
    server.execute("CREATE ROLE nas LOGIN PASSWORD 'right'")
    serve_with(server, *make("db.example"))
    # without pgvector, which says that the connection itself was good
    good = attempt(server, "db.example", folder, tmp_path)
    assert "vector" in good or "may not make them" in good
    wrong_name = attempt(server, "other.example", folder, tmp_path)
    assert 'server certificate for "db.example" does not match host name' in wrong_name
    wrong_password = attempt(server, "db.example", folder, tmp_path, word="wrong")
    assert "password authentication failed" in wrong_password
    serve_with(server, *make("db.example", expired=True))
    assert "certificate" in attempt(server, "db.example", folder, tmp_path)


def test_another_authority_is_not_believed(server, authority, tmp_path):
    _, make = authority
    serve_with(server, *make("db.example"))
    other = tmp_path / "other"
    other.mkdir()
    made = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=other"
    subprocess.run(
        made.split(),
        cwd=other,
        check=True,
        capture_output=True,
    )
    assert "certificate verify failed" in attempt(server, "db.example", other, tmp_path)
