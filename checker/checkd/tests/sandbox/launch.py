"""Starts a program under the system call filter of its systemd unit, where there is no systemd to do it.

launch.py UNIT PROGRAM [ARGUMENT...]

It reads SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces, MemoryDenyWriteExecute and LockPersonality, has
`systemd-analyze syscall-filter` say which calls a set has, and loads filters that do what systemd.exec(5) says of them. A user
without privilege and without new ones is the caller's affair (setpriv).
"""

import errno
import os
import socket
import subprocess
import sys

from seccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arch, Arg, Attr, SyscallFilter, resolve_syscall

NAMESPACES = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00000080]
PROT_WRITE, PROT_EXEC = 2, 4


def settings(path):
    found = {}
    for line in open(path):
        key, equals, value = line.strip().partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def expanded(word):
    """The calls of a set, with those of the sets in it."""
    if not word.startswith("@"):
        return {word}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True)
    words = [line.strip() for line in shown.stdout.splitlines()[1:]]
    return set().union(*(expanded(word) for word in words if word and not word.startswith("#")))


def rule(which, action, call, *arguments):
    """Calls that this machine does not have need no rule."""
    if resolve_syscall(Arch.NATIVE, call) >= 0:
        which.add_rule(action, call, *arguments)


def denials(unit):
    """What is allowed by the list below, and is not with these arguments."""
    denied = SyscallFilter(ALLOW)
    denied.set_attr(Attr.CTL_NNP, 1)
    families = unit["RestrictAddressFamilies"][0].split()
    allowed = {int(getattr(socket, family)) for family in families}
    for family in range(64):
        if family not in allowed:
            rule(denied, ERRNO(errno.EAFNOSUPPORT), "socket", Arg(0, EQ, family))
    if unit["RestrictNamespaces"] == ["yes"]:
        # Its flags are behind a pointer, so that none of it is allowed: what wants it falls back to clone.
        rule(denied, ERRNO(errno.ENOSYS), "clone3")
        rule(denied, ERRNO(errno.EPERM), "setns")
        for flag in NAMESPACES:
            rule(denied, ERRNO(errno.EPERM), "clone", Arg(0, MASKED_EQ, flag, flag))
            rule(denied, ERRNO(errno.EPERM), "unshare", Arg(0, MASKED_EQ, flag, flag))
    if unit["MemoryDenyWriteExecute"] == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        rule(denied, ERRNO(errno.EPERM), "mmap", Arg(2, MASKED_EQ, both, both))
        for call in ["mprotect", "pkey_mprotect"]:
            rule(denied, ERRNO(errno.EPERM), call, Arg(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
    if unit["LockPersonality"] == ["yes"]:
        rule(denied, ERRNO(errno.EPERM), "personality")
    return denied


def allowance(unit):
    """The list of calls; these are always in it (systemd.exec(5))."""
    calls = expanded("@default") | {"execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"}
    for line in unit["SystemCallFilter"]:
        words = set().union(*(expanded(word) for word in line.lstrip("~").split()))
        calls = calls - words if line.startswith("~") else calls | words
    code = getattr(errno, unit["SystemCallErrorNumber"][0])
    allowed = SyscallFilter(ERRNO(code))
    for call in sorted(calls | {"seccomp"}):
        rule(allowed, ALLOW, call)
    return allowed


unit = settings(sys.argv[1])
first, second = denials(unit), allowance(unit)
first.load()
second.load()
os.execv(sys.argv[2], sys.argv[2:])
