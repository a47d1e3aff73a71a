"""Runs a command under the restrictions of a unit file, as systemd's manager would start it.

    python as_a_unit.py UNIT COMMAND…

Says no to a setting that it does not know, so that none is left out in silence. Needs libseccomp,
which systemd itself does with, and `systemd-analyze`, which knows its lists of system calls.
"""

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys

_NO_NEW_PRIVS, _MDWE = 38, 65  # linux/prctl.h
_ALLOW, _ERRNO, _EQUAL, _MASKED_EQUAL = 0x7FFF0000, 0x00050000, 4, 7  # seccomp.h
_NAMESPACES = 0x7E020080  # CLONE_NEW* (linux/sched.h)
_FAMILIES = range(46)  # of addresses that kernels have
_seccomp = ctypes.CDLL("libseccomp.so.2")
_seccomp.seccomp_init.restype = ctypes.c_void_p
_libc = ctypes.CDLL(None, use_errno=True)


class _Compared(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def main():
    unit, *command = sys.argv[1:]
    for key, value in _settings(unit):
        _KNOWN[key](value)
    for act in sorted(_filters, key=lambda act: act is _only):  # the list of calls comes last
        act(*_filters[act])
    os.execvp(command[0], command)  # noqa: S606  # a test's own


def _settings(unit):
    with open(unit, encoding="utf-8") as file:
        section = file.read().partition("[Service]\n")[2].partition("\n[")[0]
    lines = (line for line in section.splitlines() if line and line[0] not in "#;")
    return [line.partition("=")[::2] for line in lines]


def _prctl(option):
    if _libc.prctl(option, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _load(default, rules):
    """Install a filter of rules: (action, name of a system call, comparison or None)."""
    context = ctypes.c_void_p(_seccomp.seccomp_init(ctypes.c_uint32(default)))
    for action, name, compared in rules:
        number = _seccomp.seccomp_syscall_resolve_name(name.encode())
        array = (_Compared * 1)(*([compared] if compared else []))
        args = (ctypes.c_uint32(action), number, int(compared is not None), array)
        if number >= 0 and _seccomp.seccomp_rule_add_array(context, *args):
            raise OSError(f"no rule for {name}")
    if _seccomp.seccomp_load(context):
        raise OSError("the filter is not taken")


def _families(allowed):
    known = {getattr(socket, name) for name in allowed.split()}
    refused = (each for each in _FAMILIES if each not in known)
    action = _ERRNO | errno.EAFNOSUPPORT
    _load(_ALLOW, [(action, "socket", _Compared(0, _EQUAL, each, 0)) for each in refused])


def _no_namespaces(_value):
    refused = _ERRNO | errno.EPERM
    rules = [(refused, name, None) for name in ("unshare", "setns")]
    rules += [
        (refused, "clone", _Compared(0, _MASKED_EQUAL, 1 << bit, 1 << bit))
        for bit in range(64)
        if _NAMESPACES >> bit & 1
    ]
    _load(_ALLOW, rules)


def _only(groups):
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], check=True, stdout=-1, text=True
    ).stdout
    members: dict[str, list[str]] = {}
    for line in listed.splitlines():
        word = line.strip()
        if line.startswith("@"):
            members[word] = group = []
        elif word and word[0] != "#":
            group.append(word)

    def calls(word):
        return [each for one in members[word] for each in calls(one)] if word in members else [word]

    names = {name for word in groups.split() for name in calls(word)}
    _load(_ERRNO | errno.EPERM, [(_ALLOW, name, None) for name in sorted(names)])


_filters: dict = {}
_KNOWN = {
    "NoNewPrivileges": lambda _: _prctl(_NO_NEW_PRIVS),
    "MemoryDenyWriteExecute": lambda _: _prctl(_MDWE),
    "RestrictAddressFamilies": lambda value: _filters.update({_families: (value,)}),
    "RestrictNamespaces": lambda value: _filters.update({_no_namespaces: (value,)}),
    "SystemCallFilter": lambda value: _filters.update({_only: (value,)}),
    "UMask": lambda value: os.umask(int(value, 8)),
    "Nice": lambda value: os.nice(int(value)),
    "LimitCORE": lambda value: resource.setrlimit(resource.RLIMIT_CORE, (int(value),) * 2),
    # what the manager does itself, what the filter of system calls says already, or what cannot
    # keep a program from its work
    **dict.fromkeys(
        (
            *("Environment", "ExecStart", "Restart", "RestartSec", "MemoryMax", "TasksMax"),
            *("LockPersonality", "RestrictRealtime", "RestrictSUIDSGID"),
            *("SystemCallArchitectures", "SystemCallErrorNumber"),
        ),
        lambda _: None,
    ),
}


if __name__ == "__main__":
    main()
