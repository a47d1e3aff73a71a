"""What people are told of other machines that encode for this one."""

from __future__ import annotations

from imgvecd.api import EncodeServerStatus
from imgvecd.core.library.engine import Engine


def warnings(engine: Engine, pending: int) -> list[str]:
    """Return every server that cannot be reached, and what waits for it.

    Args:
        pending: images that are not indexed yet.
    """
    return [_told(each, engine, pending) for each in _away(engine)]


def troubles(engine: Engine, pending: int) -> list[str]:
    """Return those that stand in the way of the work; a machine that sleeps unneeded does not."""
    waits = engine.waits_for_servers and (pending or engine.generation is None)
    ready = any(server.status().state == "ready" for server in engine.encode_servers)
    return [
        _told(each, engine, pending)
        for each in _away(engine)
        if each.state != "unreachable" or (waits and not ready)
    ]


def _away(engine: Engine) -> list[EncodeServerStatus]:
    states = (server.status() for server in engine.encode_servers)
    return [each for each in states if each.reason is not None]


def _told(server: EncodeServerStatus, engine: Engine, pending: int) -> str:
    told = f"encode server {server.state}: {server.reason}"
    if not pending:
        return told
    if engine.waits_for_servers:
        return f"{told}; {pending:,} files wait"
    return f"{told}; {pending:,} files are encoded here"
