"""The flags that override settings, shared by the commands that read the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from imgvecd.config.load import load
from imgvecd.config.schema import Config, expand
from imgvecd.errors import ConfigError
from imgvecd.server.peer_credentials import Admission

# Flag's destination → setting that it overrides.
_FLAGS = {
    "root": "roots",
    "socket": "server.socket",
    "state_dir": "state_dir",
    "model": "model",
    "pretrained": "model.pretrained",
}


def add_config_flag(command: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    command.add_argument(
        "--config", metavar="FILE", help="configuration file (default: the one `init` writes)"
    )


def add_set_flag(command: argparse.ArgumentParser, example: str) -> None:
    """Add `--set`, which overrides any setting."""
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"override any setting, such as {example}; can be repeated",
    )


def add_flags(command: argparse.ArgumentParser) -> None:
    """Add `--config` and the overrides."""
    add_config_flag(command)
    add = command.add_argument
    add("--root", metavar="DIR", action="append", help="watch DIR instead; can be repeated")
    add("--socket", metavar="FILE", help="socket to listen on")
    add("--state-dir", metavar="DIR", help="folder of catalog and index")
    add("--model", metavar="NAME", help="auto, imgvecd-mini, or any open_clip model")
    add("--pretrained", metavar="TAG", help="the model's weights: a tag, or a file")
    add_set_flag(command, "watch.settle_ms=200")


def add_state_flags(command: argparse.ArgumentParser) -> None:
    """Add what says which database is meant."""
    add_config_flag(command)
    command.add_argument(
        "--state-dir",
        metavar="DIR",
        help="folder of the database: the daemon's (default), or a `db_path` of the library",
    )


def state_dir(options: argparse.Namespace) -> str:
    """Return the folder that is meant."""
    if options.state_dir:
        return expand(options.state_dir)
    return load(options.config, {}).state_path()


def load_servable(options: argparse.Namespace) -> Config:
    """Return the effective configuration; refuse one that the daemon could not serve.

    Raises:
        ConfigError: no folder is to be watched, or `server.group` is unknown.
        ModelError: `model` names none, or a checkpoint that cannot be read.
    """
    # it imports numpy, which most commands do without
    from imgvecd.core.library.checkpoint_digests import no_digest  # noqa: PLC0415
    from imgvecd.core.library.model_choice import choose_model  # noqa: PLC0415

    config = load_config(options)
    if not config.roots:
        raise ConfigError(
            "No folder to watch: run `imgvecd init ~/Pictures`, or give `--root ~/Pictures`."
        )
    Admission(config.server.group)
    choose_model(config.model, no_digest)
    return config


def load_config(options: argparse.Namespace, flags: Mapping[str, str] = _FLAGS) -> Config:
    """Return the effective configuration under the command's flags.

    Args:
        flags: settings that flags override, by the flag's destination; beside them, `--set` does.
    """
    overrides = {key: getattr(options, flag) for flag, key in flags.items()}
    given = {key: value for key, value in overrides.items() if value is not None}
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"command line: --set {text}: expected KEY=VALUE.")
        given[key.strip()] = value
    return load(options.config, given)
