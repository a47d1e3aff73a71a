"""Every error that imgvecd raises on purpose: type, API code, HTTP status and exit code together.

A message is one or two sentences: what happened, to which file, key or field, and the way out.
"""

from __future__ import annotations

import errno

PASSING_ERRNOS = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.ESTALE,
        errno.EAGAIN,  # another program has a lease on the file, as Samba takes them
    }
)
"""Of a file that is not to be had now, mostly since it or its drive went away: no failure."""


class ImgvecdError(Exception):
    """Base of all errors that are meant for a person.

    Attributes:
        code: stable, machine-readable name in API answers.
        http_status: status of the API answer that carries it.
        exit_code: of a command that ends with it.
    """

    code = "internal"
    http_status = 500
    exit_code = 2


class ConfigError(ImgvecdError):
    """The configuration cannot be used; names file, line and key."""

    code = "config"


class BadRequestError(ImgvecdError):
    """A request or an argument makes no sense; names the field."""

    code = "bad_request"
    http_status = 400


class DimensionError(BadRequestError):
    """A vector's length is not the index's."""

    code = "dimension"


class NotFoundError(ImgvecdError):
    """No such image, root or route."""

    code = "not_found"
    http_status = 404


class UnauthorizedError(ImgvecdError):
    """A request over TCP without the token, or with a wrong one."""

    code = "unauthorized"
    http_status = 401


class ForbiddenError(ImgvecdError):
    """Who asks may not have that: a web page of elsewhere, another user's path or action."""

    code = "forbidden"
    http_status = 403


class OfflineError(NotFoundError):
    """The image is known, and none of its files can be reached at the moment."""

    code = "offline"


class TooLargeError(BadRequestError):
    """A request's body is larger than `server.max_upload_mb`."""

    code = "too_large"
    http_status = 413


class UnsupportedMediaError(BadRequestError):
    """A request's body is of a type that the route does not take."""

    code = "unsupported_media_type"
    http_status = 415


class DeadlineError(ImgvecdError):
    """A request was not answered within `server.timeout_s`."""

    code = "timeout"
    http_status = 504


class BusyError(ImgvecdError):
    """As many requests as the daemon takes at once are under way; try again."""

    code = "busy"
    http_status = 503


class UnreadableImageError(ImgvecdError):
    """A file cannot be turned into pixels.

    Attributes:
        reason: short, stable name: "truncated", "too_large", "timeout", "crash", "memory",
            "unsupported", "damaged", "unreadable", "changed".
    """

    code = "unreadable_image"
    http_status = 422

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotInTimeError(ImgvecdError):
    """What was waited for did not come about in the time given."""

    code = "not_in_time"
    http_status = 409


class PausedError(ImgvecdError):
    """Indexing rests, and something waits for it; the message names the cause and the way on."""

    code = "paused"
    http_status = 503


class ModelError(ImgvecdError):
    """The model cannot be loaded or run; the message names the ways out."""

    code = "model"
    http_status = 503


class NotFetchedError(ModelError):
    """The model is not on this machine, and nobody has allowed it to be fetched."""


class NotBuiltError(ModelError):
    """A tower is not kept, and cannot be built: the whole model has to be loaded."""


class WorkerError(ImgvecdError):
    """A worker process died or did not answer in time; its work can be tried again."""

    code = "worker"
    http_status = 503


class EncoderAwayError(ImgvecdError):
    """An encode server cannot be reached or used now; its work is somebody else's, or waits."""

    code = "encoder_away"
    http_status = 503


class CatalogError(ImgvecdError):
    """The catalog cannot be opened, read or written."""

    code = "catalog"
    http_status = 503


class CatalogDamagedError(CatalogError):
    """The catalog's bytes are not what was written; a backup can take its place."""

    code = "catalog_damaged"


class IndexDamagedError(ImgvecdError):
    """A checkpoint's bytes are not what was written; it can be rebuilt from the catalog."""

    code = "index_damaged"
    http_status = 503


class StorageError(ImgvecdError):
    """The disk is full or failing, so that the index cannot be written; names the way out."""

    code = "storage"
    http_status = 503


class EngineError(ImgvecdError):
    """The shared engine cannot be reached, or cannot do what is asked; a later try may find it."""

    code = "engine"
    http_status = 503


class PositionError(EngineError):
    """What the shared engine has of this library is not what this library last wrote."""


class SourceTakenError(EngineError):
    """Another process publishes as this source: one of the two state directories is a copy."""


class AlreadyRunningError(ImgvecdError):
    """Another daemon holds the state directory or the socket."""

    code = "already_running"


class OutputError(ImgvecdError):
    """Standard output cannot be written: its disk is full, for example."""

    code = "output"


class DaemonUnreachableError(ImgvecdError):
    """Nothing answers on the socket."""

    code = "unreachable"


class DaemonError(ImgvecdError):
    """The daemon answered a client with an error; `code` and `http_status` are the answer's."""

    def __init__(self, message: str, code: str, http_status: int) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status


class ReadOnlyError(ImgvecdError):
    """The database is open for reading only, since another process writes to it."""

    code = "read_only"
    http_status = 409
