"""Files with secrets: read whoever names them, unless others can read them, too."""

import os

import pytest

from imgvecd.adapters.postgres.connections import parameters
from imgvecd.client.browse.command import read_secret
from imgvecd.core.files.token_file import read_token
from imgvecd.errors import ConfigError
from imgvecd.secret_file import read_secret_file

READERS = {
    "one": lambda path: read_secret_file(path, "a.setting").decode(),
    "browse": read_secret,
    "password": lambda path: parameters("postgresql:///photos", path)["password"],
    "token": read_token,
}


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"a-secret\r\n")
    path.chmod(0o600)
    return str(path)


def test_a_line_is_read(read, path):
    assert read(path) == "a-secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_what_others_can_open_is_refused(read, path, mode):
    os.chmod(path, mode)
    with pytest.raises(ConfigError, match=f"other users can read {path}; run `chmod 600 {path}`"):
        read(path)


def test_a_pipe_is_not_waited_for(read, path):
    os.unlink(path)
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match=f"{path} is not a regular file"):
        read(path)


def test_a_folder_is_no_secret(read, tmp_path):
    with pytest.raises(ConfigError, match=str(tmp_path)):
        read(str(tmp_path))


def test_a_blank_at_the_end_of_a_password_is_part_of_it(path):
    with open(path, "w") as file:
        file.write(" my password \n")
    assert READERS["password"](path) == " my password "


def test_links_are_followed_where_nothing_is_made(path, tmp_path):
    link = str(tmp_path / "link")
    os.symlink(path, link)
    for name in ("one", "browse", "password"):
        assert READERS[name](link) == "a-secret"
    with pytest.raises(ConfigError, match=link):
        READERS["token"](link)
