"""Whether Python keeps what it compiled."""

from __future__ import annotations

import sys

__all__ = ["keep_as_python_would"]


def keep_as_python_would() -> None:
    """Let Python write bytecode unless its user said otherwise (``-B``, ``PYTHONDONTWRITEBYTECODE``).

    Invoke forbids it unless it is given ``--write-pyc``, for the sake of a folder with a file of tasks.
    A product whose packages an installer left uncompiled would be compiled anew for every command,
    which takes longer than most of them.
    """
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
