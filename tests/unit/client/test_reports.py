import datetime

import msgspec
import pytest
from statuses import daemon_status

from imgvecd import api
from imgvecd.client import reports

STATUS = daemon_status()

AGAIN_AT = "2026-01-02T03:04:05+00:00"
AGAIN = datetime.datetime.fromisoformat(AGAIN_AT).astimezone().strftime("%H:%M")


@pytest.mark.parametrize(
    ("move", "words"),
    [
        ({}, "big: it is fetched next"),
        ({"loading": "42% of 605 MB"}, "big: 42% of 605 MB"),
        ({"error": "no network"}, "big: no network"),
        ({"to_fetch_mb": 600}, "big: 600 MB wait for your yes: `imgvec move resume`"),
        (
            {"error": "big cannot be fetched. More.", "next_try_at": AGAIN_AT},
            f"big cannot be fetched; next try {AGAIN}",
        ),
        ({"stopped": True, "error": "no network"}, "big: stopped; `imgvec move resume` goes on"),
        ({"indexed": 1200, "pending": 300}, "big, 1,200 of 1,500 files"),
    ],
)
def test_a_move_is_told_at_every_stage(move, words):
    status = api.MoveStatus(name="big", pretrained="p", **move)
    lines = reports.status(msgspec.structs.replace(STATUS, move=status))
    assert [line.split(None, 1)[1] for line in lines if line.startswith("move ")] == [words]


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ({}, "as nas on PostgreSQL at db: all is published"),
        ({"waiting": 1200}, "as nas on PostgreSQL at db: 1,200 images wait"),
        (
            {"vectors_taken": 68},
            "as nas on PostgreSQL at db: all is published, 68 not encoded here",
        ),
    ],
)
def test_what_is_shared_is_told(shared, words):
    status = api.SharedStatus(source="nas", engine="PostgreSQL at db", **shared)
    lines = reports.status(msgspec.structs.replace(STATUS, shared=status))
    assert [line.split(None, 1)[1] for line in lines if line.startswith("shared")] == [words]
    assert not any(line.startswith("shared") for line in reports.status(STATUS))


def test_sources_with_wrong_vectors_are_told():
    status = api.SharedStatus(
        source="nas", engine="PostgreSQL at db", sources_refused=("0b5e", "77aa")
    )
    lines = reports.status(msgspec.structs.replace(STATUS, shared=status))
    assert any("nothing is taken from source 0b5e, 77aa: wrong vectors" in line for line in lines)


@pytest.mark.parametrize(
    ("server", "is_told"),
    [({}, False), ({"checks": 1}, True), ({"checks": 1, "compared_with": "here"}, False)],
)
def test_an_encode_server_that_nobody_vouches_for_is_told(server, is_told):
    told = api.EncodeServerStatus(url="https://desk:8770", model="m", state="ready", **server)
    lines = reports.status(msgspec.structs.replace(STATUS, encode_servers=(told,)))
    assert any("compared with nobody's" in line for line in lines) == is_told
