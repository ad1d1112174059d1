"""A stream that says what it is, and what a console shows on it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

from sluiceway.console import Console


class Stream(io.StringIO):
    """A stream that may say that it is a terminal, and may be a pipe that nobody reads."""

    def __init__(self, *, terminal: bool = False, broken: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.broken = broken

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def shown(
    show: Callable[[Console], None], *, width: int = 80, terminal: bool = False, **environ: str
) -> str:
    """Return what *show* writes."""
    stream = Stream(terminal=terminal)
    show(
        Console(
            stdout=stream,
            stderr=stream,
            width=width,
            environ={"TERM": "xterm-256color", **environ},
        )
    )
    return stream.getvalue()


def bare(text: str) -> str:
    """Take the colours and movements out."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
