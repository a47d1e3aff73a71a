"""`imgvecd doctor`: has the running daemon prove that its index equals the library."""

from __future__ import annotations

import argparse
import os
from typing import Any

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.socket_path import socket_path
from imgvecd.terminal_output import flush, say, warn, write_json

_TIMEOUT_S = 3600.0  # a million files on a slow disk


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "doctor",
        help="compare disk, catalog and index",
        description="Have the running daemon compare disk, catalog and index, file by file. Prints"
        " counts, and each file that cannot be found by searching with the reason. Exit code 0:"
        " all is as it should be (failures have their reasons); 1: something diverges; 2: error.",
    )
    command.add_argument("--socket", metavar="FILE", help="the daemon's socket")
    command.add_argument("--json", action="store_true", help="print the answer as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the diagnosis; return 0 if it is good."""
    answer = DaemonConnection(socket_path(options.socket), _TIMEOUT_S).post(
        "/v1/doctor", api.Empty()
    )
    diagnosis = read(answer, api.Diagnosis)
    if options.json:
        write_json(answer)
    else:
        for name, count in diagnosis.counts.items():
            say(f"{count:>10,}  {name.replace('_', ' ')}")
        for finding in diagnosis.findings:
            path = os.fsdecode(api.Path(finding.path, finding.path_base64).raw())
            say(f"{finding.kind.replace('_', ' ')}: {path}: {finding.reason}")
        flush()
        warn("healthy" if diagnosis.healthy else "something diverges")
    return 0 if diagnosis.healthy else 1
