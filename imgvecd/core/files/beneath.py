"""Opening what lies below a folder, so that no link leads out of it, whoever swaps it meanwhile.

Linux resolves a path in one step and refuses links (`openat2`, since 5.6). Where the kernel has no
such call, or a container forbids it, every component is opened by itself, never through a link.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator, Mapping

from imgvecd.errors import UnreadableImageError

READ_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK, opening a FIFO that took the file's place would wait for ever."""

READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_PATH_BYTES = 4000  # of one system call: PATH_MAX is 4096, and longer paths exist
_OPENAT2 = 437  # on every architecture; include/uapi/asm-generic/unistd.h
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08  # linux/openat2.h
_RACES = (
    100  # EAGAIN: something was renamed during the look; a storm of renames is no reason to wait
)
_NO_OPENAT2 = {errno.ENOSYS, errno.EPERM}  # the kernel is older; a container's filter is


class Links(enum.Enum):
    """Which symbolic links below a root are followed.

    NONE: none.
    INSIDE: those to what lies below the same root.
    ANYWHERE: all.
    """

    NONE = enum.auto()
    INSIDE = enum.auto()
    ANYWHERE = enum.auto()


class _How(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_beneath(folder: int, relative: bytes, flags: int, links: Links = Links.NONE) -> int:
    """Return a descriptor of what lies at a path below an open folder, and nowhere else.

    Args:
        folder: descriptor of the folder.
        relative: of any length; empty means the folder itself.

    Raises:
        OSError: it is not there or cannot be opened; with ELOOP, a link is on the way that is not
            to be followed, or leads out of the folder.
    """
    try:
        return _in_pieces(folder, relative or b".", flags, links)
    except OSError as error:
        if error.errno != errno.EXDEV or links is Links.ANYWHERE:
            raise
        if links is Links.NONE:
            raise _leads_out(relative) from error
    # a link by an absolute path, or one that leaves the root and comes back
    return _in_pieces(folder, _resolved(folder, relative), flags, Links.NONE)


def stat_beneath(folder: int, relative: bytes, links: Links = Links.NONE) -> os.stat_result:
    """Return the state of what lies at a path below an open folder; errors as for `open_beneath`.

    Without links, that of a link itself.
    """
    if sys.platform != "linux":  # no descriptor without opening: what is there may be a device
        above, _, name = relative.rpartition(b"/")
        with _closing(open_beneath(folder, above, READ_FOLDER, links)) as parent:
            return os.stat(name or b".", dir_fd=parent, follow_symlinks=links is not Links.NONE)
    flags = os.O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if links is Links.NONE else 0)
    with _closing(open_beneath(folder, relative, flags, links)) as descriptor:
        return os.fstat(descriptor)


def require_regular(status: os.stat_result) -> None:
    """Return if it is the state of a regular file.

    Raises:
        UnreadableImageError: "unsupported", it is that of a folder, a pipe, a device or a socket.
    """
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError("unsupported", "it is not a regular file")


class FileOpener:
    """Opens files of the library by their absolute paths, each beneath its own root. Thread-safe.

    A path below no root is opened as it is: its owner named it.
    """

    def __init__(self) -> None:
        self._roots: tuple[tuple[bytes, Links], ...] = ()

    def use_roots(self, roots: Mapping[bytes, Links]) -> None:
        """Take these absolute paths for the roots, the links of each followed as said."""
        deepest_first = sorted(roots.items(), key=lambda root: len(root[0]), reverse=True)
        self._roots = tuple(deepest_first)

    def open(self, path: bytes) -> int:
        """Return a descriptor for reading a regular file, to be closed by the caller. May block.

        Raises:
            UnreadableImageError: "unsupported", it is no regular file.
            OSError: it cannot be opened.
        """
        for root, links in self._roots:
            prefix = root.rstrip(b"/") + b"/"
            if path.startswith(prefix):
                with _closing(os.open(root, READ_FOLDER)) as folder:
                    return open_file_beneath(folder, path[len(prefix) :], links)
        return open_file(path)


