"""`imgvecd install-service` and `uninstall-service`: put systemd units in place, or take them out.

They write and remove files only; what to run is printed, so that nothing starts or stops unasked. A
unit that somebody has edited is never overwritten or removed unless forced: each carries the digest
of what was written, so that an older version's unit is told from an edited one.
"""

from __future__ import annotations

import argparse
import difflib
import glob
import hashlib
import importlib.metadata
import importlib.resources
import os
import pwd
import re
import shlex
import sys
from dataclasses import dataclass
from typing import Any

from imgvecd.config import paths
from imgvecd.errors import ConfigError
from imgvecd.terminal_output import say, warn, write_lines

SYSTEM_FOLDER = "/etc/systemd/system"
_SHIPPED_COMMANDS = {
    "ExecStart=/usr/bin/env imgvecd serve": "imgvecd.cli.main serve",
    "ExecStart=/usr/bin/env imgvec browse --serve": "imgvecd.client.main browse --serve",
    "ExecStart=/usr/bin/env imgvecd encode-server": "imgvecd.cli.main encode-server",
}
_BROWSE_UNIT = "imgvecd-browse.service"
_ENCODE_UNIT = "imgvecd-encode-server.service"
_USER_UNITS = (_BROWSE_UNIT, _ENCODE_UNIT)
_CPU_TORCH = (  # pip's own index has the build for NVIDIA GPUs, with gigabytes of libraries
    "  ~/.local/share/imgvecd/bin/pip install torch torchvision"
    " --index-url https://download.pytorch.org/whl/cpu"
)
_SEAL = re.compile(r"# Written by `imgvecd install-service`, digest ([0-9a-f]{16})\..*\n\Z")
_ADVICE = "To change it, use `systemctl edit`; a unit edited here is left alone."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where units go, which ones, and how systemctl is called for them."""

    folder: str
    units: tuple[str, ...]
    systemctl: str
    service: str
    socket: str


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add both commands."""
    command = commands.add_parser(
        "install-service",
        help="let systemd run the daemon",
        description="Write the systemd units that run this imgvecd, and say how to start it. "
        "Nothing is started.",
    )
    _add_flags(command, "overwrite units that somebody has edited")
    command.add_argument(
        "--browse",
        action="store_true",
        help=f"the user service {_BROWSE_UNIT} as well, which serves `imgvec browse --serve`",
    )
    command.add_argument(
        "--encode-server",
        action="store_true",
        help=f"the user service {_ENCODE_UNIT} alone, which encodes for other machines",
    )
    command.set_defaults(run=install)
    command = commands.add_parser(
        "uninstall-service",
        help="undo install-service",
        description="Remove the systemd units that install-service wrote. Photos, catalog and "
        "configuration stay.",
    )
    _add_flags(command, "remove units that somebody has edited as well")
    command.set_defaults(run=uninstall)


def _add_flags(command: argparse.ArgumentParser, force: str) -> None:
    command.add_argument(
        "--system",
        metavar="USER",
        help=f"the sandboxed system service for USER, in {SYSTEM_FOLDER} (as root), instead of "
        "the user service",
    )
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.add_argument("--force", action="store_true", help=force)


def install(options: argparse.Namespace) -> int:
    """Write the units; ones that somebody edited stay unless forced."""
    place = _place(options.system)
    names = _wanted(place, options)
    texts = {os.path.join(place.folder, name): _unit(name) for name in names}
    for path, text in texts.items():
        if options.dry_run:
            write_lines(f"{_intended(path, text, force=options.force)}\n".encode())
        elif not options.force:
            _refuse_edited(path)
    if options.dry_run:
        return 0
    try:
        os.makedirs(place.folder, exist_ok=True)
        for path, text in texts.items():
            if _read(path) == text:
                say(f"{path} is up to date.")
            else:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                say(f"Wrote {path}.")
    except OSError as error:
        raise ConfigError(_cannot(error, options.system)) from error
    _warn_of_a_clone(options)
    _say_what_next(place, options)
    return 0


def _wanted(place: _Place, options: argparse.Namespace) -> tuple[str, ...]:
    """Return the units that the flags name."""
    if options.encode_server:
        if options.system or options.browse:
            raise ConfigError("--encode-server is a user service of its own: give it alone.")
        return (_ENCODE_UNIT,)
    if options.browse and options.system:
        raise ConfigError("--browse is a user service: run it as that user, without --system.")
    return (*place.units, _BROWSE_UNIT) if options.browse else place.units


def _warn_of_a_clone(options: argparse.Namespace) -> None:
    """Say so where the units run a program that lies in a checkout of the sources."""
    again = "install-service"
    again += " --browse" if options.browse else ""
    again += " --encode-server" if options.encode_server else ""
    again += f" --system {shlex.quote(options.system)}" if options.system else ""
    above = os.path.dirname(sys.prefix)
    if sys.prefix != sys.base_prefix and os.path.isfile(os.path.join(above, "pyproject.toml")):
        warn(
            f"The units run the imgvecd in {sys.prefix}, which lies in a clone: `make clean` "
            "there, or moving the clone, takes the service away. An environment of its own stays:",
            "  python3 -m venv ~/.local/share/imgvecd",
            *([_CPU_TORCH] if importlib.metadata.version("torch").endswith("+cpu") else []),
            f"  ~/.local/share/imgvecd/bin/pip install {shlex.quote(above)}",
            f"  ~/.local/share/imgvecd/bin/imgvecd {again}",
        )


