"""The line for `systemctl status`."""

from __future__ import annotations

import pytest

from imgvecd import api
from imgvecd.daemon.status_line import status_line


def status(state, counts, *, model_error=None, **fields):
    return api.Status(
        version="0",
        pid=1,
        started_at="",
        state=state,
        clock="",
        model=api.ModelStatus(name="m", pretrained="", error=model_error),
        files=api.FileCounts(**counts),
        index=api.IndexStatus(rebuilding=fields.pop("rebuilding", False)),
        **{"roots": (), **fields},
    )


GONE = api.RootStatus(path="/secret", online=False)
THERE = api.RootStatus(path="/home")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (status("starting", {}), "starting"),
        (status("starting", {}, model_error="no such model"), "no such model"),
        (
            status(
                "indexing",
                {"seen": 2000, "indexed": 500, "pending": 1500},
                rate_per_s=12.5,
                eta_s=120,
            ),
            "indexing: 500 of 2,000 photos can be searched, 12.5/s, 2 min left",
        ),
        (
            status("idle", {"seen": 1002, "indexed": 1000, "failed": 2}, roots=(GONE, THERE)),
            "idle: 1,000 photos can be searched, 2 failed, 1 of 2 folders offline",
        ),
        (
            status(
                "paused",
                {"seen": 9, "indexed": 5, "pending": 4},
                pause=api.Pause(cause="battery", reason="on battery"),
            ),
            "paused: 5 of 9 photos can be searched, on battery",
        ),
        (
            status("idle", {"seen": 3, "indexed": 3}, rebuilding=True),
            "idle: 3 photos can be searched, rebuilding the index",
        ),
    ],
)
def test_headline(now, expected):
    assert status_line(now) == expected
