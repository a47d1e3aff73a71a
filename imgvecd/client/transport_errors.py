"""What a client says when the way to the daemon fails: one table, whichever library noticed."""

from __future__ import annotations

from imgvecd.command_hints import runnable
from imgvecd.errors import DaemonUnreachableError

# By the names of the exceptions' classes, so that a client imports no library but its own. The
# first row counts that names the exception or one of its bases.
_TABLE: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"FileNotFoundError", "NotADirectoryError", "ConnectionRefusedError"}),
        "imgvecd is not running on {place}; start it with: `imgvecd serve`",
    ),
    (
        frozenset({"PermissionError"}),
        "{place} belongs to another user; imgvecd serves its own user only.",
    ),
    (frozenset({"TimeoutError"}), "imgvecd takes too long to answer."),
    (
        frozenset(
            {
                "RemoteDisconnected",
                "IncompleteRead",
                "ServerDisconnectedError",
                "ClientPayloadError",
                "ConnectionResetError",
                "BrokenPipeError",
            }
        ),
        "imgvecd on {place} hung up before it had answered; its log may say why.",
    ),
    (
        frozenset({"HTTPException", "ClientResponseError"}),
        "What answers on {place} does not speak HTTP: {error!r}.",
    ),
)


def unreachable(error: Exception, place: str) -> DaemonUnreachableError:
    """Return what a client raises for an error of its transport.

    Args:
        place: the socket's path, or host and port.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    number = getattr(error, "errno", None)
    if number is not None:  # aiohttp's own classes have the number of what they stand for
        names.add(type(OSError(number, "")).__name__)
    for row, message in _TABLE:
        if names & row:
            return DaemonUnreachableError(runnable(message.format(place=place, error=error)))
    return DaemonUnreachableError(f"imgvecd on {place} does not answer: {error}")
