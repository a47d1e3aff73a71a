"""What a reload puts in force in a running daemon."""

from __future__ import annotations

import logging
import os

import msgspec

from imgvecd.config.schema import Config, RootConfig
from imgvecd.core.watch.inclusion_rules import links_followed
from imgvecd.spelling import on_disk
from imgvecd.wiring.assembly import Assembly

logger = logging.getLogger(__name__)

RELOADED = {"roots", "exclude", "watch", "indexing", "duplicates"}
"""Settings that a reload puts in force; the others are read at the start."""


def reloaded(running: Config, new: Config) -> Config:
    """Return what is in force once `new` was read: the rest stays as it runs."""
    changed = {name: getattr(new, name) for name in RELOADED}
    return msgspec.structs.replace(running, **changed)


def awaiting_restart(running: Config, new: Config) -> tuple[str, ...]:
    """Return the settings, by name, that a reload cannot put in force."""
    names = (name for name in Config.__struct_fields__ if name not in RELOADED)
    changed = tuple(name for name in names if getattr(running, name) != getattr(new, name))
    if changed:
        logger.warning("%s: in force after a restart only", ", ".join(changed))
    return changed


def use_roots(assembly: Assembly, config: Config) -> dict[int, RootConfig]:
    """Make the configured folders the roots; return their settings by id."""
    known = {row.path for row in assembly.catalog.files.roots()}
    configs = {}
    for root in config.root_configs():
        path = on_disk(os.fsencode(root.path), known)
        configs[path] = msgspec.structs.replace(root, path=os.fsdecode(path))
    rows = assembly.catalog.files.set_roots(list(configs))
    assembly.engine.use_roots(rows)
    assembly.opener.use_roots({path: links_followed(root) for path, root in configs.items()})
    return {row.id: configs[row.path] for row in rows}
