"""Settings of the shared engine that make no sense are told with their key and the way out."""

import os

import pytest

from imgvecd.adapters.milvus import address
from imgvecd.adapters.postgres.connections import encryption_warning, parameters
from imgvecd.config.load import load
from imgvecd.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shared.name": "nas"}, "url: say where the database is"),
        ({"shared.url": "postgresql:///x", "shared.name": "a:b"}, "without a colon"),
        ({"shared.url": "postgresql:///x", "shared.publish": "names"}, "paths, metadata"),
        ({"shared.engine": "oracle"}, "valid are postgres, milvus"),
    ],
)
def test_what_makes_no_sense_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        load(None, given)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@db/x", "put it into a file"),
        ("nonsense", "shared.url"),
        ("postgresql://db/x?sslmod=require", "sslmod"),
    ],
)
def test_urls_that_make_no_sense_are_refused(url, said):
    with pytest.raises(ConfigError, match=said) as caught:
        parameters(url, "")
    assert "secret" not in str(caught.value)


def test_other_machines_are_verified():
    assert parameters("postgresql://me@db.example/x", "")["sslmode"] == "verify-full"
    assert parameters("postgresql://me@db.example/x", "")["sslrootcert"] == "system"
    own = parameters("postgresql://me@db/x?sslrootcert=/etc/ca.pem", "")
    assert (own["sslmode"], own["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    home = parameters("postgresql://me@db/x?sslrootcert=~/ca.pem", "")
    assert home["sslrootcert"] == os.path.expanduser("~/ca.pem")  # libpq knows no ~
    for local in ("postgresql:///x", "postgresql://localhost/x", "postgresql:///x?host=/run/pg"):
        assert "sslmode" not in parameters(local, "")
    weak = parameters("postgresql://a,localhost/x?sslmode=require", "")
    assert "sslmode=require" in encryption_warning(weak)
    assert encryption_warning(parameters("postgresql://me@db/x", "")) is None


def test_a_password_comes_from_a_file_of_ones_own(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret word\n")
    os.chmod(file, 0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        parameters("postgresql://me@db/x", str(file))
    os.chmod(file, 0o600)
    given = parameters("postgresql://me@db/x", str(file))
    assert given["password"].split() == ["secret", "word"]
    with pytest.raises(ConfigError, match="No such file"):
        parameters("postgresql://me@db/x", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://me:secret@db", "put it into a file"),
        ("postgresql://db/x", "expected https://USER@HOST:19530"),
        ("https://db:port", "shared.url"),
        ("https://db?sslmode=require", "sslmode: no such option"),
        ("http://db?ca=/etc/ca.pem", "ca: no such option"),
        ("https://db?ca=/nowhere/ca.pem", "/nowhere/ca.pem cannot be read"),
    ],
)
def test_addresses_of_milvus_that_make_no_sense_are_refused(url, said):
    with pytest.raises(ConfigError, match=said) as caught:
        address.parameters(url, "")
    assert "secret" not in str(caught.value)


def test_addresses_of_milvus(tmp_path):
    ca, password = tmp_path / "ca.pem", tmp_path / "password"
    ca.touch()
    password.write_text("secret word\n")
    password.chmod(0o600)
    url = f"https://nas@db.example/photos?ca={ca}&server_name=milvus"
    assert address.parameters(url, str(password)) == {
        "uri": "https://db.example:19530",
        "token": "nas:secret word",
        "db_name": "photos",
        "secure": True,
        "server_pem_path": str(ca),
        "server_name": "milvus",
    }
    assert address.parameters("http://localhost:7", "")["token"] == ""
    assert address.encryption_warning(url) is None
    assert address.encryption_warning("http://localhost:7") is None
    assert "http others can read along" in address.encryption_warning("http://db.example:19530")
