"""`imgvecd shared`: looks at the database that several machines share, and keeps it in order."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from imgvecd.cli.settings import add_flags, load_config
from imgvecd.client.reports import local_time
from imgvecd.core.sharing.refused_sources import RefusedSources
from imgvecd.core.sharing.source_identity import SourceIdentity
from imgvecd.terminal_output import counted, flush, say, warn

if TYPE_CHECKING:
    from imgvecd.config.schema import Config
    from imgvecd.core.sharing.vector_engine import SourceState

_EXIT_CODES = "Exit code 0: all is as it should be; 1: something differs; 2: error."


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command and its steps."""
    command = commands.add_parser(
        "shared",
        help="look at the database that several machines share",
        description="Look at the database that `shared.url` names, and keep it in order. Works"
        " beside a running daemon, and without one.",
    )
    steps = command.add_subparsers(metavar="STEP", required=True)
    step = steps.add_parser("status", help="list the sources that publish")
    step.set_defaults(run=status)
    add_flags(step)
    step = steps.add_parser(
        "verify",
        help="compare what is published with this library",
        description="Compare what the engine has of this library with the catalog, image by image,"
        " and measure how many of the ten best images searches find: all over, and with one in ten"
        f" allowed. What waits to be published counts as missing. {_EXIT_CODES}",
    )
    step.set_defaults(run=verify)
    add_flags(step)
    step = steps.add_parser(
        "forget",
        help="delete everything of a source",
        description="Delete everything that a source has published, as for a machine that is gone."
        " One that still runs publishes again. In PostgreSQL only the role that has published may"
        " do that, and the database's owner: `--url` says as whom.",
    )
    step.add_argument("source", metavar="SOURCE", help="name, number or UUID (`status` lists them)")
    _add_url(step)
    step.set_defaults(run=forget)
    add_flags(step)
    step = steps.add_parser(
        "believe",
        help="take vectors of a source again that was refused",
        description="Take vectors again of a source that was refused, since some were not what the"
        " model gives. It begins with comparing: a source that is still wrong is refused again."
        " Works beside a running daemon.",
    )
    step.add_argument("source", metavar="SOURCE", help="name, number or UUID (`status` lists them)")
    step.set_defaults(run=believe)
    add_flags(step)
    step = steps.add_parser(
        "init",
        help="make the tables, as the database's owner",
        description="Make the tables, or bring them up to date. Run it once as a role that owns the"
        " database, where those that publish may not make tables.",
    )
    _add_url(step)
    step.set_defaults(run=init)
    add_flags(step)


def _add_url(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--url",
        metavar="URL",
        help="connect so, instead of by shared.url and shared.password_file; a password comes from"
        " $PGPASSWORD or ~/.pgpass",
    )


def status(options: argparse.Namespace) -> int:
    """Print the sources."""
    from imgvecd.client.table import align  # noqa: PLC0415  # tabulate is slow to import
    from imgvecd.wiring.shared_library import opened_engine  # noqa: PLC0415  # numpy, SQLite

    config = load_config(options)
    with opened_engine(config) as engine:
        sources = engine.sources()
    if not sources:
        say("nobody has published yet")
        return 0
    own = SourceIdentity(config.state_path()).known_uuid()
    headers = ("number", "name", "role", "images", "vectors", "publishes", "last published")
    say(*align(headers, [_row(source, own) for source in sources]).splitlines())
    refused = RefusedSources(config.state_path()).all()
    for source in sources:
        if source.uuid in refused:
            say(
                f"{source.name}, number {source.number}, is refused: some of its vectors are not"
                f" what the model gives. `imgvecd shared believe {source.number}` has them compared"
                " again"
            )
    return 0


def verify(options: argparse.Namespace) -> int:
    """Compare, and measure."""
    from imgvecd.wiring.shared_library import SharedLibrary, opened_engine  # noqa: PLC0415  # SQLite

    config = load_config(options)
    with opened_engine(config) as engine:
        library = SharedLibrary(config, engine)
        try:
            checks = library.checks(library.own(engine.sources()).number)
            recall = library.recall()
        finally:
            library.close()
    for check in checks:
        say(
            f"{check.feed}: {check.images:,} images here, {check.missing:,} missing there,"
            f" {check.unwanted:,} too many"
        )
    asked = f"; {recall.queries} queries" if recall.queries else ""
    say(
        f"recall at 10: {recall.unfiltered:.3f}, with one image in ten allowed"
        f" {recall.filtered:.3f} ({recall.how}{asked})"
    )
    differs = any(check.missing or check.unwanted for check in checks)
    enough = recall.is_enough
    flush()
    warn("something differs" if differs else "all is there" if enough else "too much is missed")
    return 0 if enough and not differs else 1


def forget(options: argparse.Namespace) -> int:
    """Delete what a source has published."""
    from imgvecd.wiring.shared_library import opened_engine, source_named  # noqa: PLC0415  # SQLite

    with opened_engine(_config(options)) as engine:
        source = source_named(engine.sources(), options.source)
        count = engine.forget(source.number)
    say(f"forgot {source.name}: {counted(count, 'image')}")
    return 0


def believe(options: argparse.Namespace) -> int:
    """Refuse a source no more."""
    from imgvecd.wiring.shared_library import opened_engine, source_named  # noqa: PLC0415  # SQLite

    config = load_config(options)
    refusals = RefusedSources(config.state_path())
    uuid = name = options.source
    if uuid not in refusals.all():  # else the engine need not be there
        with opened_engine(config) as engine:
            source = source_named(engine.sources(), options.source)
        uuid, name = source.uuid, source.name
    if uuid not in refusals.all():
        say(f"{name} is not refused")
        return 0
    refusals.discard(uuid)
    say(f"vectors of {name} are taken again, once some were compared")
    return 0


def init(options: argparse.Namespace) -> int:
    """Make the tables."""
    from imgvecd.wiring.shared_library import opened_engine  # noqa: PLC0415  # SQLite

    with opened_engine(_config(options)) as engine:
        engine.prepare()
    say("the tables are there")
    return 0


def _config(options: argparse.Namespace) -> Config:
    """Return the configuration, with what `--url` says in it."""
    config = load_config(options)
    if not options.url:
        return config
    shared = msgspec.structs.replace(config.shared, url=options.url, password_file="")
    return msgspec.structs.replace(config, shared=shared)


def _row(source: SourceState, own: str | None) -> list[str]:
    return [
        str(source.number),
        f"{source.name} (this library)" if source.uuid == own else source.name,
        source.role,
        f"{source.images:,}",
        f"{sum(source.vectors.values()):,}",
        ", ".join(source.publishes),
        local_time(source.seen_at),
    ]
