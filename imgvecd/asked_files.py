"""Which files of an image its filters ask for: it passes by any of the files that bear it."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from imgvecd import api, globs
from imgvecd.spelling import spellings

Test = Callable[[bytes], bool]


def asked_for(files: tuple[api.ImageFile, ...], filters: api.Filters) -> tuple[api.ImageFile, ...]:
    """Return the files that pass what filters say of files themselves, in their order.

    Alternatives (`any_of`) and exceptions (`none_of`) are not looked at.
    """
    tests = _tests(filters)
    return tuple(
        file
        for file in files
        if not (filters.online and file.offline)
        and all(test(api.Path(file.path, file.path_base64).raw()) for test in tests)
    )


def ask_for_files(filters: api.Filters) -> bool:
    """Return whether filters leave out some of the files of an image that passes."""
    return bool(filters.online or _tests(filters))


def asked_first(image: api.Image, filters: api.Filters) -> api.Image:
    """Return the image with the files first that filters asked for, and the others after them."""
    first = asked_for(image.files, filters)
    if len(first) in {0, len(image.files)}:
        return image
    others = tuple(file for file in image.files if file not in first)
    return msgspec.structs.replace(image, files=first + others)


def _tests(filters: api.Filters) -> list[Test]:
    tests: list[Test] = []
    if filters.root is not None:
        tests.append(_below(os.fsencode(filters.root)))
    if filters.folder is not None:
        tests.append(_below(os.path.normpath(os.fsencode(filters.folder))))
    if filters.raw_path():
        names = spellings(os.path.normpath(filters.raw_path()))
        tests.append(lambda path: path in names)
    if filters.glob:
        tests.append(globs.of_path(filters.glob).matches)
    return tests


def _below(folder: bytes) -> Test:
    """Return the test for what lies in a folder or below; a relative one is below any root."""
    inner = tuple(os.path.join(each, b"") for each in spellings(folder))
    if folder.startswith(b"/"):
        return lambda path: path.startswith(inner)
    if folder == b".":
        return lambda _path: True
    return lambda path: any(b"/" + each in path for each in inner)
