"""Where Milvus is, as whom, and how the connection is encrypted: from `shared.url`."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from imgvecd.adapters.engine_access import is_this_machine, password_in, password_in_url
from imgvecd.errors import ConfigError

_PORT = 19530
_TLS = {  # as the URL calls them, and pymilvus
    "ca": "server_pem_path",
    "server_name": "server_name",
}


def parameters(url: str, password_file: str) -> dict[str, Any]:
    """Return what `MilvusClient` is made with.

    Args:
        url: "https://USER@HOST:19530/DATABASE?ca=FILE&server_name=NAME"; all but the host may be
            missing.

    Raises:
        ConfigError: the URL is none, or has a password in it; or a file cannot be read, or its
            password by others.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise ConfigError(f"shared.url: {error}.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("shared.url: expected https://USER@HOST:19530 for Milvus.")
    if parts.password is not None:
        raise password_in_url()
    is_encrypted = parts.scheme == "https"
    for name in options:
        if name not in _TLS or not is_encrypted:
            known = ", ".join(_TLS) if is_encrypted else "none with http"
            raise ConfigError(f"shared.url: {name}: no such option (there are: {known}).")
    if "ca" in options:
        options["ca"] = os.path.expanduser(options["ca"])
        if not os.access(options["ca"], os.R_OK):
            raise ConfigError(f"shared.url: ca: {options['ca']} cannot be read.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    token = ""
    if password_file:
        token = f"{unquote(parts.username or 'root')}:{password_in(password_file)}"
    return {
        "uri": f"{parts.scheme}://{host}:{port}",
        "token": token,
        "db_name": unquote(parts.path.strip("/")),
        "secure": is_encrypted,
        **{_TLS[name]: value for name, value in options.items()},
    }


def user_in(url: str) -> str:
    """Return as whom a URL connects."""
    return unquote(urlsplit(url).username or "")


def encryption_warning(url: str) -> str | None:
    """Return what to say of a connection that others could listen to or answer; None if none."""
    parts = urlsplit(url)
    if parts.scheme == "https" or is_this_machine(parts.hostname or ""):
        return None
    return "shared.url: with http others can read along and pose as the engine: with https not"
