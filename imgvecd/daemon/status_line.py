"""What the daemon is doing, in one line: for `systemctl status`."""

from __future__ import annotations

from imgvecd.api import Status

_MINUTE_S, _HOUR_S = 60, 3600


def status_line(now: Status) -> str:
    """Return one line without private names."""
    files = now.files
    if now.state == "starting":
        parts = [now.model.error or "starting"]
    elif files.pending:
        searchable = f"{files.indexed:,} of {files.seen:,} photos can be searched"
        parts = [f"{now.state}: {searchable}"]
        if now.rate_per_s:
            parts.append(f"{now.rate_per_s:.1f}/s")
        if now.eta_s:
            parts.append(f"{_duration(now.eta_s)} left")
    else:
        state = now.state if now.pause is None else "paused"
        parts = [f"{state}: {files.indexed:,} photos can be searched"]
    if now.pause is not None:
        parts.append(now.pause.reason)
    if files.failed:
        parts.append(f"{files.failed:,} failed")
    offline = sum(not root.online for root in now.roots)
    if offline:
        parts.append(f"{offline} of {len(now.roots)} folders offline")
    if now.index.rebuilding:
        parts.append("rebuilding the index")
    if now.move is not None and now.move.indexed:
        parts.append(f"moving to {now.move.name}: {now.move.indexed:,} images")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
