"""`imgvec pause` and `imgvec resume`: have indexing rest, and go on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

import msgspec

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(seconds?|sec|s|minutes?|min|m|hours?|h|days?|d)")


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands."""
    command = add("pause", "pause indexing; searching and watching go on", pause)
    command.add_argument(
        "--for",
        dest="for_s",
        type=seconds,
        metavar="TIME",
        help="end by itself after TIME, such as 2h, 45min or 1h30min (default: until `resume`)",
    )
    command = add("resume", "resume indexing after `pause`", resume)
    command.add_argument(
        "--force",
        action="store_true",
        help="also during quiet hours, on battery or under load, until that cause ends",
    )


def pause(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Have indexing rest."""
    return _tell(daemon.post("/v1/pause", api.PauseRequest(for_s=options.for_s)), output)


def resume(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Resume indexing; the exit code is 1 if something else keeps it from that."""
    body = daemon.post("/v1/resume", api.ResumeRequest(force=options.force))
    _tell(body, output)
    return 0 if read(body, api.Pausing).pause is None else 1


def seconds(text: str) -> float:
    """Return a time such as "1h30min" in seconds; argparse reports the error."""
    squeezed = re.sub(r"\s", "", text)
    parts = _PART.findall(squeezed)
    if not parts or squeezed != "".join(map("".join, parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2h, 45min or 1h30min")
    total = sum(float(number) * _UNITS_S[unit[0]] for number, unit in parts)
    try:
        bounded: float = msgspec.convert(total, api.PauseSeconds)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0s and 366d") from None
    return bounded


def resume_command(state: api.Pause) -> str:
    """Return the command that ends a pause, as messages name commands."""
    return "`imgvec resume`" if state.cause == "request" else "`imgvec resume --force`"


def _tell(body: bytes, output: Output) -> int:
    if output.json:
        output.answer(body)
        return 0
    state = read(body, api.Pausing).pause
    if state is None:
        output.lines(["indexing goes on"])
    else:
        hint = "" if state.cause == "request" else f"; {resume_command(state)} has it go on"
        output.lines([f"paused: {state.reason}{hint}"])
    return 0
