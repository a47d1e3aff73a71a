"""The commands that search: `search`, `similar`, `watch`, `saved`, `label`."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Protocol, get_args

import msgspec

from imgvecd import api
from imgvecd.client import hit_outputs, hit_view, picture_page
from imgvecd.client.flag_types import fitting
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output
from imgvecd.client.search_flags import (
    LARGEST_PAGE,
    add_feedback_flags,
    add_filter_flags,
    add_limit_flag,
    add_query_flags,
    add_relevance_flags,
    add_result_flags,
    filters_of,
    request_of,
)
from imgvecd.client.terminal import PictureProtocol
from imgvecd.errors import BadRequestError, DaemonUnreachableError
from imgvecd.terminal_output import warn, write_lines

Run = Callable[[DaemonConnection, argparse.Namespace, Output], int]


class Add(Protocol):
    """Makes the parser of a command; `within` holds the actions of another one."""

    def __call__(
        self,
        name: str,
        help_: str,
        run: Run,
        within: Any = None,  # noqa: ANN401  # a private type of argparse
        /,
    ) -> argparse.ArgumentParser:
        """Return it."""
        ...


EXAMPLES = """\
  imgvec search "a dog on the beach at sunset"
  imgvec search "beach" +sunset -people @holiday.jpg "2:red car"
  imgvec search "cake" --taken "summer 2023" --folder ~/Pictures/family --order newest
  imgvec search "birthday last year in Berlin"     (times and places are understood)
  imgvec search "snow" -0 | xargs -0 cp -t album/
  imgvec search "red car" --html cars.html"""
EXIT_CODES = "exit codes: 0 something found, 1 nothing found, 2 an error, 130 interrupted"
"""Both for `--help`."""
_FOUND, _NONE = 0, 1
_CLOCK = re.compile(r"c:\w+:")  # as no time begins
_RECONNECT_S, _LONGEST_RECONNECT_S = 0.5, 30.0


def add_parsers(add: Add) -> None:
    """Add the commands, by a function that makes the parser of one."""
    command = add("search", "find photos by text, by example, or by both", search)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = f"examples:\n{EXAMPLES}\n\n{EXIT_CODES}\n"
    add_query_flags(command)
    _add_search_flags(command)
    command = add("similar", "find photos that look like one", search)
    command.add_argument("image", metavar="FILE", nargs="?", help="image file, `-` for stdin")
    command.add_argument("--id", type=fitting(api.Id), metavar="N", help="a stored image instead")
    add_feedback_flags(command)
    _add_search_flags(command)
    command = add("watch", "print every new photo that matches, as it comes", watch)
    add_query_flags(command)
    add_relevance_flags(command)
    add_filter_flags(command, "; or a clock, to be told of what came after it")
    command.add_argument(
        "--exec", nargs=argparse.REMAINDER, metavar="CMD", help="run for each; {} is the path"
    )
    _add_saved(add)
    command = add("label", "find the labels that fit photos best", label)
    command.add_argument(
        "ids", type=fitting(api.Id), nargs="*", metavar="ID", help="stored images; none: all"
    )
    command.add_argument("--labels", required=True, metavar="FILE", help="one label a line")
    command.add_argument("--template", default="a photo of {}", help='default: "a photo of {}"')
    command.add_argument(
        "--top", type=fitting(api.Top), default=3, metavar="N", help="labels (default: 3)"
    )
    command.add_argument(
        "--min-share", type=fitting(api.Share), metavar="X", help="0 to 1 (with --write-tags: 0.5)"
    )
    command.add_argument("--write-tags", action="store_true", help="add them to the photos' tags")
    add_filter_flags(command)


def search(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print the hits."""
    request = request_of(options)
    words = getattr(options, "text", [])
    if len(words) == 1 and os.path.isfile(words[0]):  # other programs take a file for a picture
        similar = f"`imgvec similar {shlex.quote(words[0])}`"
        warn(f"imgvec: searching for these words; by the picture: {similar}")
    if options.sync:
        daemon.post("/v1/sync", api.SyncRequest(timeout_s=options.timeout), options.timeout)
    return _show(daemon, request, options, output)


