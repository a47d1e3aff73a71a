"""`imgvecd install-service` and `uninstall-service`: put the user units in place, or take them out.

They write and remove files only; what to run next is printed, so that nothing starts unasked.
"""

from __future__ import annotations

import argparse
import importlib.resources
import os
import sys
from typing import Any

from imgvecd.errors import ConfigError

_UNITS = ("imgvecd.service", "imgvecd.socket")
_SHIPPED_COMMAND = "ExecStart=/usr/bin/env imgvecd serve"


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add both commands."""
    command = commands.add_parser(
        "install-service",
        help="let systemd run the daemon",
        description="Write the systemd user units that run this imgvecd.",
    )
    command.add_argument("--force", action="store_true", help="overwrite units that differ")
    command.set_defaults(run=install)
    command = commands.add_parser(
        "uninstall-service",
        help="undo install-service",
        description="Remove the systemd user units that install-service wrote.",
    )
    command.add_argument("--force", action="store_true", help="remove units that differ as well")
    command.set_defaults(run=uninstall)


def install(options: argparse.Namespace) -> int:
    """Write the units; ones that somebody changed stay unless forced."""
    folder = _folder()
    for name in _UNITS:
        _refuse_changed(os.path.join(folder, name), name, force=options.force)
    os.makedirs(folder, exist_ok=True)
    for name in _UNITS:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(_unit(name))
        print(f"Wrote {path}.")
    print("Start it now and at every login:")
    print("  systemctl --user daemon-reload && systemctl --user enable --now imgvecd")
    print("Keep it running while you are logged out:\n  loginctl enable-linger")
    return 0


def uninstall(options: argparse.Namespace) -> int:
    """Remove the units; ones that somebody changed stay unless forced."""
    folder = _folder()
    paths = [os.path.join(folder, name) for name in _UNITS]
    present = [path for path in paths if os.path.exists(path)]
    for path in present:
        _refuse_changed(path, os.path.basename(path), force=options.force)
    for path in present:
        os.unlink(path)
        print(f"Removed {path}.")
    if present:
        print("Stop what still runs:\n  systemctl --user disable --now imgvecd imgvecd.socket")
        print("  systemctl --user daemon-reload")
    else:
        print("There was nothing to remove.")
    return 0


def _folder() -> str:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "systemd", "user")


def _unit(name: str) -> str:
    """Return the shipped unit, with the command of this very installation."""
    shipped = importlib.resources.files("imgvecd.cli").joinpath("units", name)
    text = shipped.read_text(encoding="utf-8")
    python = sys.executable.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text.replace(
        _SHIPPED_COMMAND, f'ExecStart="{python}" -m imgvecd.cli.main serve'.replace("$", "$$")
    )


def _refuse_changed(path: str, name: str, *, force: bool) -> None:
    if force or not os.path.exists(path):
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        if file.read() != _unit(name):
            raise ConfigError(f"{path} differs from what imgvecd writes; --force overrides.")
