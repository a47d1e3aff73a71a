"""Takes private names out of text that is meant for strangers: bug reports and state dumps.

What is known to be a path gets a stable placeholder; after anything that may be one, the rest of
the line is dropped, since names hold spaces and quotes like any other text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from imgvecd.core.files.formats import IMAGE_EXTENSIONS

# A line of a traceback: code, not photos. Its path is kept from the package or library on.
_ABOVE_CODE = r"[^\"]*/(?=imgvecd/)|[^\"]*/site-packages/|[^\"]*/python3\.\d+/|[^\"]*/"
_CODE = re.compile(rf'\s*File "(?:{_ABOVE_CODE})?([^"]+)"(, line \d+.*)$')
_WITH_SLASH = re.compile(r"\S*/\S*")
_RATE = re.compile(r"\(?[\d.,]+/s\W*")
_PHOTO = re.compile(rf"\S*\.(?:{'|'.join(sorted(IMAGE_EXTENSIONS))})\b", re.IGNORECASE)


class Placeholders:
    """Names for paths, such as "<root 1>" for "/home/ada/Pictures".

    Args:
        names: absolute paths and what is shown instead.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        longest_first = sorted(names.items(), key=lambda item: -len(item[0]))
        self._names = [(path, shown) for path, shown in longest_first if path.strip("/")]

    def with_roots(self, roots: Iterable[str]) -> Placeholders:
        """Return these names, and "<root 1>" and so on for folders of photos."""
        numbered = {path: f"<root {number}>" for number, path in enumerate(roots, 1)}
        return Placeholders({**dict(self._names), **numbered})

    def path(self, path: str) -> str:
        """Return what is shown for a path: its placeholder, or that of the path it lies in."""
        for known, shown in self._names:
            if path == known:
                return shown
            if path.startswith(known + "/"):
                return f"{shown}/…"
        return "<path>"

    def text(self, text: str) -> str:
        """Return text, of one or more lines, without private names."""
        return "\n".join(map(self._line, text.splitlines()))

    def _line(self, line: str) -> str:
        code = _CODE.match(line)
        if code:
            return f'  File "{code[1]}"{code[2]}'
        for found in _WITH_SLASH.finditer(line):
            if not _RATE.fullmatch(found[0]):
                line = f"{line[: found.start()]}{self._shown(line, found)} …"
                break
        return _PHOTO.sub("<photo>", line)

    def _shown(self, line: str, found: re.Match[str]) -> str:
        for known, shown in self._names:
            if found.start() <= line.find(known, found.start()) < found.end():
                return shown
        return "<path>"