def open_file_beneath(folder: int, relative: bytes, links: Links = Links.NONE) -> int:
    """Return a descriptor for reading a regular file below an open folder.

    Raises:
        UnreadableImageError: "unsupported", it is no regular file.
        OSError: as for `open_beneath`.
    """
    # sockets cannot be opened, and devices should not be
    require_regular(stat_beneath(folder, relative, links))
    return _checked(open_beneath(folder, relative, READ_FILE, links))


def open_file(path: bytes) -> int:
    """Return a descriptor for reading the regular file at a path, wherever links lead.

    Raises:
        UnreadableImageError: "unsupported", it is no regular file.
        OSError: it cannot be opened.
    """
    require_regular(os.stat(path))
    return _checked(os.open(path, READ_FILE))


def _checked(descriptor: int) -> int:
    try:
        require_regular(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _in_pieces(folder: int, relative: bytes, flags: int, links: Links) -> int:
    """Open a path of any length, a piece at a time."""
    with contextlib.ExitStack() as stack:
        while len(relative) > _PATH_BYTES:
            end = relative.rfind(b"/", 0, _PATH_BYTES)
            if end <= 0:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), relative)
            folder = stack.enter_context(
                _closing(_open(folder, relative[:end], READ_FOLDER, links))
            )
            relative = relative[end + 1 :]
        return _open(folder, relative, flags, links)


def _open(folder: int, relative: bytes, flags: int, links: Links) -> int:
    if links is Links.ANYWHERE:
        return os.open(relative, flags, dir_fd=folder)
    if _kernel.has_openat2:
        resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS
        if links is Links.NONE:
            resolve |= _RESOLVE_NO_SYMLINKS
        try:
            return _openat2(folder, relative, flags, resolve)
        except OSError as error:
            if error.errno not in _NO_OPENAT2 or _kernel.answers(folder):
                raise
    if links is Links.INSIDE:
        relative = _resolved(folder, relative)
    return _walk(folder, relative, flags)


class _Kernel:
    """Whether there is `openat2`, found out when it first fails."""

    def __init__(self) -> None:
        self.has_openat2 = sys.platform == "linux"

    def answers(self, folder: int) -> bool:
        """Return whether the call is there, and the refusal was about what was to be opened."""
        try:
            os.close(_openat2(folder, b".", READ_FOLDER, _RESOLVE_BENEATH))
        except OSError:
            self.has_openat2 = False
        return self.has_openat2


_kernel = _Kernel()
_libc = ctypes.CDLL(None, use_errno=True)


def _openat2(folder: int, relative: bytes, flags: int, resolve: int) -> int:
    how = _How(flags, 0, resolve)
    code = errno.EAGAIN
    for _ in range(_RACES):
        descriptor = _libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(relative),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if descriptor >= 0:
            return int(descriptor)
        code = ctypes.get_errno()
        if code not in {errno.EAGAIN, errno.EINTR}:
            break
    raise OSError(code, os.strerror(code), relative)


def _walk(folder: int, relative: bytes, flags: int) -> int:
    """Open one component after the other, none of them through a link."""
    *above, name = relative.split(b"/")
    if b".." in {*above, name}:
        raise _leads_out(relative)
    through = READ_FOLDER | os.O_NOFOLLOW | (os.O_PATH if sys.platform == "linux" else 0)
    with contextlib.ExitStack() as stack:
        for component in above:
            inner = os.open(component, through, dir_fd=folder)
            folder = stack.enter_context(_closing(inner))
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)


def _resolved(folder: int, relative: bytes) -> bytes:
    """Return where the links on a path lead, relative to the folder.

    Raises:
        OSError: ELOOP, out of it.
    """
    base = _path_of(folder)
    target = os.path.realpath(os.path.join(base, relative))
    if target == base:
        return b"."
    if not target.startswith(base.rstrip(b"/") + b"/"):
        raise _leads_out(relative)
    return os.path.relpath(target, base)


def _path_of(descriptor: int) -> bytes:
    if sys.platform == "linux":
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")


def _leads_out(relative: bytes) -> OSError:
    return OSError(errno.ELOOP, "a link leads out of the folder", relative)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
