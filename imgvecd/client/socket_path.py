"""Finds the daemon's socket without reading more than needed."""

from __future__ import annotations

import os

from imgvecd.config import paths
from imgvecd.errors import ConfigError


def socket_path(flag: str | None) -> str:
    """Return the socket: flag, then `$IMGVECD_SOCKET`, then configuration file, then default."""
    named = flag or os.environ.get("IMGVECD_SOCKET")
    if named:
        return named
    if os.environ.get("IMGVECD_CONFIG") or os.path.exists(paths.config_file()):
        from imgvecd.config.load import load  # noqa: PLC0415  # YAML takes 20 ms to import
        from imgvecd.config.schema import expand  # noqa: PLC0415

        try:
            configured = load().server.socket
        except ConfigError:  # the daemon goes on as it was, so there is somebody to ask
            if not os.path.exists(paths.socket()):
                raise
            configured = ""
        if configured:
            return expand(configured)
    return paths.socket()
