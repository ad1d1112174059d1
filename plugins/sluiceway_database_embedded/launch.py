"""Start a program of PostgreSQL: not as root, and so that it ends when whoever started us does.

``launch.py PARENT MODE PROGRAM ARGUMENT...``, run by itself (``python -I -S``). PARENT is the process
that it must not outlive; MODE is ``as-is``, ``namespace`` or the number of a user and of a group
(``65534:65534``). PostgreSQL refuses to run as root. ``namespace`` gives it another number in a user
namespace of its own (user_namespaces(7)), so that files stay who they belong to and nothing of
root's rights is left; engines of containers often forbid that, hence the other way.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

REFUSED = 97
"""The exit code for: this mode cannot be had here."""
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_SOMEBODY = 1000


def main(arguments: list[str]) -> int:
    """Become the program. Returns only when that cannot be done."""
    parent, mode, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if mode == "namespace":
            _enter_namespace(libc)
        elif mode != "as-is":
            user, group = (int(part) for part in mode.split(":"))
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
    except OSError as error:
        sys.stderr.write(f"{mode}: {error.strerror}\n")
        return REFUSED
    # SIGINT is PostgreSQL's fast shutdown. After the change of user, which would clear it.
    with contextlib.suppress(AttributeError):  # not Linux
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    if os.getppid() == int(parent):
        os.execv(command[0], command)  # noqa: S606 - that is what it is for
    return 1


def _enter_namespace(libc: ctypes.CDLL) -> None:
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_SOMEBODY} {user} 1"),
        ("gid_map", f"{_SOMEBODY} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
