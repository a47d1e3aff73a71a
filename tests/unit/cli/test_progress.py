"""The progress display ends when the daemon is idle, and says how to search."""

from __future__ import annotations

import io

import pytest
from statuses import daemon_status

from imgvecd import api
from imgvecd.cli.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


async def nobody(_):
    """Ask nobody anything."""


def status(state, roots=(), **counts):
    return daemon_status(state, roots=roots, files=counts, rate_per_s=12.5, eta_s=64)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
async def test_progress(monkeypatch, stream):
    shown = stream()
    monkeypatch.setattr("sys.stderr", shown)
    answers = iter(
        [
            status("scanning", seen=1000, indexed=0, pending=1000),
            status("indexing", seen=2000, indexed=490, pending=1500, failed=10),
            status("idle", seen=2000, indexed=1990, failed=10),
        ]
    )

    async def ask():
        return next(answers)

    await show_progress(ask, nobody, interval_s=0)
    text = shown.getvalue()
    assert "1,990 photos can be searched (10 could not be read)" in text
    assert 'imgvec search "' in text
    assert ("25%" in text and "500/2000" in text and "12.5/s, 01:04 left" in text) == shown.isatty()


async def test_an_empty_folder_is_named_with_what_is_wrong(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    roots = (
        api.RootStatus(path="/photos"),
        api.RootStatus(path="/usb", online=False, offline_reason="the folder is missing"),
    )

    async def ask():
        return status("idle", roots)

    await show_progress(ask, nobody, interval_s=0)
    assert shown.getvalue().startswith("No photos are in /photos, /usb (the folder is missing);")