def watch(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print new matches until interrupted, across restarts of the daemon."""
    since, connected, wait_s = None, False, _RECONNECT_S
    if options.since and _CLOCK.match(options.since):
        since, options.since = options.since, None
    request = request_of(options)
    while True:
        url = "/v1/search/live" + (f"?since={urllib.parse.quote(since)}" if since else "")
        try:
            for kind, position, data in daemon.events(url, request):
                connected, wait_s, since = True, _RECONNECT_S, position
                if kind == "match":
                    _tell(read(data, api.Match), data, options, output)
        except DaemonUnreachableError as error:
            if not connected:
                raise
            warn(f"imgvec: {error} (trying again)")
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_RECONNECT_S)


def label(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Print the labels of each image, page by page."""
    request = api.ClassifyRequest(
        labels=_labels(options.labels),
        ids=tuple(options.ids),
        filters=filters_of(options),
        template=options.template,
        top=options.top,
        min_share=options.min_share,
        write_tags=options.write_tags,
    )
    code = _NONE
    while True:
        body = daemon.post("/v1/classify", request)
        page = read(body, api.ClassifyResponse)
        if output.json:
            output.answer(body)
        for image in [] if output.json else page.images:
            best = ", ".join(f"{one.label} {one.share:.0%}" for one in image.labels)
            output.lines([f"{image.path.path}: {best}"])
        code = _FOUND if page.images else code
        if page.next_after is None:
            return code
        request = msgspec.structs.replace(request, after=page.next_after)


def _add_search_flags(command: argparse.ArgumentParser) -> None:
    add_result_flags(command)
    add_filter_flags(command)
    command.add_argument(
        "--sync", action="store_true", help="first wait until everything on disk can be found"
    )
    command.add_argument(
        "--timeout",
        type=fitting(api.WaitSeconds),
        default=30.0,
        metavar="S",
        help="with --sync: seconds to wait at most (default: 30)",
    )
    _add_output_flags(command)


def _add_output_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("-0", "--null", action="store_true", help="end each path with NUL")
    command.add_argument("--jsonl", action="store_true", help="one hit a line, as JSON")
    command.add_argument("--csv", action="store_true", help="one hit a line, as CSV")
    command.add_argument(
        "--preview", action="store_true", help="show the pictures, as well as the terminal can"
    )
    command.add_argument(
        "--preview-with",
        dest="preview",
        choices=get_args(PictureProtocol),
        help="the same, in the way that this terminal can (usually found out)",
    )
    command.add_argument("--html", metavar="FILE", help="write the hits as a page of pictures")
    command.add_argument("--link-to", metavar="DIR", help="put symbolic links to the hits into DIR")
    command.add_argument(
        "--copy", action="store_true", help="with --link-to: copies instead of links"
    )
    command.add_argument("--open", action="store_true", help="open the hits in a viewer")


def _add_saved(add: Add) -> None:
    saved = add("saved", "list saved searches, and keep and run them", _list_saved)
    actions = saved.add_subparsers(metavar="ACTION")
    add("list", "list saved searches", _list_saved, actions)
    command = add("add", "save a search under a name", _add_one, actions)
    command.add_argument("name", help="its name")
    add_query_flags(command)
    add_result_flags(command)
    add_filter_flags(command)
    command = add("run", "run a saved search", _run_saved, actions)
    command.add_argument("name", help="its name")
    add_limit_flag(command, None)
    _add_output_flags(command)
    command = add("rm", "drop a saved search", _drop_saved, actions)
    command.add_argument("name", help="its name")


def _list_saved(daemon: DaemonConnection, _options: argparse.Namespace, output: Output) -> int:
    body = daemon.get("/v1/saved")
    saved = read(body, api.SavedSearches).saved
    if output.json:
        output.answer(body)
    elif output.people and saved:
        output.table(
            ("name", "search"), [(one.name, hit_view.in_words(one.search)) for one in saved]
        )
    elif output.people:
        output.lines(
            [
                (
                    "There are no saved searches. Save one: `imgvec saved add NAME`, then what"
                    " `imgvec search` takes."
                )
            ]
        )
    else:
        output.lines([one.name for one in saved])
    return _FOUND if saved else _NONE


def _add_one(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    body = daemon.put(_saved_url(options.name), request_of(options))
    if output.json:
        output.answer(body)
    else:
        output.lines([f"saved {options.name}"])
    return _FOUND


def _run_saved(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    for saved in read(daemon.get("/v1/saved"), api.SavedSearches).saved:
        if saved.name == options.name:
            options.limit = options.limit or saved.search.limit
            search = msgspec.structs.replace(saved.search, limit=min(options.limit, LARGEST_PAGE))
            return _show(daemon, search, options, output)
    raise BadRequestError(f"there is no saved search {options.name!r}")


def _drop_saved(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    body = daemon.delete(_saved_url(options.name))
    if output.json:
        output.answer(body)
    else:
        output.lines([f"dropped {options.name}"])
    return _FOUND


def _saved_url(name: str) -> str:
    return "/v1/saved/" + urllib.parse.quote(name, safe="")


def _show(
    daemon: DaemonConnection,
    request: api.SearchRequest,
    options: argparse.Namespace,
    output: Output,
) -> int:
    people = output.people and not options.jsonl and not options.csv
    if options.preview and not people:
        raise BadRequestError("--preview shows pictures on a terminal; leave out the other form.")
    if options.copy and options.link_to is None:
        raise BadRequestError("--copy needs --link-to DIR: copies are put there instead of links.")
    body = daemon.post("/v1/search", request)
    found = read(body, api.SearchResponse)
    every = list(found.hits) if output.json else _every_hit(daemon, request, found, options.limit)
    for note in [] if output.json else found.notes:
        warn(f"imgvec: {note}")
    # "weaker" hits are for those who see the band beside them
    hits = every if request.least_band() == "nearest" else [h for h in every if h.band != "weaker"]
    if not hits and not people and not output.json:
        warn(*(f"imgvec: {line}" for line in hit_view.why_nothing(daemon, request, found)))
    if output.json:
        output.answer(body)
    elif options.jsonl:
        for hit in every:
            output.json_line(msgspec.json.encode(hit))
    elif options.csv:
        write_lines(hit_outputs.csv_lines(every))
    elif people:
        hit_view.show(daemon, request, found, hits, output, preview=options.preview)
    else:
        output.paths([api.Path(hit.path, hit.path_base64) for hit in hits])
    _pass_to_outputs(daemon, request, options, hits, every)
    return _FOUND if hits else _NONE


def _pass_to_outputs(
    daemon: DaemonConnection,
    request: api.SearchRequest,
    options: argparse.Namespace,
    hits: list[api.Hit],
    every: list[api.Hit],
) -> None:
    """Do what is to be done with the hits besides printing them; `every` has weaker ones, too."""
    if options.link_to is not None:
        hit_outputs.link(hits, options.link_to, copy=options.copy)
    if options.html is not None:
        title = ", ".join(term.text or "a picture" for term in request.all_terms())
        picture_page.write(options.html, title, picture_page.of_hits(daemon, every))
    if options.open:
        hit_outputs.open_in_viewer(hits)


def _every_hit(
    daemon: DaemonConnection, request: api.SearchRequest, page: api.SearchResponse, limit: int
) -> list[api.Hit]:
    """Return up to `limit` hits: those of a first page, and of further ones as needed."""
    hits = list(page.hits)
    while page.next_cursor and len(hits) < limit:
        more = min(limit - len(hits), LARGEST_PAGE)
        request = msgspec.structs.replace(request, cursor=page.next_cursor, limit=more)
        page = read(daemon.post("/v1/search", request), api.SearchResponse)
        hits += page.hits
    return hits


def _tell(match: api.Match, data: bytes, options: argparse.Namespace, output: Output) -> None:
    path = api.Path(match.hit.path, match.hit.path_base64)
    if output.json:
        output.json_line(data)
    else:
        output.paths([path])
    output.flush()
    if options.exec:
        raw = path.raw()
        command = [part.encode(errors="surrogateescape") for part in options.exec]
        filled = [part.replace(b"{}", raw) for part in command]
        subprocess.run(filled if filled != command else [*command, raw], check=False)


def _labels(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8") as file:
            labels = tuple(line.strip() for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequestError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not labels:
        raise BadRequestError(f"{path} has no labels: write one a line")
    return labels
