"""`imgvecd encode-server`: encodes for daemons on other machines."""

from __future__ import annotations

import argparse
import os
from typing import Any

from imgvecd.cli.serve import start_logging
from imgvecd.cli.settings import add_config_flag, add_set_flag, load_config
from imgvecd.terminal_output import flush, say

_DESCRIPTION = """\
Encode pictures and texts for imgvecd on other machines, until SIGTERM or Ctrl-C: for photos that
lie on a NAS, and a graphics card that does not. What is sent here is decoded pixels of the size
that the model wants, never a photo, its name or its metadata; nothing of it is kept.
"""
_EPILOG = """\
on the machine with the graphics card, once (NAME is how others reach it):
  mkdir -p ~/.config/imgvecd && cd ~/.config/imgvecd
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \\
    -keyout encode-key.pem -out encode-cert.pem -subj /CN=NAME -addext subjectAltName=DNS:NAME
  imgvecd encode-server --listen 0.0.0.0:8770 --tls-cert encode-cert.pem \\
    --tls-key encode-key.pem --token-file encode-token       # makes encode-token

on the machine with the photos, with copies of encode-cert.pem and encode-token (chmod 600), in
imgvecd.yaml:
  encode:
    remote: [{url: "https://NAME:8770", token_file: ~/.config/imgvecd/encode-token,
              ca_file: ~/.config/imgvecd/encode-cert.pem}]

The same as settings, for the service imgvecd-encode-server: `encode_server` in imgvecd.yaml. Both
machines need the same model: `imgvec status` says so where they differ. Over ssh instead of TLS:
--listen 127.0.0.1:8770 here, `ssh -L 8770:127.0.0.1:8770 NAME` there, url http://127.0.0.1:8770.
"""
_FLAGS = {
    "listen": "encode_server.listen",
    "tls_cert": "encode_server.tls_cert",
    "tls_key": "encode_server.tls_key",
    "token_file": "encode_server.token_file",
    "model": "encode_server.models",
}


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "encode-server",
        help="encode for imgvecd on other machines",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_flag(command)
    add = command.add_argument
    add(
        "--listen",
        metavar="ADDRESS:PORT",
        help="where; other than this machine's own addresses only with TLS and a token",
    )
    add("--tls-cert", metavar="FILE", help="certificate with its chain, PEM")
    add("--tls-key", metavar="FILE", help="its key, PEM, without a password")
    add(
        "--token-file",
        metavar="FILE",
        help="holds the token that clients need; made if it is missing",
    )
    add(
        "--model",
        metavar="NAME[=CHECKPOINT]",
        action="append",
        help="as the setting `model` says it, or NAME with a tag or file; can be repeated "
        "(default: the setting; for auto both models that it means)",
    )
    add_set_flag(command, "encode.device=cpu")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    os.umask(0o077)
    config = load_config(options, _FLAGS)
    start_logging(config.log_level)
    from imgvecd.wiring.encode_serving import serve_encoding  # noqa: PLC0415  # aiohttp, which other commands can do without

    return serve_encoding(config, _say_where)


def _say_where(url: str) -> None:
    say(f"imgvecd encode-server: {url}")
    flush()
