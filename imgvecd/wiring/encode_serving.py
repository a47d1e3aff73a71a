"""The encode server from a configuration: its encoders, its socket, its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web

from imgvecd.config import paths
from imgvecd.config.schema import (
    Config,
    EncodeServerSection,
    ModelConfig,
    expand,
    is_loopback,
    split_listen,
)
from imgvecd.core.files.token_file import read_token
from imgvecd.core.library.model_choice import ModelChoice, choose_model, plan_models
from imgvecd.core.timing.retrying import Retrying
from imgvecd.errors import ConfigError, ModelError
from imgvecd.heard_signals import hearing_the_end
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.remote.bounded_listener import BoundedListener
from imgvecd.remote.encode_app import EncodeApp
from imgvecd.wiring.parts import make_encoder, text_tower_path

logger = logging.getLogger(__name__)

_SECTION = "encode_server"
_DRAIN_S = 5.0  # for requests under way, once it is told to stop


def serve_encoding(config: Config, on_listening: Callable[[str], None]) -> int:
    """Encode for other machines until told to stop; return the exit code.

    Args:
        on_listening: told the URL once clients can connect.

    Raises:
        ConfigError: it may not or cannot listen as `encode_server` says.
        ModelError: no model can be had.
    """
    section = config.encode_server
    host, port = _address(section)
    _require_protection(section, host)
    token = ""
    if section.token_file:
        token = read_token(expand(section.token_file), f"{_SECTION}.token_file")
    context = _tls(section)
    encoders = {
        choice: make_encoder(choice, config, paths.encoders_dir()) for choice in _choices(config)
    }
    server = _EncodeServer(encoders, EncodeApp(token), context, on_listening)
    return asyncio.run(server.run(host, port))


class _EncodeServer:
    """Learns what its models are, and listens from the first one on."""

    def __init__(
        self,
        encoders: dict[ModelChoice, SplitEncoder],
        app: EncodeApp,
        context: ssl.SSLContext | None,
        on_listening: Callable[[str], None],
    ) -> None:
        self._encoders = encoders
        self._app = app
        self._context = context
        self._on_listening = on_listening
        self._learnt = asyncio.Event()
        self._failed: list[ModelError] = []

    async def run(self, host: str, port: int) -> int:
        with hearing_the_end(signal.SIGTERM, signal.SIGINT) as told:
            serving = asyncio.create_task(self._serve(await _bind(host, port)))
            either: set[asyncio.Future[Any]] = {serving, told}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    serving.result()
            finally:
                serving.cancel()
                await asyncio.wait({serving})
                await asyncio.gather(*(encoder.close() for encoder in self._encoders.values()))
        return 0

    async def _serve(self, bound: socket.socket) -> None:
        with bound:
            learning = [asyncio.create_task(self._learn(choice)) for choice in self._encoders]
            runner = web.AppRunner(
                self._app.application(), handler_cancellation=True, shutdown_timeout=_DRAIN_S
            )
            listener = None
            try:
                await self._one_offered()
                await runner.setup()
                assert runner.server is not None  # noqa: S101  # it is set up
                listener = BoundedListener(bound, runner.server, self._context)
                self._on_listening(_url(bound, self._context))
                await asyncio.gather(*learning)
                await asyncio.Event().wait()
            finally:
                if listener is not None:
                    listener.close()
                for task in learning:
                    task.cancel()
                await runner.cleanup()

    async def _one_offered(self) -> None:
        """Return once there is a model to offer.

        Raises:
            ModelError: there is none.
        """
        while not self._app.models:
            if len(self._failed) == len(self._encoders):
                raise self._failed[0]
            self._learnt.clear()
            await self._learnt.wait()

    async def _learn(self, choice: ModelChoice) -> None:
        """Offer a model, later if it cannot be had now: the network may be down."""
        try:
            await self._offer(choice)
        except ModelError as error:
            logger.warning("%s", error)
            self._failed.append(error)
            self._learnt.set()
            await Retrying(ModelError, first_s=60, level=logging.INFO).call(self._offer, choice)
        self._learnt.set()

    async def _offer(self, choice: ModelChoice) -> None:
        encoder = self._encoders[choice]
        tower = text_tower_path(choice, paths.encoders_dir())
        logger.info("%s is being loaded, to learn what it is", choice.name)
        self._app.offer(await encoder.info(), encoder, tower)
        logger.info("%s is offered", choice.name)


def _choices(config: Config) -> list[ModelChoice]:
    """Return the models to offer; for `auto` both that a daemon uses.

    Raises:
        ModelError: one is none.
    """
    found: list[ModelChoice] = []
    settings: list[str | ModelConfig] = [_model(text) for text in config.encode_server.models]
    for setting in settings or [config.model]:
        if setting == "auto":
            found += filter(None, plan_models(setting, None, precision=config.encode.precision))
        else:
            found.append(choose_model(setting, precision=config.encode.precision))
    return list({choice.fingerprint: choice for choice in found}.values())


def _model(text: str) -> str | ModelConfig:
    name, equals, pretrained = text.partition("=")
    return ModelConfig(name=name, pretrained=pretrained) if equals else text


def _address(section: EncodeServerSection) -> tuple[str, int]:
    try:
        return split_listen(section.listen)
    except ValueError as error:
        raise ConfigError(
            f"{_SECTION}.{error}: `imgvecd encode-server --listen 127.0.0.1:8770`"
        ) from error


def _require_protection(section: EncodeServerSection, host: str) -> None:
    """Refuse to listen for other machines in the clear, or for everybody on them."""
    missing = [
        flag
        for flag, given in (
            ("--tls-cert", section.tls_cert),
            ("--tls-key", section.tls_key),
            ("--token-file", section.token_file),
        )
        if not given
    ]
    if missing and not is_loopback(host):
        raise ConfigError(
            f"{_SECTION}.listen: other machines can reach {host}, so {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} needed; `imgvecd encode-server --help` shows "
            "how to make them."
        )
    if bool(section.tls_cert) != bool(section.tls_key):
        raise ConfigError(f"{_SECTION}: tls_cert and tls_key are needed together.")


def _tls(section: EncodeServerSection) -> ssl.SSLContext | None:
    if not section.tls_cert:
        return None
    cert, key = expand(section.tls_cert), expand(section.tls_key)
    for name, path in (("tls_cert", cert), ("tls_key", key)):
        try:
            mode = os.stat(path).st_mode
            with open(path, "rb"):
                pass
        except OSError as error:
            raise ConfigError(f"{_SECTION}.{name}: {path}: {error.strerror}.") from error
        if name == "tls_key" and mode & 0o007:
            raise ConfigError(
                f"{_SECTION}.tls_key: everybody can read {path}; run `chmod 600 {path}`."
            )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def no_password() -> str:
        raise ConfigError(f"{_SECTION}.tls_key: {key} needs a password; one without is expected.")

    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ConfigError(
            f"{_SECTION}: {cert} and {key} do not belong together: {reason}."
        ) from error
    return context


async def _bind(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        with contextlib.ExitStack() as stack:
            stack.callback(bound.close)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            stack.pop_all()
    except OSError as error:
        raise ConfigError(
            f"{_SECTION}.listen: cannot listen on {host} port {port}: {error.strerror}."
        ) from error
    return bound


def _url(bound: socket.socket, context: ssl.SSLContext | None) -> str:
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if bound.family == socket.AF_INET6 else host
    return f"{'https' if context else 'http'}://{shown}:{port}"
