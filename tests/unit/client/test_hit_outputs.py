"""A folder of hits, whatever they are called and whatever is there already."""

import base64
import os
import types

import pytest

from imgvecd.client import hit_outputs
from imgvecd.errors import BadRequestError

NAMES = (
    b"a.jpg",
    b"line\nbreak.jpg",
    b"x" * 251 + b".jpg",
    "é".encode() * 125 + b".jpeg",
    b"." + b"y" * 254,
    b"b\xff.jpg",
    b"-rf.jpg",
)


def hits(folder):
    found = []
    for name in NAMES:
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(name)
        raw = base64.b64encode(path).decode()
        hit = types.SimpleNamespace(path="", path_base64=raw, offline=False, source=None)
        found.append(hit)
    return found


@pytest.mark.parametrize("copy", [False, True])
def test_every_name_fits_into_the_folder(tmp_path, copy):
    (tmp_path / "photos").mkdir()
    found = hits(tmp_path / "photos")
    target = tmp_path / "hits"
    assert hit_outputs.link(found, str(target), copy=copy) == len(NAMES)
    made = sorted(os.listdir(os.fsencode(target)))
    assert [open(os.path.join(os.fsencode(target), name), "rb").read() for name in made] == [*NAMES]  # noqa: SIM115
    assert [os.path.splitext(name)[1] for name in made[2:4]] == [b".jpg", b".jpeg"]
    assert made[3].decode().startswith("4 éé")  # and no character is cut in two
    assert hit_outputs.link(found, str(target), copy=copy) == 0


def test_what_cannot_be_copied_is_named(tmp_path):
    (tmp_path / "photos").mkdir()
    found = hits(tmp_path / "photos")[:1]
    os.unlink(tmp_path / "photos" / "a.jpg")
    os.mkfifo(tmp_path / "photos" / "a.jpg")
    with pytest.raises(BadRequestError, match="named pipe"):
        hit_outputs.link(found, str(tmp_path / "hits"), copy=True)
