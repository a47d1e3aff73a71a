"""What the daemon does, what fails and what changes."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import msgspec

from imgvecd.api.fields import Path, PauseSeconds, WaitSeconds


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model that answers queries.

    Attributes:
        loaded: a worker holds it in memory now.
        runs_on: runtime, device and number format that images are encoded with; empty until known.
        images_per_step: how many are encoded at once; 0 until that was learnt.
        ms_per_image: that one takes in such a step.
        runtime_note: why this runtime, with what was measured; None until that was found out.
        note: why this model, where the configuration left the choice open.
    """

    name: str
    pretrained: str
    fingerprint: str = ""
    dim: int = 0
    loaded: bool = False
    runs_on: str = ""
    images_per_step: int = 0
    ms_per_image: float = 0.0
    runtime_note: str | None = None
    note: str | None = None
    error: str | None = None


class EncodeServerStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A server that encodes images for this daemon, with one model.

    Attributes:
        state: "untried", "ready", "unreachable" (off, asleep, or the network is), "refused" (one
            of both does not take the other, until a person changes something) or "failing" (it
            answers, and its model does not work).
        reason: why it is not ready.
        since: when this state began.
        next_try_s: in how many seconds it is tried again, if images wait for it then.
        encoded: images, since the daemon started.
        ms_per_image: that one takes, the network included; 0 until known.
        images_per_request: how many are sent at once.
        runs_on: what the model runs on there.
        checks: how often two pictures among the others got the vectors that they should.
        compared_with: who else gave those vectors: "here", or the URL of another server; empty
            while nobody did, so that this server is believed unseen.
    """

    url: str
    model: str
    state: str
    reason: str | None = None
    since: str | None = None
    next_try_s: float | None = None
    encoded: int = 0
    rate_per_s: float = 0.0
    ms_per_image: float = 0.0
    images_per_request: int = 0
    runs_on: str = ""
    checks: int = 0
    compared_with: str = ""


class MoveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model that shall answer queries once it knows every image.

    Attributes:
        indexed, pending: files, as that model sees them; 0 until it is loaded.
        loading: how fetching and loading it goes on, as it tells; else empty.
        stopped: by a person; `POST /v1/move/resume` goes on.
        to_fetch_mb: size of a download that waits for a person's yes, which
            `POST /v1/move/resume` is; 0 while none does.
        error: why it does not come on, or None; next_try_at: when that is tried again.
    """

    name: str
    pretrained: str
    indexed: int = 0
    pending: int = 0
    rate_per_s: float = 0.0
    loading: str = ""
    stopped: bool = False
    to_fetch_mb: int = 0
    error: str | None = None
    next_try_at: str | None = None


class RootStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A watched folder.

    Attributes:
        watching: "events", "poll", "mixed" or "none".
        warning: what limits the watching, and the way out.
    """

    path: str
    path_base64: str | None = None
    online: bool = True
    offline_since: str | None = None
    offline_reason: str | None = None
    files: int = 0
    watching: str = "none"
    warning: str | None = None


class FileCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Files: seen = indexed + pending + failed."""

    seen: int = 0
    indexed: int = 0
    pending: int = 0
    failed: int = 0


class IndexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The index that answers queries."""

    kind: str = "flat"
    vectors: int = 0
    delta: int = 0
    removed: int = 0
    generation: int = 0
    clock: int = 0
    checkpoint_clock: int | None = None
    checkpoint_at: str | None = None
    rebuilding: bool = False


PauseCause = Literal["request", "quiet_hours", "battery", "load"]


class Pause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why indexing rests.

    Attributes:
        reason: for a person, to be read after "paused: ".
        until: when it ends by itself, where that is known.
    """

    cause: PauseCause
    reason: str
    until: str | None = None


class ForgetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/forget`: forget what is of no use any more.

    Attributes:
        older_than_s: pictures that are gone, and texts that were not asked, for so long; None: for
            as long as `catalog.keep_days` says.
    """

    older_than_s: Annotated[float, msgspec.Meta(ge=0, le=10**10)] | None = None


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /v1/forget`: how many query texts and pictures were forgotten."""

    texts: int
    images: int


class PauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/pause`: have indexing rest, for a while or until it is resumed."""

    for_s: PauseSeconds | None = None


class ResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/resume`: end a pause that was asked for.

    Attributes:
        force: go on although another cause holds, until that cause ends.
    """

    force: bool = False


class Pausing(msgspec.Struct, frozen=True, kw_only=True):
    """Whether indexing rests now."""

    pause: Pause | None


class SharedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is shared with other libraries.

    Attributes:
        source: what this library is called.
        engine: kind and place.
        waiting: images that the engine does not have as they are here.
        vectors_taken: images not encoded since the start, since another source had.
        sources_refused: UUIDs of the sources that nothing is taken from any more, since their
            vectors were not the model's.
        error: why publishing does not go on; None when all is well.
    """

    source: str
    engine: str
    waiting: int = 0
    vectors_taken: int = 0
    sources_refused: tuple[str, ...] = ()
    error: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/status`: what the daemon is doing.

    Attributes:
        state: "starting", "scanning" (what is on disk is looked at, or has to come to rest),
            "indexing", "paused" (with work left), "idle" (what was on disk at the call can be
            searched or has failed; in polled folders, at the last look) or "stopping".
        pause: why indexing rests, whether or not there is work.
        rate_per_s: images encoded per second over the last half minute; eta_s follows from it.
        encoded: images encoded since the daemon started.
        rereading: images whose metadata another version has read, and which are read again while
            nothing else waits.
        encode_servers: other machines that encode for this one; `encode.remote` names them.
        sandbox: what keeps a decoder that bad bytes have taken over from doing anything else:
            "limits", "no_new_privs", "landlock", "seccomp"; empty before the first has started.
        encoder_sandbox: likewise, of the processes that the model runs in.
        texts_waiting: pictures whose text is still to be read, while nothing else waits.
        recogniser_sandbox: likewise, of the process that reads text.
        shared: None unless `shared.url` is set.
    """

    version: str
    pid: int
    started_at: str
    state: str
    clock: str
    model: ModelStatus
    move: MoveStatus | None = None
    pause: Pause | None = None
    roots: tuple[RootStatus, ...]
    files: FileCounts
    index: IndexStatus
    encoded: int = 0
    rate_per_s: float = 0.0
    eta_s: float | None = None
    rereading: int = 0
    encode_servers: tuple[EncodeServerStatus, ...] = ()
    sandbox: tuple[str, ...] = ()
    encoder_sandbox: tuple[str, ...] = ()
    texts_waiting: int = 0
    recogniser_sandbox: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    shared: SharedStatus | None = None


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far indexing is; the fields are those of `Status`."""

    state: str
    pause: Pause | None = None
    files: FileCounts
    encoded: int
    rate_per_s: float
    eta_s: float | None = None


class ModelEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The model that answers, and the one that shall, after a change of either."""

    model: ModelStatus
    move: MoveStatus | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/events`: exactly one of these, after its `id`, has happened.

    Attributes:
        id: names the event; as `Last-Event-ID` it asks for what came after it.
        status: the whole state: where a listener begins, or has missed too much.
        progress: at most once a second.
        root: came online, went offline, or is watched otherwise.
        model: was loaded, was put away, is being moved to.
        checkpoint: the index was written to disk.
        clock: what happened to files up to it can be found; `GET /v1/changes` says what that is.
    """

    id: str
    status: Status | None = None
    progress: Progress | None = None
    root: RootStatus | None = None
    model: ModelEvent | None = None
    checkpoint: IndexStatus | None = None
    clock: str | None = None

    @property
    def kind(self) -> str:
        """Name of the part that is set."""
        kinds = ("status", "progress", "root", "model", "checkpoint")
        return next((kind for kind in kinds if getattr(self, kind) is not None), "clock")


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/stats`: what the library holds."""

    images: int
    files: int
    size_bytes: int
    embeddings: int
    failures: int
    formats: dict[str, int]
    oldest_taken_at: str | None
    newest_taken_at: str | None
    catalog_bytes: int
    index_bytes: int


class Health(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/health`: "ok", or "degraded" with reasons."""

    status: str
    reasons: tuple[str, ...] = ()


class RescanRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/rescan`: everything, or one folder at or below a root.

    Naming a root, or a folder on which something was mounted, takes it as it is now: what was kept
    because it was absent is let go.

    Attributes:
        path_base64: instead of `path`, for names that are no text.
    """

    path: str | None = None
    path_base64: str | None = None
    wait: bool = False

    @classmethod
    def of(cls, folder: str | os.PathLike[str] | None) -> RescanRequest:
        """Return the request for a folder of this process's view, or for everything."""
        if folder is None:
            return cls()
        named = Path.of(os.fsencode(os.path.abspath(folder)))
        return cls(path=named.path, path_base64=named.path_base64)

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, for a path that cannot be one."""
        if b"\0" in Path(self.path or "", self.path_base64).raw():
            raise ValueError("A path cannot contain NUL")


class SyncRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/sync`: wait until all that is on disk now is searchable or recorded as failed."""

    timeout_s: WaitSeconds = 30.0


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that cannot be searched.

    Attributes:
        reason: stable name, such as "damaged", "timeout", "too_large", "unreadable".
        message: for a person.
    """

    path: str
    path_base64: str | None = None
    size_bytes: int
    reason: str
    message: str


class FailureList(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/failures`: one page; pass `next_after` as `after` for the next."""

    failures: tuple[Failure, ...]
    next_after: int | None = None


class Change(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened to a file.

    Attributes:
        kind: "added", "changed" (other bytes), "moved" or "removed".
        id: of the image that the file bears, or bore.
        old_path: where a moved file was.
        at: number of the clock at which it happened; 0 in a full state.
    """

    kind: str
    id: int
    path: str
    path_base64: str | None = None
    old_path: Path | None = None
    at: int = 0


class Changes(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/changes`: pass `clock` as `since` to go on from here.

    Attributes:
        fresh_instance: the clock given was unknown or too old: forget everything, `changes` is the
            state, every file as if just added.
        more: there are more to fetch at once.
    """

    changes: tuple[Change, ...]
    clock: str
    fresh_instance: bool = False
    more: bool = False


class Divergence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that is not searchable although it is there, or the other way round.

    Attributes:
        kind: "not_in_catalog", "not_on_disk", "changed", "pending", "not_in_index" or "unlisted" (a
            folder that cannot be read, and never was); or, where nothing is amiss, "failed",
            "unreadable" (its folder; what was known is kept), "covered" (by a file system that is
            not mounted at the moment), "left_out" (by a rule, which is the reason).
        reason: for a person.
    """

    kind: str
    path: str
    path_base64: str | None = None
    reason: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/doctor`: disk, catalog and index, compared file by file.

    Attributes:
        healthy: nothing diverges; what has its reason is no divergence.
        counts: "on_disk", "in_catalog", "searchable", "companions" (files that belong to images),
            "offline", "stray_in_index", and one number for each kind of finding.
        findings: up to 10,000 of them.
    """

    healthy: bool
    counts: dict[str, int]
    findings: tuple[Divergence, ...]
