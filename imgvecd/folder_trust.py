"""Whether a folder is its owner's alone: what another user could rename or replace is not."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from collections.abc import Collection

_OVERFLOW_UID = 65_534  # whom the kernel shows for users from outside of a user namespace
_ALL_USERS = ["0", "0", "4294967295"]  # uid_map outside of any


def unsafe_folder(directory: str, also: Collection[int] = ()) -> str | None:
    """Return who else could exchange what lies in a folder, and where; None if nobody could.

    The folder and every one above it belong to this user or root, and nobody else can write to
    them, but where the sticky bit protects the entries of each user.

    Args:
        also: further users who may own it.

    Raises:
        OSError: a folder cannot be looked at.
    """
    trusted = trusted_users() | set(also)
    folder = os.path.realpath(directory)
    while True:
        status = os.stat(folder)
        if status.st_uid not in trusted:
            return f"{folder} belongs to another user (number {status.st_uid})"
        if others_can_write(status) and not status.st_mode & stat.S_ISVTX:
            return f"other users can write to {folder}"
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def trusted_users() -> set[int]:
    """Return this user and root; in a user namespace also whom it cannot name."""
    return {0, os.geteuid()} | ({_OVERFLOW_UID} if _in_user_namespace() else set())


def others_can_write(status: os.stat_result) -> bool:
    """Return whether the mode lets others than the owner change what a folder holds."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status)


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether the group is the owner's own, as distributions make one for each user."""
    if status.st_gid == 0:
        return True
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return owner.pw_name == group.gr_name and not set(group.gr_mem) - {owner.pw_name}


@functools.cache
def _in_user_namespace() -> bool:
    try:
        with open("/proc/self/uid_map") as uid_map:
            return uid_map.read().split() != _ALL_USERS
    except OSError:
        return False
