"""The commands of `imgvec`: each asks the daemon once (or page by page) and prints the answer."""

from __future__ import annotations

import argparse
import urllib.parse
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from imgvecd import api
from imgvecd.asked_files import asked_for
from imgvecd.client import (
    completions,
    desktop_commands,
    duplicates_command,
    image_refs,
    metadata_commands,
    pause_commands,
    reports,
    search_flags,
    searching,
)
from imgvecd.client.flag_types import fitting
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output
from imgvecd.command_hints import runnable
from imgvecd.terminal_output import counted, warn

T = TypeVar("T")
Run = Callable[[DaemonConnection, argparse.Namespace, Output], int]

_FOUND, _NONE = 0, 1
# Big enough to make requests rare, small enough that the first lines come at once.
_PAGE = 500
_HEALTHY_S = 10.0  # a daemon that takes longer to answer does not work
_SHORTEST_S = 0.1  # between two looks at the status: more often is no use to anybody


def add_parsers(subparsers: Any, shared: argparse.ArgumentParser) -> None:  # noqa: ANN401  # private type
    """Add every command; `shared` holds the flags that all have."""

    def add(
        name: str,
        help_: str,
        run: Run,
        within: Any = None,  # noqa: ANN401  # see above
        /,
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = (within or subparsers).add_parser(
            name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.", parents=[shared]
        )
        command.set_defaults(run=run)
        return command

    searching.add_parsers(add)
    command = add("sync", "wait until everything on disk now can be found", sync)
    _add_timeout_flag(command)
    command = add("status", "show what the daemon is doing", status)
    command.add_argument("--watch", action="store_true", help="keep showing it until Ctrl-C")
    command.add_argument(
        "--interval",
        type=_interval,
        default=1.0,
        metavar="S",
        help="seconds between two looks (default: 1)",
    )
    add("stats", "show what the library holds", _reporting("/v1/stats", api.Stats, reports.stats))
    add(
        "health",
        "show whether the daemon works (exit code 0), works badly (1), or not at all (2)",
        _reporting("/v1/health", api.Health, reports.health, reports.health_code),
    ).set_defaults(answer_s=_HEALTHY_S)
    command = add("images", "list every image, or those that pass filters", images)
    command.add_argument(
        "--after", type=fitting(api.AfterId), default=-1, metavar="N", help="only ids above N"
    )
    search_flags.add_limit_flag(command, None)
    _add_null_flag(command)
    search_flags.add_filter_flags(command)
    command = add(
        "duplicates",
        "find duplicates: pictures that are there twice",
        duplicates_command.duplicates,
    )
    duplicates_command.add_flags(command)
    command = add("failures", "list the files that cannot be searched, and why", failures)
    _add_null_flag(command)
    add("retry", "try every failure again", _acting("/v1/retry"))
    command = add(
        "forget", "forget what is known of pictures long gone, and old query texts", forget
    )
    command.add_argument(
        "--older-than",
        dest="older_than_s",
        type=pause_commands.seconds,
        metavar="TIME",
        help="gone, or not asked for, since TIME, such as 30d (default: `catalog.keep_days`)",
    )
    command = add("rescan", "compare the folders with the index, now and in full", rescan)
    command.add_argument(
        "path",
        nargs="?",
        help="only this folder; a root or disk that is offline there is accepted as it is now",
    )
    desktop_commands.add_parsers(add)
    pause_commands.add_parsers(add)
    _add_move(add)
    metadata_commands.add_parsers(add)
    image_refs.add_image(add("show", "show one stored image", show))
    command = add("mcp", "serve an assistant that speaks the Model Context Protocol, on stdio", mcp)
    command.add_argument(
        "--write", action="store_true", help="let it set tags and your own values, too"
    )


def mcp(_daemon: DaemonConnection, options: argparse.Namespace, _output: Output) -> int:
    """Serve an assistant until it hangs up; the daemon may start later."""
    from imgvecd.client.mcp import stdio  # noqa: PLC0415  # not for every start

    return stdio.run(options)


def _add_move(add: Callable[..., argparse.ArgumentParser]) -> None:
    move = add("move", "stop or resume the move to another model", _acting("/v1/move/resume"))
    actions = move.add_subparsers(metavar="ACTION", required=True)
    stop = "stay on the model that answers now; what the other has encoded is kept"
    add("stop", stop, _acting("/v1/move/stop"), actions)
    add("resume", "resume a move that was stopped", _acting("/v1/move/resume"), actions)
    command = add("completions", "print completions for a shell", print_completions)
    completions.add_shell(command, "imgvec")


def print_completions(
    _daemon: DaemonConnection, options: argparse.Namespace, output: Output
) -> int:
    """Print what a shell needs; the daemon is not asked."""
    output.raw(completions.script(options.program, options.shell).encode() + b"\n")
    return _FOUND


def status(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print what the daemon is doing, once or until interrupted."""
    if options.watch:
        from imgvecd.client import live_status  # noqa: PLC0415  # not for every start

        return live_status.watch(daemon, options.interval, output)
    return _reporting("/v1/status", api.Status, reports.status)(daemon, options, output)


def sync(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Wait for the freshness barrier."""
    body = daemon.post("/v1/sync", api.SyncRequest(timeout_s=options.timeout), options.timeout)
    return _clock(body, "Everything that is on disk now can be found.", output)


def rescan(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Have everything, or one folder, compared with the disk."""
    body = daemon.post("/v1/rescan", api.RescanRequest.of(options.path))
    return _clock(body, "The folders were compared with the index.", output)


def _clock(body: bytes, done: str, output: Output) -> int:
    """Print the clock for programs, and for people what was done."""
    if output.json:
        output.answer(body)
    else:
        output.lines([done if output.people else read(body, api.Done).clock])
    return _FOUND


def images(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print every image that passes, page by page; as JSON, or for people, one image a line."""
    after, left, code = options.after, options.limit, _NONE
    filters = search_flags.filters_of(options)
    passing = {"filters": msgspec.json.encode(filters)} if filters != api.Filters() else {}
    while left is None or left > 0:
        size = _PAGE if left is None else min(left, _PAGE)
        query = urllib.parse.urlencode({"after": after, "limit": size, **passing})
        page = read(daemon.get(f"/v1/images?{query}"), api.ImageList)
        for image in page.images:
            if output.json:
                output.answer(msgspec.json.encode(image))
            elif output.people:
                output.lines([_in_short(image)])
            else:
                files = asked_for(image.files, filters) or image.files
                output.paths([api.Path(file.path, file.path_base64) for file in files])
            code = _FOUND
        if page.next_after is None:
            break
        after = page.next_after
        left = None if left is None else left - len(page.images)
    if code == _NONE and not output.json:
        warn(f"imgvec: {'No image passes the filters' if passing else 'There are no images'}.")
    return code


def _in_short(image: api.Image) -> str:
    # aligned without knowing what comes: ids of millions of images fit
    first, *others = image.files
    more = f" (and {len(others):,} more)" if others else ""
    return f"{image.id:>7}  {(image.taken_at or '')[:10]:10}  {first.path}{more}"


def show(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print what is known of an image."""
    options.id = image_refs.image_id(daemon, options.id)
    return _reporting("/v1/images/{id}", api.Image, reports.image)(daemon, options, output)


def failures(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:  # noqa: ARG001  # as commands are called
    """Print every failure, page by page: a table, or paths on a pipe; as JSON one a line."""
    after, code = -1, _NONE
    rows: list[tuple[str, ...]] = []
    while True:
        page = read(daemon.get(f"/v1/failures?after={after}&limit={_PAGE}"), api.FailureList)
        for failure in page.failures:
            code = _FOUND
            if output.json:
                output.answer(msgspec.json.encode(failure))
            elif output.people:
                rows.append((failure.reason, failure.path, runnable(failure.message)))
            else:
                output.paths([api.Path(failure.path, failure.path_base64)])
        if page.next_after is None:
            break
        after = page.next_after
    if rows:
        output.table(("reason", "path", "message"), rows)
    if code == _NONE and not output.json:
        warn("imgvec: There are no failures.")
    return code


def forget(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Have the daemon forget; say how much."""
    body = daemon.post("/v1/forget", api.ForgetRequest(older_than_s=options.older_than_s))
    if output.json:
        output.answer(body)
        return _FOUND
    forgotten = read(body, api.Forgotten)
    pictures = counted(forgotten.images, "picture")
    texts = counted(forgotten.texts, "query text")
    output.lines([f"forgot {pictures} no longer there and {texts}"])
    return _FOUND


def _acting(url: str) -> Run:
    """Return a command that has something done and says what."""

    def run(daemon: DaemonConnection, _options: argparse.Namespace, output: Output) -> int:
        body = daemon.post(url, api.Empty())
        if output.json:
            output.answer(body)
        else:
            output.lines([read(body, api.Done).done])
        return _FOUND

    return run


def _reporting(
    url: str,
    shape: type[T],
    describe: Callable[[T], list[str]],
    code: Callable[[T], int] = lambda _: _FOUND,
) -> Run:
    """Return a command that prints one answer; `url` may name options in braces."""

    def run(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
        body = daemon.get(url.format_map(vars(options)))
        answer = read(body, shape)
        if output.json:
            output.answer(body)
        else:
            output.lines(describe(answer))
        return code(answer)

    return run


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds >= _SHORTEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {_SHORTEST_S}")
    return seconds


def _add_timeout_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=fitting(api.WaitSeconds),
        default=30.0,
        metavar="S",
        help="seconds to wait (default: 30)",
    )


def _add_null_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("-0", "--null", action="store_true", help="end each path with NUL")
