"""The two streams that a person reads, and what each may be given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from sluiceway.console import painted, plain
from sluiceway.console.page import Page
from sluiceway.process import redact

if TYPE_CHECKING:
    from rich.console import Console as Painter

__all__ = ["Guarded", "Sink"]

_WIDTH = 80
_NARROWEST = 40


class Guarded:
    """A text stream that lets no secret through and never fails for want of a character.

    Args:
        stream: Where to write.
        needed: Whether it is an error when that takes nothing any more. What tells people of
            progress is not: a full disk or a closed terminal must not end a deployment half-way.
    """

    def __init__(self, stream: TextIO, *, needed: bool = True) -> None:
        self._stream = stream
        self._forgiven: tuple[type[OSError], ...] = () if needed else (OSError,)
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write *text*, secrets replaced, unknown characters replaced by ``?``."""
        safe = redact(text).encode(self.encoding, "replace").decode(self.encoding)
        with suppress(*self._forgiven):
            self._stream.write(safe)
        return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        with suppress(*self._forgiven):
            self._stream.flush()

    def isatty(self) -> bool:
        """Say whether a person looks at it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor below (the terminal's size is asked of it)."""
        return self._stream.fileno()


class Sink:
    """One stream with its own way of showing: painted for a terminal, plain otherwise.

    Args:
        stream: Where to write.
        environ: ``NO_COLOR``, ``TERM`` and ``COLUMNS`` are read from it.
        width: Cells of a line; asked of the terminal or the environment when left out.
        needed: Whether it is an error when *stream* takes nothing any more.
    """

    def __init__(
        self,
        stream: TextIO,
        environ: Mapping[str, str] | None = None,
        width: int | None = None,
        *,
        needed: bool = True,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.stream = Guarded(stream, needed=needed)
        self.painted = (
            stream.isatty()
            and not environ.get("NO_COLOR")
            and environ.get("TERM", "dumb") not in {"", "dumb"}
        )
        self._width = width
        self._columns = environ.get("COLUMNS", "")
        self._painter: Painter | None = None

    @property
    def width(self) -> int:
        """Cells of a line, at least 40."""
        if self._width is not None:
            return self._width
        if self._columns.isdigit() and int(self._columns):
            return max(int(self._columns), _NARROWEST)
        try:
            size = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError, AttributeError):
            return _WIDTH
        return max(size or _WIDTH, _NARROWEST)

    @property
    def symbols(self) -> bool:
        """Whether ticks and crosses may be written."""
        return self.painted and self.stream.encoding.lower().replace("-", "").startswith("utf")

    @property
    def painter(self) -> Painter:
        """The rich console on this stream, made when it is first needed."""
        if self._painter is None:
            from rich.console import Console as Painter

            self._painter = Painter(
                file=self.stream,  # type: ignore[arg-type] # what rich calls of a stream is there
                force_terminal=True,
                width=self.width,
                markup=False,
                highlight=False,
                emoji=False,
            )
        return self._painter

    def show(self, page: Page) -> None:
        """Write *page*."""
        if self.painted:
            width = self.width
            self.painter.width = width
            self.painter.print(painted.paint(page, width))
        else:
            self.stream.write(plain.render(page, self.width))
        self.stream.flush()
