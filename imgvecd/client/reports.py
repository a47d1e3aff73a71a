"""Answers as lines of text for people."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

import msgspec

from imgvecd import api
from imgvecd.client import pause_commands

LABEL_WIDTH = 10
_SOURCE = "taken_at_source"  # shown beside the time
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_KILO = 1000


def status(answer: api.Status) -> list[str]:
    """Return what the daemon is doing."""
    model, files, index = answer.model, answer.files, answer.index
    state = answer.state if answer.pause is None else "paused"
    lines = [
        _line("imgvecd", f"{answer.version}, {state}, since {local_time(answer.started_at)}"),
        _line(
            "files",
            f"{files.seen:,} seen, {files.indexed:,} indexed, {files.pending:,} pending, "
            f"{files.failed:,} failed{' (`imgvec failures` says why)' if files.failed else ''}",
        ),
    ]
    if files.pending:
        lines.append(_line("progress", _progress(answer)))
    loaded = "in memory" if model.loaded else "not in memory"
    lines.append(_line("model", f"{model.name} {model.pretrained}".rstrip() + f", {loaded}"))
    speed = f"{model.runs_on}: {model.ms_per_image:g} ms an image, {model.images_per_step} at once"
    lines += [_line("", speed)] if model.images_per_step else []
    lines += [_line("", text) for text in (model.runtime_note, model.note, model.error) if text]
    if answer.pause is not None:
        lines.append(_line("paused", answer.pause.reason))
        command = pause_commands.resume_command(answer.pause)
        lines.append(_line("", f"{command} resumes indexing"))
    if answer.move is not None:
        lines.append(_line("move", _move(answer.move)))
    building = ", rebuilding" if index.rebuilding else ""
    lines.append(_line("index", f"{index.vectors:,} vectors, {index.kind}{building}"))
    lines += [line for server in answer.encode_servers for line in _encode_server(server)]
    if answer.shared is not None:
        lines += _shared(answer.shared)
    if answer.rereading:
        lines.append(_line("metadata", f"{answer.rereading:,} images are read again, once"))
    if answer.texts_waiting:
        lines.append(_line("text", f"of {answer.texts_waiting:,} images is still to be read"))
    sandboxes = [
        f"{of}: {', '.join(sandbox)}"
        for of, sandbox in (
            ("decoders", answer.sandbox),
            ("encoder", answer.encoder_sandbox),
            ("text", answer.recogniser_sandbox),
        )
        if sandbox
    ]
    lines += [_line("" if i else "sandbox", text) for i, text in enumerate(sandboxes)]
    lines += [line for root in answer.roots for line in _root(root)]
    lines += [_line("warning", text) for text in answer.warnings]
    return lines


def _shared(shared: api.SharedStatus) -> list[str]:
    waiting = f"{shared.waiting:,} images wait" if shared.waiting else "all is published"
    taken = f", {shared.vectors_taken:,} not encoded here" if shared.vectors_taken else ""
    lines = [_line("shared", f"as {shared.source} on {shared.engine}: {waiting}{taken}")]
    if shared.sources_refused:
        uuids = ", ".join(shared.sources_refused)
        lines.append(_line("", f"nothing is taken from source {uuids}: wrong vectors"))
    return lines


def _move(move: api.MoveStatus) -> str:
    if move.stopped:
        return f"{move.name}: stopped; `imgvec move resume` goes on"
    if move.to_fetch_mb:
        return f"{move.name}: {move.to_fetch_mb} MB wait for your yes: `imgvec move resume`"
    if move.error:
        reason = move.error.partition(". ")[0]  # the rest is in the log and in --json
        told = reason if reason.startswith(move.name) else f"{move.name}: {reason}"
        again = move.next_try_at and local_time(move.next_try_at).partition(" ")[2]
        return f"{told}; next try {again}" if again else told
    if not move.indexed and not move.pending:
        return f"{move.name}: {move.loading or 'it is fetched next'}"
    return f"{move.name}, {move.indexed:,} of {move.indexed + move.pending:,} files"


def stats(answer: api.Stats) -> list[str]:
    """Return what the library holds."""
    formats = sorted(answer.formats.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        _line("images", f"{answer.images:,} in {answer.files:,} files, {size(answer.size_bytes)}"),
        _line("formats", ", ".join(f"{count:,} {name}" for name, count in formats) or "none"),
        _line("encoded", f"{answer.embeddings:,}"),
        _line("failures", f"{answer.failures:,}"),
        _line("catalog", size(answer.catalog_bytes)),
        _line("index", size(answer.index_bytes)),
    ]
    if answer.oldest_taken_at and answer.newest_taken_at:
        lines.append(_line("taken", f"{answer.oldest_taken_at} to {answer.newest_taken_at}"))
    return lines


def health(answer: api.Health) -> list[str]:
    """Return the verdict and its reasons."""
    return [answer.status, *answer.reasons]


def health_code(answer: api.Health) -> int:
    """Return the exit code that says the same."""
    return 0 if answer.status == "ok" else 1


def image(answer: api.Image) -> list[str]:
    """Return everything about one image."""
    lines = [_line("id", str(answer.id)), _line("hash", answer.hash)]
    for file in answer.files:
        offline = " (offline)" if file.offline else ""
        lines.append(_line("file", file.path + offline))
        lines.append(_line("", f"{size(file.size_bytes)}, modified {local_time(file.modified_at)}"))
    lines += [_line(companion.kind, companion.path) for companion in answer.companions]
    if answer.format:
        lines.append(_line("format", f"{answer.format}, {answer.width} x {answer.height}"))
    if answer.truncated:
        lines.append(_line("truncated", "the file ends early; the rest of the picture is missing"))
    if answer.taken_at:
        source = answer.metadata.get(_SOURCE)
        lines.append(_line("taken", f"{answer.taken_at} ({source})" if source else answer.taken_at))
    lines.append(
        _line("indexed", "yes" if answer.indexed else f"no: {answer.failure or 'pending'}")
    )
    lines += [
        _line("" if i else "text", text) for i, text in enumerate((answer.text or "").splitlines())
    ]
    facts = {name: answer.metadata[name] for name in sorted(answer.metadata.keys() - {_SOURCE})}
    lines += _facts(facts)
    if answer.user_metadata:
        lines.append("yours")
        lines += [f"  {line}" for line in _facts(dict(sorted(answer.user_metadata.items())))]
    return lines


def _facts(facts: Mapping[str, object]) -> list[str]:
    width = max(map(len, facts), default=0)
    return [f"{name:<{max(width, LABEL_WIDTH - 1)}} {_value(facts[name])}" for name in facts]


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def size(size_bytes: float) -> str:
    """Return a size for people, in decimal units."""
    for unit in _UNITS:
        if size_bytes < _KILO or unit == _UNITS[-1]:
            break
        size_bytes /= _KILO
    return f"{size_bytes:,.0f} {unit}" if unit == _UNITS[0] else f"{size_bytes:,.1f} {unit}"


def local_time(text: str | None) -> str:
    """Return a moment (ISO 8601 with an offset) for people: to the minute, in their own time."""
    try:
        moment = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return text or "an unknown time"
    return (moment.astimezone() if moment.tzinfo else moment).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    """Return a duration for people: its two largest units."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _progress(answer: api.Status) -> str:
    share = 1 - answer.files.pending / answer.files.seen if answer.files.seen else 0
    left = "" if answer.eta_s is None else f", {duration(answer.eta_s)} left"
    return f"{share:.1%}, {answer.rate_per_s:.1f} images/s{left}"


def _encode_server(server: api.EncodeServerStatus) -> Iterator[str]:
    state = server.state
    if server.encoded:
        state += f", {server.encoded:,} images encoded, {server.images_per_request} at once"
        state += f", {server.rate_per_s:.1f} images/s" if server.rate_per_s else ""
    yield _line("elsewhere", f"{server.url}: {state}")
    if server.reason:
        again = "" if server.next_try_s is None else f"; tried again in {server.next_try_s:.0f} s"
        yield _line("", f"{server.reason}{again if server.next_try_s else ''}")
    if server.checks and not server.compared_with:
        yield _line("", "its vectors are compared with nobody's: no second server has given any")


def _root(root: api.RootStatus) -> Iterator[str]:
    if root.online:
        yield _line("root", f"{root.path}: {root.files:,} files, watched by {root.watching}")
    else:
        yield _line("root", f"{root.path}: offline since {local_time(root.offline_since)}")
        if root.offline_reason:
            yield _line("", root.offline_reason)
    if root.warning:
        yield _line("", root.warning)


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH - 1}} {text}"