def _say_what_next(place: _Place, options: argparse.Namespace) -> None:
    if options.encode_server:
        say("Start it, once `encode_server` is set in the configuration:")
        reload, enable = f"{place.systemctl} daemon-reload", f"{place.systemctl} enable --now"
        say(f"  {reload} && {enable} {_ENCODE_UNIT}")
        say("Keep it running while you are logged out:", "  loginctl enable-linger")
        return
    say("Start it now and from now on:")
    say(f"  {place.systemctl} daemon-reload && {place.systemctl} enable --now {place.service}")
    say("Or on the first search only:")
    say(f"  {place.systemctl} daemon-reload && {place.systemctl} enable --now {place.socket}")
    if options.system:
        say(f"{options.system} reaches it with")
        say(f"  export IMGVECD_SOCKET=/run/imgvecd/{options.system}/imgvecd.sock")
    else:
        say("Keep it running while you are logged out:", "  loginctl enable-linger")
    if options.browse:
        say("Serve the page, once `browse` is set in the configuration:")
        say(f"  {place.systemctl} enable --now {_BROWSE_UNIT}")


def uninstall(options: argparse.Namespace) -> int:
    """Remove the units; ones that somebody edited stay unless forced."""
    place = _place(options.system)
    names = [*place.units, *([] if options.system else _USER_UNITS)]
    paths = [os.path.join(place.folder, name) for name in names]
    present = [path for path in paths if os.path.lexists(path)]
    if not present:
        say("There was nothing to remove.")
        return 0
    if not (options.force or options.dry_run):
        _refuse_enabled(place)
    others = _other_instances(options.system) if options.system else []
    if others:
        say(f"Kept the units in {place.folder}: they also serve {', '.join(others)}.")
    elif options.dry_run:
        say(*(f"Would remove {path}." for path in present))
    else:
        for path in present if not options.force else []:
            _refuse_edited(path)
        try:
            for path in present:
                os.unlink(path)
                say(f"Removed {path}.")
        except OSError as error:
            raise ConfigError(_cannot(error, options.system)) from error
    say("If it still runs:", f"  {place.systemctl} stop {place.service} {place.socket}")
    say("Have systemd forget what is gone:", f"  {place.systemctl} daemon-reload")
    return 0


def _place(user: str | None) -> _Place:
    if user is None:
        names = ("imgvecd.service", "imgvecd.socket")
        return _Place(
            os.path.join(paths.config_home(), "systemd", "user"), names, "systemctl --user", *names
        )
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"--system {user}: there is no such user.") from None
    instances = f"imgvecd@{user}.service", f"imgvecd@{user}.socket"
    return _Place(SYSTEM_FOLDER, ("imgvecd@.service", "imgvecd@.socket"), "systemctl", *instances)


def _unit(name: str) -> str:
    """Return the shipped unit, with the command of this very installation, sealed."""
    shipped = importlib.resources.files("imgvecd.cli").joinpath("units", name)
    text = shipped.read_text(encoding="utf-8")
    python = sys.executable.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    # -P: the manager starts it in the home folder, which may hold something named imgvecd
    for command, module in _SHIPPED_COMMANDS.items():
        own = f'ExecStart="{python}" -P -m {module}'.replace("$", "$$")
        text = text.replace(command, own)
    return f"{text}\n# Written by `imgvecd install-service`, digest {_digest(text)}. {_ADVICE}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _edited(path: str) -> bool:
    """Whether the file is there and not as some imgvecd wrote it."""
    text = _read(path)
    if text is None:
        return False
    seal = _SEAL.search(text)
    return seal is None or _digest(text[: seal.start() - 1]) != seal[1]


def _refuse_edited(path: str) -> None:
    if _edited(path):
        raise ConfigError(
            f"{path} was edited, or is not imgvecd's; it is left alone. --dry-run shows the "
            "difference, --force overrides."
        )


def _refuse_enabled(place: _Place) -> None:
    """Refuse where a unit is enabled: without its file it can be neither stopped nor disabled."""
    services = (place.service, place.socket, *_USER_UNITS)
    wanted = glob.glob(os.path.join(glob.escape(place.folder), "*.wants", "imgvecd*"))
    enabled = sorted({os.path.basename(link) for link in wanted} & set(services))
    if enabled:
        raise ConfigError(
            f"{' and '.join(enabled)} is still enabled, and may run. Stop it first:\n"
            f"  {place.systemctl} disable --now {' '.join(enabled)}\n"
            "and then run this again. --force removes the files nevertheless."
        )


def _intended(path: str, text: str, *, force: bool) -> str:
    """Return what `install` would do with a path."""
    present = _read(path)
    if present is None:
        return f"Would write {path}:\n\n{text}"
    if present == text:
        return f"{path} is up to date."
    refused = _edited(path) and not force
    verdict = "Would refuse to overwrite" if refused else "Would overwrite"
    lines = present.splitlines(), text.splitlines()
    difference = difflib.unified_diff(*lines, path, "imgvecd's own", lineterm="")
    return "\n".join([f"{verdict} {path}:", "", *difference])


def _other_instances(user: str) -> list[str]:
    """Return the other users for whom the template is enabled."""
    links = glob.glob(os.path.join(glob.escape(SYSTEM_FOLDER), "*.wants", "imgvecd@*.*"))
    names = {os.path.basename(link).partition("@")[2].rpartition(".")[0] for link in links}
    return sorted(names - {user})


def _cannot(error: OSError, user: str | None) -> str:
    advice = " Run it as root." if user and isinstance(error, PermissionError) else ""
    return f"{error.filename}: {error.strerror}.{advice}"
