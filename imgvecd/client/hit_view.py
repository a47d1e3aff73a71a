"""Shows hits to a person: as a table, or as pictures; or says that nothing matches."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from imgvecd import api
from imgvecd.client.calls import read
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.client.output import Output
from imgvecd.client.terminal import PictureProtocol, picture_protocol, size
from imgvecd.errors import DaemonError
from imgvecd.terminal_output import counted


def show(
    daemon: DaemonConnection,
    request: api.SearchRequest,
    found: api.SearchResponse,
    hits: Sequence[api.Hit],
    output: Output,
    *,
    preview: PictureProtocol | bool,
) -> None:
    """Print `hits` for a person.

    Args:
        preview: show the pictures, in this way or as the terminal can.
    """
    output.lines(_understood(found))
    if not hits:
        nearest = len(found.nearest_hits)
        named = "The nearest is:" if nearest == 1 else f"The {nearest} nearest are:"
        output.lines([f"{_nothing(request, found)} {named if nearest else ''}".strip()])
        if nearest:
            output.table_of_files(*_table(request, found.nearest_hits), found.nearest_hits)
            output.lines(["--all shows what comes nearest anyway."])
        output.lines(_indexing(daemon, found))
        return
    headers, rows = _table(request, hits)
    if preview:
        protocol = picture_protocol(os.environ) if preview is True else preview
        _pictures(daemon, hits, rows, output, protocol)
    else:
        output.table_of_files(headers, rows, hits)
    output.lines([*_foot(request, found, hits), *_indexing(daemon, found)])


def why_nothing(
    daemon: DaemonConnection, request: api.SearchRequest, found: api.SearchResponse
) -> list[str]:
    """Return lines for who gets no hits and sees no more than these."""
    hint = " --all shows what comes nearest anyway." if found.nearest_hits else ""
    return [f"{_nothing(request, found)}{hint}", *_indexing(daemon, found)]


def in_words(search: api.SearchRequest) -> str:
    """Return what a search asks for, in short."""
    terms = " ".join(_short(term) for term in search.all_terms())
    fields = msgspec.to_builtins(search)
    choices = {**fields.pop("filters", {}), **fields}
    said = [
        f"{name}={_plain(value)}"
        for name, value in choices.items()
        if name not in {"text", "image", "terms"}
    ]
    return "  ".join([terms, *said])


def _plain(value: object) -> str:
    return ",".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _pictures(
    daemon: DaemonConnection,
    hits: Sequence[api.Hit],
    rows: Sequence[list[str]],
    output: Output,
    protocol: PictureProtocol,
) -> None:
    """Print a grid: each row of pictures with their rows of the table below it, as they come."""
    from imgvecd.client import preview  # noqa: PLC0415  # Pillow and numpy are slow to import

    beside = preview.per_row(size())
    for start in range(0, len(hits), beside):
        jpegs, lines = [], []
        for hit, row in zip(
            hits[start : start + beside], rows[start : start + beside], strict=True
        ):
            line = "  ".join(filter(None, [*row, _place(hit)]))
            if hit.source is not None:
                lines.append(f"{line}  (no picture: it is of another source)")
                continue
            try:
                url = f"/v1/images/{hit.id}/thumbnail?size={preview.thumbnail_size(protocol)}"
                jpegs.append(daemon.get(url))
                lines.append(line)
            except DaemonError as error:
                lines.append(f"{line}  (no picture: {error})")
        try:
            if jpegs:
                output.raw(preview.side_by_side(jpegs, protocol, size()))
        except OSError as error:
            lines.append(f"(no pictures: {error})")
        output.lines([*lines, ""])
        output.flush()


def _table(
    request: api.SearchRequest, hits: Sequence[api.Hit]
) -> tuple[list[str], list[list[str]]]:
    """Return (headers, rows), without the paths."""
    measured = any(_match(hit) for hit in hits)
    columns: dict[str, list[str]] = {}
    if measured and request.least_band() == "nearest":
        columns["band"] = [hit.band or "" for hit in hits]
    if measured:
        columns["match"] = [_match(hit) for hit in hits]
    if request.explain or not measured:  # one figure is enough, and that one means something
        columns["score"] = [f"{hit.score:.3f}" for hit in hits]
    columns["id"] = [str(hit.id) for hit in hits]
    columns["date"] = [(hit.taken_at or "")[:10] for hit in hits]
    if request.group is not None:
        columns["of"] = [str(hit.group_size) for hit in hits]
    if request.explain:
        for i, term in enumerate(request.all_terms()):
            columns[_short(term)] = [f"{hit.shares[i]:+.3f}" if hit.shares else "" for hit in hits]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _nothing(request: api.SearchRequest, found: api.SearchResponse) -> str:
    if not found.searched and request.filters != api.Filters():
        return "No indexed image passes the filters."
    if not found.searched and (said := found.understood) is not None:
        told = " there" if said.place_words else ""
        told += " at that time" if said.words else ""
        return f"No indexed image was taken{told}." if told else "No indexed image is left."
    if not found.searched:
        return "Nothing is indexed yet; `imgvec status` shows how far it is."
    weaker = f", {_count(found.weaker)} weaker" if found.weaker else ""
    return f"Nothing found among {counted(found.searched, 'image')}{weaker}."


def _foot(
    request: api.SearchRequest, found: api.SearchResponse, hits: Sequence[api.Hit]
) -> list[str]:
    """Return what the bands hold besides what is shown."""
    if not found.found + found.weaker:
        return []
    if hits and all(hit.band is None for hit in hits):  # too few images, or it is just starting
        rest = f" ({len(hits):,} shown: --limit N)" if len(hits) < found.found else ""
        images = "image" if found.found == 1 else "images"
        nearest = f"{_count(found.found)} {images}, nearest first{rest}"
        return [f"{nearest}; how well they fit cannot be told yet"]
    hint = ": --all" if found.weaker and request.least_band() != "nearest" else ""
    weaker = f"; {_count(found.weaker)} weaker{hint}" if found.weaker else ""
    shown = sum(hit.band == "found" for hit in hits)
    # a group stands for more than is shown
    rest = f" ({shown:,} shown: --limit N)" if shown < found.found and not request.group else ""
    return [f"{_count(found.found)} found{weaker}{rest}"]


def _indexing(daemon: DaemonConnection, found: api.SearchResponse) -> list[str]:
    """Return how much of the library can be found so far, while that is not all of it."""
    if not found.indexing:
        return []
    files = read(daemon.get("/v1/status"), api.Status).files
    if not files.pending:
        return []
    so_far = f"{files.indexed:,} of {files.seen - files.failed:,} files"
    return [f"So far {so_far} can be found; `imgvec status` shows how it goes on."]


def _understood(found: api.SearchResponse) -> list[str]:
    """Return how a person's words were taken."""
    said = found.understood
    if said is None:
        return []
    taken, hints = [], []
    if said.place is not None:
        near = "" if said.near is None else f"within {said.near[2]:g} km of "
        taken.append(f"{near or 'in '}{said.place}")
        hints.append("--no-places")
    if said.words:
        time = f"{said.taken_from or ''} to {said.taken_to or ''}".strip()
        taken.append(f"{time} ({said.words!r})" if said.taken_from or said.taken_to else said.words)
        hints.append("--no-dates")
    looked_for = repr(said.text) if said.text else "all"
    if taken:
        looked_for += f"{', taken' if said.text else ' that was taken'} {' '.join(taken)}"
    if said.without:
        looked_for += f", without {' and '.join(said.without)}"
        hints += ["--no-places"] if said.place_words and said.place is None else []
        hints += ["--no-names"] if said.name_words and not said.names else []
        hints += [] if said.place_words or said.name_words else ["--no-spelling"]
    if said.names:
        looked_for += f", {' and '.join(said.names)} first ({said.name_words!r})"
        hints.append("--no-names")
    if said.corrected:
        hints.append("--no-spelling")
    return [f"Understood as {looked_for}. {', '.join(dict.fromkeys(hints))}: as it was typed."]


def _count(images: int) -> str:
    return f"{images:,}" + ("+" if images >= api.MOST_COUNTED else "")


def _match(hit: api.Hit) -> str:
    if hit.matched is not None:
        return hit.matched
    return "" if hit.relevance is None else f"{hit.relevance:.0%}"


def _place(hit: api.Hit) -> str:
    also = f" (also in {', '.join(hit.also_in)})" if hit.also_in else ""
    return f"{hit.path} (offline){also}" if hit.offline else f"{hit.path}{also}"


def _short(term: api.Term) -> str:
    name = term.text or ("#" + str(term.id) if term.id is not None else "image")
    return f"{'-' if term.weight < 0 else '+'}{name[:12]}"
